"""`pilotage watch`: follow one tracker until its promotion ends."""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crds.texts.plain import one_line
from crds.texts.terminal import visible
from worker.cli.options import ContextOption, KubeconfigOption, NamespaceOption, TrackerArgument, choose
from worker.cli.output import line

if TYPE_CHECKING:
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.exits import ExitCode
    from worker.cli.session import Session

REFRESH_SECONDS = 1.0
# An API server that restarts must not end a watch that a person left open; one that never answered does not restart.
TOLERATED_FAILURES = 30

TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Stop after this time; without it, follow to the end."),
]


def watch(
    invocation: typer.Context,
    name: TrackerArgument,
    timeout: TimeoutOption = None,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Follow one tracker to its end.

    On a terminal it shows a live view, in a pipe one line for each change. It exits with 0 for Completed, with 1 for
    Closed and Aborted, with 4 after --timeout.
    """
    from worker.cli.exits import ExitCode
    from worker.cli.session import Session, with_session

    async def follow_it(session: Session) -> ExitCode:
        return await follow(session, await session.tracker(name), timeout_seconds=timeout)

    code = with_session(choose(invocation, namespace, kubeconfig, context), follow_it)
    if code is not ExitCode.OK:
        raise typer.Exit(code)


async def follow(session: "Session", name: str, *, timeout_seconds: float | None) -> "ExitCode":
    """Print the tracker's changes until a terminal state, its deletion or the timeout."""
    view = LiveView(session.target.pasted) if sys.stdout.isatty() else LineView()
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _follow(session, name, view)
    except TimeoutError:
        from worker.cli.exits import CliError, ExitCode

        raise CliError(f"{name} has not ended after {timeout_seconds:g} s", code=ExitCode.TIMEOUT) from None
    finally:
        view.close()


async def _follow(session: "Session", name: str, view: "LiveView | LineView") -> "ExitCode":
    from crds.api.ports import ApiUnavailable
    from crds.reasons.vocabulary import State
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.exits import ExitCode
    from worker.cli.output import note
    from worker.cli.trackers import outdated

    failures, tolerated = 0, 0
    while True:
        try:
            tracker = await session.read(PullRequestTracker, name)
        except ApiUnavailable as error:
            failures += 1
            if failures > tolerated:
                raise
            if failures == 1:
                note(f"{error.message}; watching goes on")
        else:
            failures, tolerated = 0, TOLERATED_FAILURES
            view.show(tracker)
            state = tracker.status.state
            # A status of an earlier attempt is no status of the one that was just begun.
            if state is not None and state.terminal and not outdated(tracker):
                return ExitCode.OK if state is State.COMPLETED else ExitCode.FAILED
        await asyncio.sleep(REFRESH_SECONDS)


class LineView:
    """One line per change, for pipes and logs."""

    def __init__(self) -> None:
        self._last: list[str] = []

    def show(self, tracker: "PullRequestTracker") -> None:
        """Print what differs from the view before."""
        from worker.cli import trackers, values

        status = tracker.status
        state = " ".join(part for part in (trackers.state_of(tracker), status.environment or "") if part)
        waiting = status.waiting_for
        on = f" on {waiting.object}" if waiting and waiting.object else ""
        lines = [f"{state}: waits for {waiting.what}{on}" if waiting else state]
        lines += [
            f"test {test.name}{f' (try {test.retry + 1})' if test.retry else ''}: {test.state}"
            + (f" {test.url}" if test.url else "")
            for test in status.tests
        ]
        lines += [
            f"promotion {record.source} -> {record.target}: {record.result}"
            + (f": {record.error}" if record.error else "")
            for record in status.promotions
        ]
        if trackers.outdated(tracker):
            lines = [f"attempt {tracker.spec.attempt} has no status yet"]
        at = f"{values.now():%H:%M:%S}"
        for text in lines:
            if text not in self._last:
                line(f"{at} {tracker.metadata.name} {one_line(text)}")
        self._last = lines

    def note(self, text: str) -> None:
        """Print a line of one's own."""
        line(text)

    def close(self) -> None:
        """Nothing to put back."""


class LiveView:
    """A view that redraws itself, for terminals."""

    def __init__(self, pasted: Callable[[str], str] = str) -> None:
        """Begin; `pasted` has the commands in a text ask the cluster that is watched."""
        from rich.live import Live

        from worker.cli.output import console

        # A view that redraws itself would lose what stands beyond the terminal's edge.
        self._pasted = pasted
        self._live = Live(console=console(soft_wrap=False), auto_refresh=False)
        self._live.start()

    def show(self, tracker: "PullRequestTracker") -> None:
        """Redraw."""
        self._live.update(render(tracker, self._pasted), refresh=True)

    def note(self, text: str) -> None:
        """Print a line of one's own above the view."""
        self._live.console.print(visible(text), markup=False)

    def close(self) -> None:
        """Leave the last view on the screen and give the cursor back."""
        self._live.stop()


def render(tracker: "PullRequestTracker", pasted: Callable[[str], str] = str) -> Any:
    """Build the live view of one tracker."""
    from rich.console import Group
    from rich.text import Text

    from worker.cli import trackers, values
    from worker.cli.output import rich_table
    from worker.cli.rows import Columns

    at = values.now()
    status = tracker.status
    listing = Columns()
    parts: list[Any] = [rich_table(listing.columns, [listing.row(tracker.to_wire(), at)])]
    if status.waiting_for:
        parts.append(Text(one_line(f"waits for {trackers.waiting_line(status.waiting_for, at)}")))
    if way := trackers.way_out(tracker):
        parts.append(Text(one_line(pasted(trackers.unblock_line(way)))))
    if status.tests:
        parts.append(rich_table(trackers.TEST_COLUMNS, [trackers.test_row(test, at) for test in status.tests]))
    if status.promotions:
        parts.append(
            rich_table(trackers.PROMOTION_COLUMNS, [trackers.promotion_row(record, at) for record in status.promotions])
        )
    return Group(*parts)
