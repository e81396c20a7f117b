"""`pilotage get` and `pilotage show`: look at trackers."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    TrackersArgument,
    choose,
    complete_tracker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from crds.api.ports import Document
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.rows import Columns

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Trackers or pull requests: web-412, 412, #412, prt/web-412. All if none is named.",
        autocompletion=complete_tracker,
    ),
]
EverywhereOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Trackers of every namespace.")]
StateOption = Annotated[list[str] | None, typer.Option("--state", help="Only trackers in this state; repeatable.")]
SelectorOption = Annotated[
    str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="Labels, as kubectl selects by them.")
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Then show each change, until Ctrl-C.")]


def get(
    invocation: typer.Context,
    names: NamesArgument = None,
    everywhere: EverywhereOption = False,
    state: StateOption = None,
    selector: SelectorOption = None,
    watch: WatchOption = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """List trackers: where each is and what it waits for."""
    from worker.cli.rows import Columns, hindered, plain_state_of
    from worker.cli.session import TRACKERS, Session, name_of, with_session

    wanted_states = _states(state or ())
    if names and (everywhere or selector):
        raise typer.BadParameter("names exclude --all-namespaces and --selector", param_hint="NAME")
    printer = _Printer(output, Columns(wide=output == Output.WIDE, everywhere=everywhere))

    async def act(session: Session) -> None:
        chosen = set(await session.trackers(names)) if names else None

        def wanted(one: "Document") -> bool:
            named = chosen is None or name_of(one) in chosen
            return named and (not wanted_states or plain_state_of(one).lower() in wanted_states)

        if chosen is not None and not watch:
            found, version = [await session.one(TRACKERS, name) for name in sorted(chosen)], ""
        else:
            page = await session.page(TRACKERS, everywhere=everywhere, selector=selector)
            found, version = list(page.items), page.resource_version
        shown = [one for one in found if wanted(one)]
        if output == Output.WIDE:
            from worker.cli.asking import next_tries

            printer.listing = replace(printer.listing, tries=await next_tries([*filter(None, map(hindered, shown))]))
        printer.all(shown, watched=watch)
        if not watch:
            if not shown and output.for_people:
                printer.nothing(session.namespace, (state or ()) if found else ())
            return
        from worker.cli.listwatch import changes

        async for one in changes(session, everywhere=everywhere, selector=selector, wanted=wanted, since=version):
            printer.one(one)

    with_session(choose(invocation, namespace, kubeconfig, context), act)


def _states(given: "Sequence[str]") -> frozenset[str]:
    """Return the states in lower case. Raises BadParameter for one that there is not."""
    if not given:
        return frozenset()
    from crds.reasons.vocabulary import State

    known = {one.lower() for one in State}
    for one in given:
        if one.lower() not in known:
            raise typer.BadParameter(f"`{one}` is not a state; states are {', '.join(State)}", param_hint="--state")
    return frozenset(one.lower() for one in given)


class _Printer:
    """Print a list, and what changes of it, in one format."""

    def __init__(self, output: Output, listing: "Columns") -> None:
        self._output, self.listing = output, listing
        self._widths: list[int] = []

    def all(self, found: "list[Document]", *, watched: bool) -> None:
        """Print the list."""
        from worker.cli.output import as_list, documents, listed
        from worker.cli.values import now

        if not self._output.for_people:
            for one in found if watched else [as_list(found)]:
                documents(one, self._output)
        elif found or watched:
            at = now()
            rows = [self.listing.row(one, at) for one in found]
            self._widths = listed(self.listing.columns, rows, whole=self.listing.wide)

    def one(self, changed: "Document") -> None:
        """Print what changed."""
        from worker.cli.output import documents, listed
        from worker.cli.values import now

        if self._output.for_people:
            listed(None, [self.listing.row(changed, now())], widths=self._widths, whole=self.listing.wide)
        else:
            documents(changed, self._output)

    def nothing(self, namespace: str, states: "Sequence[str]") -> None:
        """Note that there is nothing to list: no tracker at all, or none in these states."""
        from worker.cli.output import note

        where = "" if self.listing.everywhere else f" in namespace {namespace}"
        wanted = f" in state {' or '.join(states)}" if states else ""
        note(f"No trackers found{where}{wanted}.")


def show(
    invocation: typer.Context,
    names: TrackersArgument,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show trackers with their tests and promotions."""
    from worker.cli.asking import next_tries
    from worker.cli.output import as_list, documents, line
    from worker.cli.rows import hindered
    from worker.cli.session import TRACKERS, Session, parse, with_session

    async def read(session: Session) -> "tuple[list[Document], Mapping[str, datetime]]":
        found = [await session.one(TRACKERS, name) for name in await session.trackers(names)]
        tries = await next_tries([*filter(None, map(hindered, found))]) if output.for_people else {}
        return found, tries

    target = choose(invocation, namespace, kubeconfig, context)
    found, tries = with_session(target, read)
    if not output.for_people:
        documents(found[0] if len(found) == 1 else as_list(found), output)
        return
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker

    for index, document in enumerate(found):
        if index:
            line()
        again_at = tries.get(hindered(document))
        print_tracker(parse(PullRequestTracker, document), again_at=again_at, pasted=target.pasted)


