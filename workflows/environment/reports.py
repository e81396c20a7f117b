"""What Flux reported of the Kustomizations of a place: kept for as long as the Environment names them."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import ConfigActivities
from activities.models.configuration import EnvironmentView, ReadEnvironmentInput
from activities.models.failures import Failure
from activities.models.places import EnvironmentInput
from activities.models.reconciliations import FluxReport, Reconciliation, first
from crds.reasons.problems import FailureKind
from workflows import policies
from workflows.environment.state import KeptReports
from workflows.failures import failure_of
from workflows.identity import Queues
from workflows.runtime.background import Background

KEPT = 120
"""Kustomizations: an Environment names a hundred at most, and may just have been changed."""
CHECK = timedelta(hours=24)
"""How often a place without members looks whether its Environment still names what it keeps."""

Names = Collection[tuple[str, str]]


class Reports:
    """Keep the newest of each Kustomization. An event that comes before its tracker waits here for that."""

    def __init__(self, start: EnvironmentInput, background: Background, state: KeptReports) -> None:
        self._start = start
        self._background = background
        self._known = {one.newest.key: one for one in state.known}
        self._checked_at = state.checked_at
        self._checking = False

    @property
    def known(self) -> tuple[Reconciliation, ...]:
        """What is kept, the longest unchanged first."""
        return tuple(self._known.values())

    def state(self) -> KeptReports:
        """Return what the next run needs."""
        return KeptReports(known=self.known, checked_at=self._checked_at)

    def take(self, report: FluxReport, declared: Names, now: datetime) -> bool:
        """Keep what an event reports; True where a deployment may be judged otherwise by it."""
        self._checked_at = self._checked_at or now
        before = self._known.pop(report.key, None)
        after = before.after(report) if before is not None else first(report)
        self._known[report.key] = after
        if len(self._known) > KEPT:
            # What is declared is never the one to go; a receiver may know of it before this run does.
            others = [key for key in self._known if key not in declared and key != report.key]
            for key in others[: len(self._known) - KEPT]:
                del self._known[key]
        return not after.shows_the_same(before)

    def check(self, now: datetime) -> None:
        """Look whether the Environment still names what is kept, once a day; nothing is awaited here."""
        if self._known and not self._checking and self._due() <= now:
            self._checking = True
            self._background.start(self._forget_undeclared())

    def next_deadline(self) -> datetime | None:
        """Return when to look again; None while nothing is kept."""
        return self._due() if self._known and not self._checking else None

    def _due(self) -> datetime:
        return (self._checked_at or workflow.now()) + CHECK

    async def _forget_undeclared(self) -> None:
        start = self._start
        request = ReadEnvironmentInput(
            namespace=start.namespace, environment=start.environment, repository=start.repository, fresh=True
        )
        # Taken before anything is awaited: what is reported meanwhile may have been declared meanwhile.
        known, queues = dict(self._known), Queues(installation=start.installation)
        config = policies.config_read(queues, start.timings, summary=f"look whether {start.environment} is declared")
        try:
            answer = await workflow.execute_activity_method(ConfigActivities.read_environment, request, **config)
        except ActivityError as error:
            workflow.logger.warning("what Flux reported is kept: %s", failure_of(error).text)
        else:
            if answer.environment is not None:
                self._forget(known, declared_by(answer.environment))
            elif _is_gone(answer.failure, start.environment):
                self._forget(known, ())
        finally:
            self._checking, self._checked_at = False, workflow.now()
            self._background.wake()

    def _forget(self, known: Mapping[tuple[str, str], Reconciliation], declared: Names) -> None:
        """Forget what was known and is declared no more, unless something newer was reported of it since."""
        for key, one in known.items():
            if key not in declared and self._known.get(key) is one:
                del self._known[key]


def _is_gone(failure: Failure | None, environment: str) -> bool:
    """Return whether it is the Environment that is missing, or names the repository no more."""
    missing = failure is not None and failure.kind is FailureKind.REFERENCE_MISSING
    return missing and failure is not None and failure.object == f"Environment/{environment}"


def declared_by(environment: EnvironmentView | None) -> Names:
    """Return the Kustomizations that an Environment names, by cluster."""
    deployments = environment.deployments if environment is not None else ()
    return {(one.flux.cluster, one.application) for one in deployments if one.flux is not None}
