"""`pilotage why`: what a change waits for, what ends the wait, and each check before its next step."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    TrackerArgument,
    choose,
)

if TYPE_CHECKING:
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.asking import WorkflowAnswer
    from worker.cli.checks import Check

NO_ACTION = "no action needed"

AskOption = Annotated[
    bool, typer.Option("--ask-workflow/--no-ask-workflow", help="Ask the workflow too, if TEMPORAL_ADDRESS is set.")
]
AllOption = Annotated[bool, typer.Option("--all", "-a", help="Show the checks that let the change go on, too.")]


def why(
    invocation: typer.Context,
    name: TrackerArgument,
    every: AllOption = False,
    ask_workflow: AskOption = True,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Explain what a promotion waits for."""
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.asking import WorkflowAnswer, ask
    from worker.cli.checks import Check, checks_of
    from worker.cli.evidence import gather
    from worker.cli.session import Session, with_session

    async def explain(session: Session) -> "tuple[PullRequestTracker, list[Check], WorkflowAnswer]":
        tracker = await session.read(PullRequestTracker, await session.tracker(name))
        evidence = await gather(session, tracker)
        workflow = tracker.status.workflow
        asked = await ask(workflow.id) if ask_workflow and workflow is not None else WorkflowAnswer()
        differing = [Check(subject="workflow", ok=False, text=text) for text in disagreements(tracker, asked)]
        return tracker, [*differing, *checks_of(evidence)], asked

    tracker, checks, asked = with_session(choose(invocation, namespace, kubeconfig, context), explain)
    if output.for_people:
        _print(tracker, checks, asked, every=every)
    else:
        _print_document(tracker, checks, asked, output)


def _print(tracker: "PullRequestTracker", checks: "list[Check]", asked: "WorkflowAnswer", *, every: bool) -> None:
    from worker.cli.output import line, paragraph

    answer = answer_of(tracker, asked)
    for text in answer:
        paragraph(text)
    shown = [check for check in checks if every or not check.ok]
    if not shown and len(answer) == 1:
        # It has ended, and nothing is in any way.
        return
    if shown:
        line()
    for check in shown:
        paragraph(f"{check.mark} {check.text}")
    if asked.checks and every:
        line()
        line("the workflow answers:")
        for text in asked.checks:
            paragraph(f"  {text}")
    line()
    if left_out := len(checks) - len(shown):
        line(f"{left_out} of {len(checks)} checks let the change go on: --all shows them")
    paragraph(answer[-1])


def answer_of(tracker: "PullRequestTracker", asked: "WorkflowAnswer") -> list[str]:
    """Return the answer in lines: the state, what is waited for, the next try, and, last, what ends the wait."""
    from worker.cli import trackers, values

    status, name = tracker.status, tracker.metadata.name
    reason = trackers.reason_of(tracker)
    waiting = status.waiting_for
    # What is waited for repeats the message where it is all that there is to observe.
    news = status.message and not (waiting and status.message in (waiting.observed or ""))
    message = f": {status.message}" if news else ""
    lines = [f"{name}: {trackers.state_of(tracker)}{reason}{message}"]
    if waiting is not None:
        lines.append(f"waits for {trackers.waiting_line(waiting, values.now())}")
    if asked.again_at is not None:
        lines.append(f"Pilotage tries again {values.due(asked.again_at, values.now())}")
    if waiting is not None and waiting.unblock_with:
        helps = waiting.unblock_with
        lines.append(helps if helps.startswith(NO_ACTION) else f"unblock with: {helps}")
    elif status.state is not None and not status.state.is_terminal:
        lines.append(NO_ACTION)
    return lines


def _print_document(
    tracker: "PullRequestTracker", checks: "list[Check]", asked: "WorkflowAnswer", output: Output
) -> None:
    from crds.fields import format_time
    from worker.cli.output import documents

    status = tracker.status
    waiting = status.waiting_for
    answer: dict[str, Any] = {
        "tracker": tracker.metadata.name,
        "state": str(status.state) if status.state else None,
        "reason": status.reason,
        # What it waits for has a code of its own; a status of an older version has the state's reason alone.
        "reasonCode": (waiting.reason_code if waiting else None) or status.reason,
        "waitingFor": waiting.to_wire() if waiting else None,
        "nextTry": format_time(asked.again_at) if asked.again_at else None,
        "answer": answer_of(tracker, asked),
        "checks": [
            {"subject": check.subject, "ok": check.ok, "text": check.text, "reasonCode": check.reason or None}
            for check in checks
        ],
        "workflow": list(asked.checks),
    }
    documents(answer, output)


def disagreements(tracker: "PullRequestTracker", asked: "WorkflowAnswer") -> list[str]:
    """Return in what the status and the workflow differ, each with what helps. Pure."""
    status, name = tracker.status, tracker.metadata.name
    found = []
    if status.attempt is not None and status.attempt != tracker.spec.attempt:
        found.append(
            f"the status is that of attempt {status.attempt}, and attempt {tracker.spec.attempt} has begun: "
            "wait, or check that a watcher and a worker run"
        )
    elif asked.absent and status.state is not None and not status.state.is_terminal:
        found.append(f"the status shows {status.state}, and Temporal has no such workflow: `pilotage restart {name}`")
    elif asked.state and status.state is not None and asked.state != status.state:
        found.append(
            f"the workflow is at {asked.state}, and the status shows {status.state}: wait, or check that a watcher runs"
        )
    return found
