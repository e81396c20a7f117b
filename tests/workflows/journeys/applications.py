"""Argo CD's applications as they truly are, and the delivery activities over them with their real judgements."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf

from activities.delivery.argocd import before_sync
from activities.deployments import order_of
from activities.models.configuration import DeploymentSpec, WriteSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    Observation,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WatchDeploymentsInput,
    WriteOutcome,
    WriteResult,
)
from activities.observing import differs, unreadable
from providers.application_models import ApplicationState
from tests.activities.fakes import observe, place_of
from tests.worlds.refusals import unread
from tests.worlds.stage import Stage

HOOK_FAILED = "hook failed"
"""Argo CD's message on every operation that fails here."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What an application was from `at` on."""

    at: float
    runs: str | None
    written: str | None
    settled: bool
    exists: bool


@dataclass
class Application:
    """One application, and all that it ever was."""

    environment: str
    spec: DeploymentSpec
    state: ApplicationState
    exists: bool = True
    unreadable: bool = False
    moments: list[Moment] = field(default_factory=list)
    _seen: tuple[ApplicationState, Observation] | None = None

    def observe(self) -> Observation:
        """Return what the activities make of it."""
        if not self.exists or self.unreadable:
            return unreadable(self.spec, unread("not found" if self.unreadable else "gone"))
        return self.truth()

    def truth(self) -> Observation:
        """Return what it is, whether or not anybody can read it."""
        if self._seen is None or self._seen[0] is not self.state:
            self._seen = (self.state, observe(self.spec, self.state))
        return self._seen[1]

    def ever(self, since: float, holds: Callable[[Moment], bool], *, until: float = inf) -> bool:
        """Return whether something held at any time in between."""
        for moment in reversed(self.moments):
            if moment.at <= until and holds(moment):
                return True
            if moment.at <= since:
                return False
        return False


