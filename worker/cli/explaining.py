"""`pilotage why`: each check between a change and its next step, with its inputs."""

import asyncio
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
    from worker.cli.checks import Check

QUERY_SECONDS = 3.0

AskOption = Annotated[
    bool, typer.Option("--ask-workflow/--no-ask-workflow", help="Ask the workflow too, if TEMPORAL_ADDRESS is set.")
]


def why(
    invocation: typer.Context,
    name: TrackerArgument,
    ask_workflow: AskOption = True,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Explain where a promotion stands: each check with its inputs."""
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.checks import checks_of
    from worker.cli.evidence import gather
    from worker.cli.session import Session, with_session

    async def explain(session: Session) -> "tuple[PullRequestTracker, list[Check], list[str]]":
        tracker = await session.read(PullRequestTracker, await session.tracker(name))
        evidence = await gather(session, tracker)
        asked = await _ask(tracker) if ask_workflow else []
        return tracker, checks_of(evidence), asked

    tracker, checks, asked = with_session(choose(invocation, namespace, kubeconfig, context), explain)
    if output.for_people:
        _print(tracker, checks, asked)
    else:
        _print_document(tracker, checks, asked, output)


def _print(tracker: "PullRequestTracker", checks: "list[Check]", asked: list[str]) -> None:
    from worker.cli import trackers, values
    from worker.cli.output import line

    status = tracker.status
    reason = f" ({status.reason})" if status.reason else ""
    line(
        f"{tracker.metadata.name}: {trackers.state_of(tracker)}{reason}"
        + (f": {status.message}" if status.message else "")
    )
    if status.waiting_for:
        line(f"waits for {trackers.waiting_line(status.waiting_for, values.now())}")
        if status.waiting_for.unblock_with:
            line(f"unblock with: {status.waiting_for.unblock_with}")
    line()
    for check in checks:
        line(f"{check.mark} {check.text}")
    if asked:
        line()
        line("the workflow says:")
        for text in asked:
            line(f"  {text}")


def _print_document(tracker: "PullRequestTracker", checks: "list[Check]", asked: list[str], output: Output) -> None:
    from worker.cli.output import documents

    waiting = tracker.status.waiting_for
    answer: dict[str, Any] = {
        "tracker": tracker.metadata.name,
        "state": tracker.status.state,
        "reason": tracker.status.reason,
        "waitingFor": waiting.to_wire() if waiting else None,
        "checks": [{"subject": check.subject, "ok": check.ok, "text": check.text} for check in checks],
        "workflow": asked,
    }
    documents({field: str(value) if field == "state" and value else value for field, value in answer.items()}, output)


async def _ask(tracker: "PullRequestTracker") -> list[str]:
    """Query the workflow where TEMPORAL_ADDRESS is set; a server that does not answer costs a few seconds at most."""
    import os

    workflow = tracker.status.workflow
    if workflow is None or not (os.environ.get("TEMPORAL_ADDRESS") or os.environ.get("TEMPORAL_PROFILE")):
        return []
    try:
        return list(await asyncio.wait_for(_progress(workflow.id), QUERY_SECONDS))
    except TimeoutError:
        return ["no answer from Temporal"]


async def _progress(workflow_id: str) -> tuple[str, ...]:
    from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
    from temporalio.service import RPCError

    from activities.models.promotion import Progress
    from worker.temporal.connect import TemporalUnavailable, connect
    from workflows.identity import PROGRESS_QUERY

    try:
        client = await connect()
        handle = client.get_workflow_handle(workflow_id)
        progress: Progress = await handle.query(PROGRESS_QUERY, result_type=Progress)
    except TemporalUnavailable as error:
        return (str(error),)
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        return (f"the workflow does not answer: {error}"[:300],)
    return tuple(progress.checks)
