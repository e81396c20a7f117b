"""`pilotage envs` and `pilotage where`: what runs where, and how far a change has come."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    choose,
    complete_tracker,
)

if TYPE_CHECKING:
    from crds.api.ports import Document

ENVIRONMENT_KINDS = ("penv", "environment", "environments")

EnvironmentsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Environments to show in full; without names, all in a list.")
]
ChangeArgument = Annotated[
    str,
    typer.Argument(
        metavar="SHA|#N", help="A commit, at least 7 digits, or a pull request.", autocompletion=complete_tracker
    ),
]


def envs(
    invocation: typer.Context,
    names: EnvironmentsArgument = None,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show what runs where, and who waits. With a name: deployments, lane and history."""
    from worker.cli.naming import object_name
    from worker.cli.output import as_list, documents, listed, note
    from worker.cli.placing import ENVIRONMENT_COLUMNS, environment_rows
    from worker.cli.session import ENVIRONMENTS, Session, with_session
    from worker.cli.values import now

    wanted = [object_name(name, *ENVIRONMENT_KINDS) for name in names or ()]

    async def read(session: Session) -> "tuple[str, list[Document]]":
        if wanted:
            return session.namespace, [await session.one(ENVIRONMENTS, name) for name in wanted]
        return session.namespace, list((await session.page(ENVIRONMENTS)).items)

    searched, found = with_session(choose(invocation, namespace, kubeconfig, context), read)
    if not output.for_people:
        documents(found[0] if len(wanted) == 1 else as_list(found), output)
    elif wanted:
        for environment in found:
            _print_environment(environment)
    elif found:
        at = now()
        listed(ENVIRONMENT_COLUMNS, [row for one in found for row in environment_rows(one, at)])
    else:
        note(f"No environments found in namespace {searched}.")


def _print_environment(environment: "Document") -> None:
    from worker.cli import placing
    from worker.cli.output import line, listed
    from worker.cli.values import now

    at = now()
    for text in placing.hold_lines(environment, at):
        line(text)
    entries = (environment.get("status") or {}).get("repositories") or []
    for entry in entries:
        line(f"{environment['metadata']['name']} / {entry.get('repository')}")
        listed(placing.DEPLOYMENT_COLUMNS, placing.deployment_rows(entry, at))
        for columns, rows in (
            (placing.MEMBER_COLUMNS, placing.member_rows(entry)),
            (placing.HISTORY_COLUMNS, placing.history_rows(entry, at)),
        ):
            if rows:
                line()
                listed(columns, rows)
        line()
    if not entries:
        name = environment["metadata"]["name"]
        line(f"{name}: not observed yet; Pilotage observes it once a change is on its way there")


def where(
    invocation: typer.Context,
    change: ChangeArgument,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show how far a commit or a pull request has come.

    If a newer change carried the commit with it, name the newer change: only its tracker shows where both are.
    """
    from worker.cli import placing
    from worker.cli.exits import CliError, ExitCode
    from worker.cli.output import as_list, documents, line, listed
    from worker.cli.session import ENVIRONMENTS, TRACKERS, Session, name_of, with_session
    from worker.cli.values import now

    async def read(session: Session) -> "tuple[list[Document], list[Document]]":
        environments = list((await session.page(ENVIRONMENTS)).items)
        if placing.is_commit(change):
            trackers = placing.trackers_of(change, (await session.page(TRACKERS)).items)
            if trackers or placing.sightings_of(change, environments) or not change.isdecimal():
                return trackers, environments
        return [await session.one(TRACKERS, await session.tracker(change))], environments

    trackers, environments = with_session(choose(invocation, namespace, kubeconfig, context), read)
    seen = placing.sightings_of(change, environments) if placing.is_commit(change) else []
    if not trackers and not seen:
        raise CliError(
            f"no tracker names commit {change}, and no environment runs it or ran it, as far as statuses show",
            code=ExitCode.NOT_FOUND,
            advice="for a commit within a merged pull request, name its merge commit or the pull request (#N)",
        )
    by_name = {name_of(one): one for one in environments}
    stops = [stop for one in trackers for stop in placing.Journey(tracker=one, environments=by_name).stops()]
    if not output.for_people:
        rows = {"journey": [one.to_document() for one in stops], "seen": [one.to_document() for one in seen]}
        documents(as_list(trackers) | rows, output)
        return
    at = now()
    if stops:
        listed(placing.WHERE_COLUMNS, [one.cells(at) for one in stops])
    if stops and seen:
        line()
    if seen:
        listed(placing.SIGHTING_COLUMNS, [one.cells(at) for one in seen])
