"""`pilotage sync NAME`: have labels and tracker brought to agree, and print what was found and changed."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from worker.cli.commands import (
    DEFAULT_TIMEOUT_SECONDS,
    DryRunOption,
    ReasonOption,
    TimeoutOption,
    checked_reason,
    finish,
)
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
    from crds.v1alpha1.tracker_status import LabelSync
    from worker.cli.session import Session

POLL_SECONDS = 0.3


def add_sync(app: typer.Typer) -> None:
    """Register the command."""
    app.command("sync")(sync)


def sync(
    invocation: typer.Context,
    name: TrackerArgument,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Read labels and comments of a pull request now. Then write what it should show."""
    from worker.cli.commanding import CommandOutcome, CommandRequest, send
    from worker.cli.exits import ExitCode
    from worker.cli.output import documents, paragraph
    from worker.cli.session import Session, with_session

    async def act(session: Session) -> tuple[str, str, CommandOutcome, "LabelSync | None"]:
        tracker = await session.tracker(name)
        show = session.command("show", tracker)
        request = CommandRequest(verb="sync", reason=checked_reason(reason), dry_run=dry_run)
        answer = await send(session, tracker, request, timeout_seconds=timeout)
        if dry_run or answer.code is not ExitCode.OK:
            return tracker, show, answer, None
        found = await _await_result(session, tracker, answer.document["metadata"]["uid"], timeout)
        return tracker, show, answer, found

    tracker, show, answer, result = with_session(choose(invocation, namespace, kubeconfig, context), act)
    if result is None:
        if answer.code is ExitCode.OK and not dry_run:
            late = f"no result after {timeout:g} s; `{show}` shows it once it is there"
            answer = replace(answer, code=ExitCode.TIMEOUT, advice=late)
        finish([answer], output)
        return
    if output.for_people:
        paragraph(_line(tracker, result))
    else:
        documents(_document(result), output)
    if result.errors:
        raise typer.Exit(ExitCode.FAILED)


async def _await_result(session: "Session", name: str, request: str, timeout_seconds: float) -> "LabelSync | None":
    """Return what the sync found and changed, once the tracker's status shows it."""
    from crds.api.ports import ApiUnavailable
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker

    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while loop.time() < deadline:
        with suppress(ApiUnavailable):
            found = (await session.read(PullRequestTracker, name)).status.label_sync
            if found is not None and found.request == request:
                return found
        await asyncio.sleep(POLL_SECONDS)
    return None


def _line(name: str, result: "LabelSync") -> str:
    changed = [*(f"+{one}" for one in result.labels_added), *(f"-{one}" for one in result.labels_removed)]
    found = ", ".join([*changed, *result.errors]) or "labels and tracker agree"
    states = dict.fromkeys(state or "no state" for state in (result.initial_state, result.final_state))
    return f"{name}: {' -> '.join(states)}: {found}"


def _document(result: "LabelSync") -> dict[str, Any]:
    """Return the result with every field, so that scripts need not ask which are there."""
    wire = result.to_wire()
    lists = {field: wire.get(field, []) for field in ("labelsAdded", "labelsRemoved", "errors")}
    return {"initialState": "", "finalState": "", **wire, **lists}
