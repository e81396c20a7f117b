"""`pilotage worker`, `pilotage watcher` and `pilotage receiver`: the processes."""

import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from worker.settings import Settings

QUEUES = ("promotions", "config", "checks", "scm", "ci", "delivery", "observation")

QueuesOption = Annotated[
    str | None,
    typer.Option(
        "--queues",
        metavar="NAMES",
        help=f"Queues to serve, separated by commas: {', '.join(QUEUES)}. All if not given.",
    ),
]
NamespacesOption = Annotated[
    str | None,
    typer.Option(
        "--namespaces", metavar="NAMES", help="Namespaces to work for, separated by commas; also PILOTAGE_NAMESPACES."
    ),
]

FluxAlertsOption = Annotated[
    bool | None,
    typer.Option(
        "--flux-alerts",
        help="Serve Flux's own Alerts and Providers too; also PILOTAGE_FLUX_ALERTS, which workers need.",
    ),
]
InsecureEventsOption = Annotated[
    bool | None,
    typer.Option(
        "--flux-insecure-events", help="Accept events of Flux without a signature; also PILOTAGE_FLUX_INSECURE_EVENTS."
    ),
]


def worker(queues: QueuesOption = None) -> None:
    """Run workflows and activities. Settings come from PILOTAGE_* and TEMPORAL_* variables."""
    chosen = _queues(queues)
    settings = _settings()
    from worker.serving.process import run_worker

    _run_to_the_end(run_worker(settings, chosen))


def watcher(namespaces: NamespacesOption = None) -> None:
    """Turn resources into workflows and write results back.

    Commands become workflow updates. Run two or more: they share the work without a leader.
    """
    settings = _settings(namespaces=namespaces)
    from worker.watcher.process import run_watcher

    _run_to_the_end(run_watcher(settings))


def receiver(
    namespaces: NamespacesOption = None,
    flux_alerts: FluxAlertsOption = None,
    flux_insecure_events: InsecureEventsOption = None,
) -> None:
    """Take webhooks of hosts, CI systems and Argo CD, and events of Flux.

    Everything works without it, only later. Run two or more behind an ingress that serves `/hooks/` alone.
    """
    settings = _settings(namespaces=namespaces, flux_alerts=flux_alerts, flux_insecure_events=flux_insecure_events)
    from worker.receiver.process import run_receiver

    _run_to_the_end(run_receiver(settings))


def _run_to_the_end(work: Coroutine[object, object, None]) -> NoReturn:
    """Run a process, and leave without taking the interpreter down.

    Threads of the Temporal SDK may still call into Python then, which aborts the process with SIGABRT
    (temporalio/sdk-python issue 300): a pod that ended well would look crashed.
    """
    import asyncio

    from worker.tracing import flush_traces

    code: object = 0
    try:
        asyncio.run(work)
    except SystemExit as leaving:
        code = leaving.code
    flush_traces()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _queues(text: str | None) -> tuple[str, ...]:
    if text is None:
        return QUEUES
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in names if name not in QUEUES]:
        raise typer.BadParameter(f"`{unknown[0]}` is no queue; queues are {', '.join(QUEUES)}", param_hint="--queues")
    if not names:
        raise typer.BadParameter("name at least one queue", param_hint="--queues")
    return names


def _settings(**options: Any) -> "Settings":
    from worker.cli.exits import CliError, ExitCode
    from worker.settings import InvalidSettings, load_settings

    try:
        return load_settings(**options)
    except InvalidSettings as error:
        raise CliError("\n".join(error.lines), code=ExitCode.USAGE) from error
