"""`pilotage history` and `pilotage export`: what was, from what Temporal and the trackers keep of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    OptionalTrackerArgument,
    Output,
    OutputOption,
    choose,
)

if TYPE_CHECKING:
    from crds.api.ports import Document

WorkflowOption = Annotated[
    str | None,
    typer.Option("--workflow-id", help="Workflow to read, such as the one of a removed tracker or an earlier attempt."),
]
EverywhereOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Trackers of every namespace.")]


def history(
    invocation: typer.Context,
    name: OptionalTrackerArgument = None,
    workflow_id: WorkflowOption = None,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Explain a promotion from its history. It shows states, commands and failures, also after the end.

    It reads the tracker from the cluster and its history from Temporal, which keeps a history for the retention of its
    namespace. With --workflow-id it asks only Temporal. TEMPORAL_ADDRESS names the server.
    """
    import asyncio
    from dataclasses import asdict

    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.exits import CliError, ExitCode
    from worker.cli.histories import recount
    from worker.cli.output import documents, paragraph
    from worker.cli.session import Session, with_session

    if not name and not workflow_id:
        raise CliError("name a tracker, or a workflow with --workflow-id", code=ExitCode.USAGE)

    async def find(session: Session) -> str:
        tracker = await session.tracker(name or "")
        found = (await session.read(PullRequestTracker, tracker)).status.workflow
        if found is None:
            raise CliError(f"no workflow of {tracker} has started yet", code=ExitCode.NOT_FOUND)
        return found.id

    identifier = workflow_id or with_session(choose(invocation, namespace, kubeconfig, context), find)
    entries = asyncio.run(recount(identifier))
    if output.for_people:
        for entry in entries:
            paragraph(f"{entry.at}  {entry.kind:8} {entry.text}")
    else:
        documents([asdict(entry) for entry in entries], output)


def export(
    invocation: typer.Context,
    everywhere: EverywhereOption = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Write the records of trackers as JSON lines. There is one for each promotion, and one for each end.

    The same lines, with the same keys, as those that are kept when discovery removes a tracker.
    """
    from activities.finished_trackers import tracker_records
    from activities.record_sinks import encode_record
    from crds.texts.terminal import escaped
    from crds.v1alpha1.pull_request_tracker import PullRequestTracker
    from worker.cli.output import document
    from worker.cli.session import Session, with_session

    async def read(session: Session) -> "list[Document]":
        return await session.documents(PullRequestTracker, everywhere=everywhere)

    for tracker in with_session(choose(invocation, namespace, kubeconfig, context), read):
        for key, record in tracker_records(tracker).items():
            document(escaped(encode_record(key, record)))