class Applications:
    """All applications of all environments."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.all: dict[str, Application] = {}
        self.outcome: Callable[[], tuple[float, str, float]] = lambda: (1.0, "Succeeded", 0.5)
        """Seconds that an operation takes, how it ends, and seconds until that is seen healthy."""
        self.started: Callable[[Application, SyncApplicationInput], None] = lambda _application, _request: None
        """Called before an operation begins."""

    def add(self, environment: str, name: str, component: str, wave: int, revision: str) -> Application:
        """Create an application that runs a revision."""
        identity = f"{environment}-{name}"
        spec = DeploymentSpec(
            name=name,
            component=component,
            wave=wave,
            instance="argocd",
            project="shop",
            application=identity,
            write=WriteSpec() if environment != "dev" else None,
        )
        state = ApplicationState(
            name=identity,
            project="shop",
            resource_version="",
            target_revisions=(revision,),
            synced_revisions=(revision,),
            deployed_revisions=(revision,),
            images=(),
            sync_status="Synced",
            health="Healthy",
        )
        made = self.all[identity] = Application(environment, spec, state)
        self._note(made)
        return made

    def of(self, environment: str, components: Iterable[str] | None = None) -> list[Application]:
        """Return what exists in an environment."""
        wanted = None if components is None else set(components)
        return [
            one
            for one in self.all.values()
            if one.exists and one.environment == environment and (wanted is None or one.spec.component in wanted)
        ]

    def remove(self, application: Application) -> None:
        """Delete an application; the Environment declares it no more."""
        application.exists = False
        self._note(application)

    def change(self, application: Application, **changes: object) -> None:
        """Have an application be different from now on."""
        application.state = replace(application.state, **changes)  # type: ignore[arg-type]
        self._note(application)

    def deploy(self, application: Application, revision: str) -> None:
        """Have somebody else write a revision, which runs at once unless an operation is under way."""
        self.change(application, target_revisions=(revision,))
        if application.state.phase == "Running":
            self.change(application, sync_status="OutOfSync")
            return
        self.change(
            application,
            synced_revisions=(revision,),
            deployed_revisions=(revision,),
            sync_status="Synced",
            health="Healthy",
            phase="",
            operation_key="",
            finished_at=None,
        )

    def _note(self, one: Application) -> None:
        seen = one.truth()
        now = self.stage.loop.clock
        one.moments.append(
            Moment(at=now, runs=seen.runs, written=seen.written, settled=seen.settled, exists=one.exists)
        )

    def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        return ReadDeploymentsResult(
            observations=tuple(self._observe(one) for one in request.deployments), read_at=self.stage.now()
        )

    def _observe(self, spec: DeploymentSpec) -> Observation:
        one = self.all.get(spec.application)
        return unreadable(spec, unread("no such application")) if one is None else one.observe()

    def watch_deployments(self, request: WatchDeploymentsInput, begun: float) -> ReadDeploymentsResult | None:
        """Return None while nothing has changed."""
        known = {one.deployment: one for one in request.known}
        seen = tuple(self._observe(one) for one in request.deployments)
        over = self.stage.loop.clock - begun >= request.duration.total_seconds()
        if not over and not any(differs(known.get(one.deployment), one, request.artifacts) for one in seen):
            return None
        return ReadDeploymentsResult(observations=seen, read_at=self.stage.now())

    def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        written = self.update_application(request.write)
        if not written.stands:
            return DeliverApplicationResult(written=written)
        return DeliverApplicationResult(written=written, synced=self.sync_application(request.sync))

    def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        one = self.all.get(request.deployment.application)
        if one is None or not one.exists or one.unreadable:
            return WriteResult(outcome=WriteOutcome.REFUSED, message="not found")
        current, wanted = one.state.target_revisions[0], request.artifact.revision
        if current == wanted:
            return WriteResult(outcome=WriteOutcome.ALREADY, written_raw=current)
        if current != request.expected:
            return WriteResult(outcome=WriteOutcome.CONFLICT, message=f"holds {current}", written_raw=current)
        synced = "Synced" if one.state.deployed_revisions == (wanted,) else "OutOfSync"
        self.change(one, target_revisions=(wanted,), sync_status=synced)
        return WriteResult(outcome=WriteOutcome.DONE, written_raw=wanted)

    def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        one = self.all.get(request.deployment.application)
        if one is None or not one.exists or one.unreadable:
            return WriteResult(outcome=WriteOutcome.REFUSED, message="not found")
        if (verdict := before_sync(order_of(request), one.state, place_of(one.spec, one.state))) is not None:
            return verdict
        self.started(one, request)
        self.operate(one, request.artifact.revision, request.key)
        return WriteResult(outcome=WriteOutcome.DONE)

    def operate(self, one: Application, revision: str, key: str) -> None:
        """Begin an operation; it ends by itself."""
        takes, phase, healthy_after = self.outcome()
        self.change(one, phase="Running", operation_key=key, operation_revisions=(revision,), operation_message="")
        self.stage.loop.call_later(takes, self._end, one, revision, key, phase, healthy_after)

    def _end(self, one: Application, revision: str, key: str, phase: str, healthy_after: float) -> None:
        now = self.stage.now()
        if phase != "Succeeded":
            self.change(one, phase=phase, operation_message=HOOK_FAILED, finished_at=now)
        else:
            same = one.state.target_revisions == (revision,)
            self.change(
                one,
                phase=phase,
                finished_at=now,
                synced_revisions=(revision,),
                deployed_revisions=(revision,),
                sync_status="Synced" if same else "OutOfSync",
                health="Progressing",
            )
        self.stage.loop.call_later(healthy_after, self._reconcile, one, key)

    def _reconcile(self, one: Application, key: str) -> None:
        """See an operation's end, unless something else has happened since."""
        if one.state.operation_key == key and one.state.phase != "Running" and one.state.finished_at is not None:
            later = max(self.stage.now(), one.state.finished_at + timedelta(milliseconds=1))
            self.change(one, reconciled_at=later, health="Healthy")
