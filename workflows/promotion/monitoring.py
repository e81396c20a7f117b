"""Have what arrived watched: an API server that is away holds up no promotion.

Steps name where the change is now, and have it watched by the call that opens the next hop. Where there is none, or it
could not, one task for each place has its monitors made in the background. What is open is carried, so that continuing
as new ends the tasks and the next run begins them again. A deleted tracker has nothing watched any more.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.contracts import DriftActivities
from activities.models.configuration import EnvironmentView
from activities.models.delivery import Observation
from activities.models.drift import CreateDriftMonitorsInput, WatchedDeployment
from activities.models.promotion import PromotionInput
from activities.models.tracking import Artifact, Timings
from crds.reasons.events import EventReason
from workflows import policies
from workflows.failures import failure_of
from workflows.identity import Queues
from workflows.promotion.state import PromotionState
from workflows.runtime.background import CarriedTasks

KEPT = 2
"""Places that are carried at most, the newest: each names all applications of its environment."""


class Run(Protocol):
    """What monitoring needs of the run."""

    request: PromotionInput
    story: PromotionState
    timings: Timings
    queues: Queues

    def event(self, reason: EventReason, message: str, *, warning: bool = False) -> None:
        """Note a Kubernetes event."""

    def flush(self) -> None:
        """Offer what changed for publishing."""


class Monitoring:
    """Ask until the monitors are there; what cannot be made is only noted."""

    def __init__(self, run: Run) -> None:
        self.tasks = CarriedTasks()
        self._run = run
        self._gone = False
        self._begun: list[CreateDriftMonitorsInput] = []
        """What has a task of its own."""

    def note(
        self,
        view: EnvironmentView | None,
        observed: Sequence[Observation],
        artifacts: Sequence[Artifact] | None = None,
    ) -> CreateDriftMonitorsInput | None:
        """Return what has the change watched in an environment, and note that it is to be made.

        `artifacts` is what was promoted there, else what is observed. None where there is nothing to watch.
        """
        story, request = self._run.story, self._run.request
        found = watched(view, story.components or (), observed, artifacts)
        if view is None or not found or self._gone:
            return None
        one = CreateDriftMonitorsInput(
            tracker=request.tracker,
            repository=request.spec.repository,
            environment=view.name,
            deployments=found,
            promoted_at=workflow.now(),
        )
        story.unwatched = [*story.unwatched, one][-KEPT:]
        return one

    def begin(self, one: CreateDriftMonitorsInput | None) -> None:
        """Have what was noted made in the background, once."""
        if one is not None and not self._gone and one not in self._begun:
            self._begun.append(one)
            self.tasks.start(self._create(one))

    def made(self, one: CreateDriftMonitorsInput | None) -> None:
        """Note that it is watched."""
        self._run.story.unwatched = [other for other in self._run.story.unwatched if other is not one]

    def resume(self) -> None:
        """Have made what an earlier run, or a step that was left, only noted."""
        for one in self._run.story.unwatched:
            self.begin(one)

    def stop(self) -> None:
        """Leave what is open to the next run."""
        self._begun.clear()
        self.tasks.stop()

    def give_up(self) -> None:
        """Make nothing any more: monitors go with their tracker."""
        self._gone = True
        self.stop()

    async def _create(self, one: CreateDriftMonitorsInput) -> None:
        run = self._run
        config = policies.drift_create(run.queues, run.timings, summary=f"watch {one.environment}")
        try:
            await workflow.execute_activity_method(DriftActivities.create_drift_monitors, one, **config)
        except (ActivityError, asyncio.CancelledError) as refusal:
            if is_cancelled_exception(refusal):
                return
            failure = failure_of(refusal, f"Environment/{one.environment}")
            run.event(
                EventReason.NOT_WATCHED, f"{one.environment} is not watched for drift: {failure.named}", warning=True
            )
            run.flush()
        self.made(one)


def watched(
    view: EnvironmentView | None,
    components: Sequence[str],
    observed: Sequence[Observation],
    artifacts: Sequence[Artifact] | None,
) -> tuple[WatchedDeployment, ...]:
    """Return the deployments of the change's components with what runs there; those of which that is not known go
    without a monitor."""
    seen = {one.deployment: one for one in observed}
    brought = {one.component: one for one in artifacts or ()}
    found: list[WatchedDeployment] = []
    for one in view.deployments if view is not None else ():
        # Drift is looked for at Argo CD alone.
        if one.component not in components or one.unresolved or one.flux is not None:
            continue
        artifact, observation = brought.get(one.component), seen.get(one.name)
        if artifact is not None:
            revision, tag = artifact.revision, artifact.tag
        elif observation is not None and not observation.problem:
            revision, tag = observation.runs or "", observation.tag
        else:
            continue
        if revision:
            found.append(
                WatchedDeployment(
                    deployment=one.name,
                    application=one.application,
                    instance=one.instance,
                    project=one.project,
                    revision=revision,
                    tag=tag or "",
                )
            )
    return tuple(found)
