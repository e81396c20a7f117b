"""`pilotage get` and `pilotage show`: look at trackers."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    TrackerArgument,
    choose,
    complete_tracker,
)

if TYPE_CHECKING:
    from crds.api.ports import Document
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Trackers; all if none is named.", autocompletion=complete_tracker),
]
EverywhereOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Trackers of every namespace.")]
StateOption = Annotated[list[str] | None, typer.Option("--state", help="Only trackers in this state; repeatable.")]


def get(
    invocation: typer.Context,
    names: NamesArgument = None,
    everywhere: EverywhereOption = False,
    state: StateOption = None,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """List trackers: where each is and what it waits for."""
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from crds.v1alpha1.tracker_status import TrackerState
    from worker.cli import trackers
    from worker.cli.output import as_list, documents, note, table
    from worker.cli.session import Session, parse, with_session

    wanted_states = {one.lower(): one for one in state or ()}
    if unknown := sorted(set(wanted_states) - {one.lower() for one in TrackerState}):
        raise typer.BadParameter(
            f"`{wanted_states[unknown[0]]}` is not a state; states are {', '.join(TrackerState)}", param_hint="--state"
        )
    if names and everywhere:
        raise typer.BadParameter("names and --all-namespaces exclude each other", param_hint="--all-namespaces")

    async def read(session: Session) -> "tuple[str, list[Document]]":
        if names:
            return session.namespace, [await session.document(PullRequestTracker, name) for name in names]
        return session.namespace, await session.documents(PullRequestTracker, everywhere=everywhere)

    searched, found = with_session(choose(invocation, namespace, kubeconfig, context), read)
    if wanted_states:
        found = [one for one in found if _state(one).lower() in wanted_states]
    if output is not Output.TABLE:
        documents(as_list(found), output)
        return
    if not found:
        note("No trackers found." if everywhere else f"No trackers found in namespace {searched}.")
        return
    at = trackers.now()
    parsed = [parse(PullRequestTracker, one) for one in found]
    rows = [trackers.row(tracker, at) for tracker in parsed]
    if everywhere:
        rows = [[tracker.metadata.namespace or "", *cells] for tracker, cells in zip(parsed, rows, strict=True)]
    table(("NAMESPACE", *trackers.COLUMNS) if everywhere else trackers.COLUMNS, rows)


def show(
    invocation: typer.Context,
    name: TrackerArgument,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show one tracker with its tests, promotions and conditions."""
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.output import documents
    from worker.cli.session import Session, parse, with_session

    async def read(session: Session) -> "Document":
        return await session.document(PullRequestTracker, name)

    document = with_session(choose(invocation, namespace, kubeconfig, context), read)
    if output is not Output.TABLE:
        documents(document, output)
        return
    print_tracker(parse(PullRequestTracker, document))


def print_tracker(tracker: "PullRequestTracker") -> None:
    """Print everything that a tracker's status tells."""
    from worker.cli import trackers
    from worker.cli.output import line, table

    at = trackers.now()
    status = tracker.status
    for label, value in _facts(tracker):
        if value:
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
    if status.conditions:
        line()
        table(trackers.CONDITION_COLUMNS, [trackers.condition_row(one, at) for one in status.conditions])


def _facts(tracker: "PullRequestTracker") -> list[tuple[str, str]]:
    from worker.cli import trackers

    status = tracker.status
    pull_request, hop, waiting = status.pull_request, status.hop, status.waiting_for
    reason = f" ({status.reason})" if status.reason else ""
    return [
        ("Tracker", f"{tracker.metadata.namespace or ''}/{tracker.metadata.name}, attempt {tracker.spec.attempt}"),
        ("Pull request", f"#{tracker.spec.number} {(pull_request.title if pull_request else None) or ''}".rstrip()),
        ("Author", (pull_request.author if pull_request else None) or ""),
        ("URL", (pull_request.url if pull_request else None) or ""),
        ("State", f"{trackers.state_of(tracker)}{reason}"),
        ("Message", status.message or ""),
        ("Environment", status.environment or tracker.spec.environment),
        ("Hop", f"{hop.source} -> {hop.target}" if hop else ""),
        ("Revision", status.revision or ""),
        ("Waiting for", trackers.waiting_line(waiting, trackers.now()) if waiting else ""),
        ("Unblock with", (waiting.unblock_with if waiting else None) or ""),
        ("Workflow", (status.workflow.url or status.workflow.id) if status.workflow else ""),
    ]


def _verdict(required: bool, all_passed: bool, any_failed: bool) -> str:
    if not required:
        return "none is required"
    return "all required ones passed" if all_passed else "a required one failed" if any_failed else "not all final yet"


def _state(document: "Document") -> str:
    return str((document.get("status") or {}).get("state") or "")
