"""`pilotage worker`, `pilotage watcher` and `pilotage receiver`: the processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from worker import launching
from worker.cli.exits import CliError, ExitCode

QueuesOption = Annotated[str | None, typer.Option("--queues", metavar="NAMES", help=launching.QUEUES_HELP)]
NamespacesOption = Annotated[str | None, typer.Option("--namespaces", metavar="NAMES", help=launching.NAMESPACES_HELP)]
StopOption = Annotated[str | None, typer.Option("--stop", metavar="NAMESPACE/NAME", help=launching.STOP_HELP)]
FluxAlertsOption = Annotated[bool | None, typer.Option("--flux-alerts", help=launching.FLUX_ALERTS_HELP)]
InsecureEventsOption = Annotated[
    bool | None, typer.Option("--flux-insecure-events", help=launching.FLUX_INSECURE_EVENTS_HELP)
]


def worker(queues: QueuesOption = None) -> None:
    """Run workflows and activities. Settings come from PILOTAGE_* and TEMPORAL_* variables."""
    try:
        chosen = launching.QUEUES if queues is None else launching.read_queues(queues)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--queues") from None
    with _settings_explained():
        launching.start_worker(chosen)


def watcher(namespaces: NamespacesOption = None) -> None:
    """Turn resources into workflows and write results back.

    Commands become workflow updates. Run two or more: they share the work without a leader.
    """
    with _settings_explained():
        launching.start_watcher(namespaces=namespaces)


def receiver(
    namespaces: NamespacesOption = None,
    flux_alerts: FluxAlertsOption = None,
    flux_insecure_events: InsecureEventsOption = None,
) -> None:
    """Receive webhooks and events of Flux.

    Without it, Pilotage notices changes later, by polling. Run two or more behind an ingress that forwards only
    `/hooks/`, and `/flux/` if Flux sends events from outside.
    """
    with _settings_explained():
        launching.start_receiver(
            namespaces=namespaces, flux_alerts=flux_alerts, flux_insecure_events=flux_insecure_events
        )


def release_finalizers(namespaces: NamespacesOption = None, stop: StopOption = None) -> None:
    """Prepare the uninstallation of Pilotage. It removes the finalizer of every tracker.

    Only watchers remove it otherwise. Without them no tracker could be deleted, nor its namespace.
    """
    with _settings_explained():
        launching.release_finalizers(namespaces=namespaces, stop=stop)


@contextmanager
def _settings_explained() -> Iterator[None]:
    from worker.settings import InvalidSettings

    try:
        yield
    except InvalidSettings as error:
        raise CliError("\n".join(error.lines), code=ExitCode.USAGE) from error