def print_tracker(
    tracker: "PullRequestTracker", *, again_at: "datetime | None", pasted: "Callable[[str], str]"
) -> None:
    """Print everything that a tracker's status holds, and when its workflow tries again what failed.

    `pasted` has the commands in a text ask the same cluster.
    """
    from worker.cli import trackers, values
    from worker.cli.output import line, paragraph, table

    at = values.now()
    status = tracker.status
    for label, value in _facts(tracker, again_at, pasted):
        if " " in value and label != trackers.UNBLOCK:
            paragraph(f"{label + ':':<14}{value}", indent=" " * 14)
        elif value:
            # A link stays behind its label, and a command one line, however long they are.
            line(f"{label + ':':<14}{value}")
    if status.tests:
        line()
        verdict = status.aggregate
        if verdict is not None:
            optional = ", an optional test failed" if verdict.optional_tests_failed else ""
            required = any(test.required for test in status.tests)
            line(f"Tests: {_verdict(required, verdict.all_passed, verdict.any_failed)}{optional}")
        table(trackers.TEST_COLUMNS, [trackers.test_row(test, at) for test in status.tests])
    if status.promotions:
        line()
        line("Promotions")
        table(trackers.PROMOTION_COLUMNS, [trackers.promotion_row(record, at) for record in status.promotions])
    if status.promotions and not status.promotions[-1].promoted and status.promotions[-1].applications:
        last = status.promotions[-1]
        line()
        omitted = f" (of {len(last.applications) + last.applications_omitted})" if last.applications_omitted else ""
        line(f"Applications of {last.target}{omitted}")
        table(trackers.APPLICATION_COLUMNS, trackers.application_rows(last))
    if status.conditions:
        line()
        conditions = [trackers.condition_row(one, at) for one in status.conditions]
        table(trackers.CONDITION_COLUMNS, [[*map(pasted, row)] for row in conditions])


def _facts(
    tracker: "PullRequestTracker", again_at: "datetime | None", pasted: "Callable[[str], str]"
) -> list[tuple[str, str]]:
    from worker.cli import trackers, values

    status, now = tracker.status, values.now()
    pull_request, hop, waiting = status.pull_request, status.hop, status.waiting_for
    message, way = status.message or "", trackers.way_out(tracker)
    return [
        ("Tracker", f"{tracker.metadata.namespace or ''}/{tracker.metadata.name}, attempt {tracker.spec.attempt}"),
        ("Pull request", f"#{tracker.spec.number} {(pull_request.title if pull_request else None) or ''}".rstrip()),
        ("Author", (pull_request.author if pull_request else None) or ""),
        ("URL", (pull_request.url if pull_request else None) or ""),
        ("State", trackers.state_with_reason(tracker)),
        ("Message", "" if waiting and message in (waiting.observed or "") else pasted(message)),
        ("Environment", status.environment or tracker.spec.environment),
        ("Hop", f"{hop.source} -> {hop.target}" if hop else ""),
        ("Revision", status.revision or ""),
        ("Waiting for", pasted(trackers.waiting_line(waiting, now)) if waiting else ""),
        ("Next try", values.due(again_at, now) if again_at else ""),
        (trackers.unblock_label(way), pasted(way)),
        ("Workflow", (status.workflow.url or status.workflow.id) if status.workflow else ""),
    ]


def _verdict(required: bool, all_passed: bool, any_failed: bool) -> str:
    if not required:
        return "none is required"
    return "all required ones passed" if all_passed else "a required one failed" if any_failed else "not all final yet"
