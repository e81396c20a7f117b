"""`pilotage why`: what a change waits for, what ends the wait, and each check before its next step."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    TrackersArgument,
    choose,
)

if TYPE_CHECKING:
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.asking import WorkflowAnswer
    from worker.cli.checks import Check
    from worker.cli.session import Session

    Explanation = tuple[PullRequestTracker, list[Check], WorkflowAnswer]

AskOption = Annotated[
    bool, typer.Option("--ask-workflow/--no-ask-workflow", help="Also ask the workflow, if TEMPORAL_ADDRESS is set.")
]
LAG_SECONDS = 2.0
"""How long a status may be behind its workflow before that is a finding: it is written moments later."""
LAG_POLL_SECONDS = 0.4

AllOption = Annotated[bool, typer.Option("--all", "-a", help="Also show the checks that let the change go on.")]


def why(
    invocation: typer.Context,
    names: TrackersArgument,
    every: AllOption = False,
    ask_workflow: AskOption = True,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Explain what promotions wait for."""
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.asking import WorkflowAnswer, ask
    from worker.cli.checks import Check, checks_of
    from worker.cli.evidence import gather
    from worker.cli.output import as_list, documents, line
    from worker.cli.session import Session, with_session

    async def explain(session: Session, name: str) -> "Explanation":
        tracker = await session.read(PullRequestTracker, name)
        workflow = tracker.status.workflow
        asked = await ask(workflow.id) if ask_workflow and workflow is not None else WorkflowAnswer()
        if asked.state and asked.state != tracker.status.state:
            tracker = await _caught_up(session, tracker, asked)
        evidence = await gather(session, tracker)
        differing = [Check(subject="workflow", ok=False, text=text) for text in disagreements(tracker, asked)]
        return tracker, [*differing, *checks_of(evidence)], asked

    async def explain_all(session: Session) -> "list[Explanation]":
        return [await explain(session, name) for name in await session.trackers(names)]

    target = choose(invocation, namespace, kubeconfig, context)
    found = with_session(target, explain_all)
    if not output.for_people:
        answers = [_document(*one, pasted=target.pasted) for one in found]
        documents(answers[0] if len(answers) == 1 else as_list(answers), output)
        return
    for index, one in enumerate(found):
        if index:
            line()
        print_answer(*one, every=every, pasted=target.pasted)


async def _caught_up(
    session: "Session", tracker: "PullRequestTracker", asked: "WorkflowAnswer"
) -> "PullRequestTracker":
    """Return the tracker once its status shows what the workflow answered, or as it is after moments."""
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker

    loop = asyncio.get_running_loop()
    deadline = loop.time() + LAG_SECONDS
    while tracker.status.state != asked.state and loop.time() < deadline:
        await asyncio.sleep(LAG_POLL_SECONDS)
        tracker = await session.read(PullRequestTracker, tracker.metadata.name)
    return tracker


def print_answer(
    tracker: "PullRequestTracker",
    checks: "list[Check]",
    asked: "WorkflowAnswer",
    *,
    every: bool,
    pasted: Callable[[str], str],
) -> None:
    """Print the answer, the checks that are not met, and last again what ends the wait.

    `pasted` has the commands in a text ask the same cluster.
    """
    from worker.cli.output import command_line, line, paragraph

    way_out = pasted(way_of(tracker, asked))
    for text in answer_of(tracker, asked):
        paragraph(pasted(text))
    if way_out:
        command_line(way_out)
    shown = [check for check in checks if every or not check.ok]
    if shown:
        line()
    for check in shown:
        paragraph(f"{check.mark} {pasted(check.text)}")
    if asked.checks and every:
        line()
        line("the workflow answers:")
        for text in asked.checks:
            paragraph(f"  {pasted(text)}")
    left_out = len(checks) - len(shown)
    if not way_out and not (shown and left_out):
        # It has ended, and nothing is in any way.
        return
    line()
    if left_out:
        met = "found nothing" if tracker.status.state and tracker.status.state.terminal else "let the change go on"
        line(f"{left_out} of {len(checks)} checks {met}: --all shows them")
    if way_out:
        command_line(way_out)


def way_of(tracker: "PullRequestTracker", asked: "WorkflowAnswer") -> str:
    """Return in one line what ends the wait, by the status and the workflow; empty where that is not known."""
    from worker.cli.trackers import unblock_line, way_out

    return unblock_line(way_out(tracker, absent=asked.absent))


def answer_of(tracker: "PullRequestTracker", asked: "WorkflowAnswer") -> list[str]:
    """Return the answer in lines: the state, what is waited for, and the next try."""
    from worker.cli import trackers, values

    status, name = tracker.status, tracker.metadata.name
    waiting = status.waiting_for
    # What is waited for repeats the message where it is all that there is to observe.
    news = status.message and not (waiting and status.message in (waiting.observed or ""))
    message = f": {status.message}" if news else ""
    lines = [f"{name}: {trackers.state_with_reason(tracker)}{message}"]
    if waiting is not None:
        lines.append(f"waits for {trackers.waiting_line(waiting, values.now())}")
    if asked.again_at is not None:
        lines.append(f"Pilotage tries again {values.due(asked.again_at, values.now())}")
    return lines


def _document(
    tracker: "PullRequestTracker", checks: "list[Check]", asked: "WorkflowAnswer", *, pasted: Callable[[str], str]
) -> dict[str, Any]:
    from crds.fields import format_time

    status = tracker.status
    waiting = status.waiting_for
    return {
        "tracker": tracker.metadata.name,
        "state": str(status.state) if status.state else None,
        "reason": status.reason,
        # What it waits for has a code of its own; a status of an older version has the state's reason alone.
        "reasonCode": (waiting.reason_code if waiting else None) or status.reason,
        "waitingFor": waiting.to_wire() if waiting else None,
        "nextTry": format_time(asked.again_at) if asked.again_at else None,
        "answer": [pasted(text) for text in (*answer_of(tracker, asked), way_of(tracker, asked)) if text],
        "checks": [
            {"subject": check.subject, "ok": check.ok, "text": check.text, "reasonCode": check.reason or None}
            for check in checks
        ],
        "workflow": list(asked.checks),
    }


def disagreements(tracker: "PullRequestTracker", asked: "WorkflowAnswer") -> list[str]:
    """Return in what the status and the workflow differ, each with what helps. Pure."""
    from worker.cli.trackers import outdated, restart_of

    status = tracker.status
    found = []
    if outdated(tracker):
        found.append(
            f"the status is that of attempt {status.attempt}, and attempt {tracker.spec.attempt} has begun: "
            "wait, or check that a watcher and a worker run"
        )
    elif asked.absent and status.state is not None and not status.state.terminal:
        found.append(f"the status shows {status.state}, and Temporal has no such workflow: `{restart_of(tracker)}`")
    elif asked.state and status.state is not None and asked.state != status.state:
        found.append(
            f"the workflow is at {asked.state}, and the status shows {status.state}: wait, or check that a watcher runs"
        )
    return found
