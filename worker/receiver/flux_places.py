"""Which places an event of Flux concerns: those whose Environment names its Kustomization and the cluster that sent it.

The signature of one cluster proves nothing about another one, and an unsigned event proves nothing about either.
"""

from collections.abc import Iterator
from datetime import datetime

from activities.flux.events import FluxEvent
from activities.flux.reports import report_of
from activities.models.reconciliations import FluxReport
from worker.receiver.index import Place
from worker.receiver.mirrors import Mirrors


class FluxPlaces:
    """Find places in mirrors of the declared Environments."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    @property
    def has_synced(self) -> bool:
        """Whether all Environments are known."""
        return self._mirrors.has_synced

    def awaits(self, namespace: str) -> bool:
        """Return whether any place of a namespace awaits events."""
        return self._mirrors.awaits_flux(namespace)

    def reports(
        self, namespace: str, cluster: str, event: FluxEvent, *, now: datetime
    ) -> Iterator[tuple[Place, FluxReport]]:
        """Yield what each place is to be signalled; an empty cluster stands for unsigned events."""
        report = report_of(event, cluster=cluster, now=now)
        if report is None:
            return
        for key, repository in self._mirrors.brought_by_flux(namespace, cluster, report.kustomization):
            yield Place(namespace=key.namespace, environment=key.name, repository=repository), report
