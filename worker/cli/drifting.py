"""`pilotage drift`: whether what was promoted is still in place."""

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    choose,
)

if TYPE_CHECKING:
    from crds.api.ports import Document
    from crds.v1alpha1.drift_monitor import DriftMonitor

MonitorArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="One drift monitor; all if none is named.")]
EverywhereOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Monitors of every namespace.")]
COLUMNS = ("NAME", "TRACKER", "ENV", "DRIFTED", "KIND", "SINCE", "OBSERVED")
WIDE_COLUMNS = (*COLUMNS, "APPLICATION")


def drift(
    invocation: typer.Context,
    name: MonitorArgument = None,
    everywhere: EverywhereOption = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show whether promoted changes are still in place."""
    from crds.v1alpha1.drift_monitor import DriftMonitor
    from worker.cli.naming import object_name
    from worker.cli.output import as_list, documents, listed, note
    from worker.cli.session import Session, parse, with_session

    if name and everywhere:
        raise typer.BadParameter("a name and --all-namespaces exclude each other", param_hint="--all-namespaces")

    async def read(session: Session) -> "tuple[str, list[Document]]":
        if name:
            return session.namespace, [
                await session.document(DriftMonitor, object_name(name, "pdrift", "driftmonitor", "driftmonitors"))
            ]
        return session.namespace, await session.documents(DriftMonitor, everywhere=everywhere)

    searched, found = with_session(choose(invocation, namespace, kubeconfig, context), read)
    if not output.for_people:
        documents(found[0] if name else as_list(found), output)
        return
    if not found:
        note("No drift monitors found." if everywhere else f"No drift monitors found in namespace {searched}.")
        return
    monitors = sorted((parse(DriftMonitor, one) for one in found), key=_order)
    if name:
        _print_one(monitors[0])
        return
    columns = WIDE_COLUMNS if output == Output.WIDE else COLUMNS
    rows = [_row(one)[: len(columns)] for one in monitors]
    if everywhere:
        rows = [[one.metadata.namespace or "", *cells] for one, cells in zip(monitors, rows, strict=True)]
    listed(("NAMESPACE", *columns) if everywhere else columns, rows, whole=output == Output.WIDE)


def _order(monitor: "DriftMonitor") -> tuple[int, str, str]:
    """Put what drifted first, then what is not known."""
    status = monitor.status
    rank = 0 if status.drifted else 1 if status.drifted is None else 2
    return (rank, monitor.metadata.namespace or "", monitor.metadata.name)


def _row(monitor: "DriftMonitor") -> list[str]:
    from worker.cli.values import age, now

    spec, status = monitor.spec, monitor.status
    return [
        monitor.metadata.name,
        spec.tracker_ref.name,
        spec.environment,
        _drifted(monitor),
        status.kind or "",
        age(status.since, now()),
        status.observed or "",
        spec.application,
    ]


def _print_one(monitor: "DriftMonitor") -> None:
    from worker.cli import trackers, values
    from worker.cli.output import line, table

    spec, status, at = monitor.spec, monitor.status, values.now()
    facts = (
        ("Monitor", f"{monitor.metadata.namespace or ''}/{monitor.metadata.name}"),
        ("Tracker", spec.tracker_ref.name),
        ("Deployment", f"{spec.environment}/{spec.deployment}"),
        ("Application", f"{spec.application} in project {spec.project} of ArgoCDInstance/{spec.instance_ref.name}"),
        ("Promoted", f"{spec.tag or values.short(spec.revision)}, {values.age(spec.promoted_at, at)} ago"),
        ("Drifted", _drifted(monitor)),
        ("Kind", status.kind or ""),
        ("Expected", status.expected or ""),
        ("Observed", status.observed or ""),
        ("Rolled back", f"to {values.short(status.rolled_back_to)}, which is older" if status.rolled_back_to else ""),
        ("Since", values.age(status.since, at)),
        ("Last checked", f"{values.age(status.last_checked_at, at)} ago" if status.last_checked_at else ""),
        ("Remediation", spec.auto_remediate or ""),
    )
    for label, value in facts:
        if value:
            line(f"{label + ':':<14}{value}")
    if status.conditions:
        line()
        table(trackers.CONDITION_COLUMNS, [trackers.condition_row(one, at) for one in status.conditions])


def _drifted(monitor: "DriftMonitor") -> str:
    status = monitor.status
    if status.last_checked_at is None:
        return "not looked at yet"
    return "unknown" if status.drifted is None else "yes" if status.drifted else "no"
