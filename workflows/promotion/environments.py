"""Environments as they are declared, and what they run: read by the steps, next to what the environments send.

A declaration is read once per hop and kept, with its selectors resolved as they were then, so that a wave delivers to
what it began with. It is read again where it cannot be all: a component of ours is not deployed by it, or a selector
was not resolved. The target's is part of the hop and carried; others are read again by the next run.

Observations are read only where the newest view of an environment is not new enough: before a write, after one that
was lost, and when a round is confirmed and judged.
"""

from collections.abc import Callable

from temporalio import workflow

from activities.contracts import ConfigActivities, DeliveryActivities
from activities.models.configuration import DeploymentSpec, EnvironmentView, ReadEnvironmentInput
from activities.models.delivery import Observation, ReadDeploymentsInput
from activities.models.promotion import PromotionInput
from workflows import policies
from workflows.identity import Queues
from workflows.promotion.state import PromotionState
from workflows.runtime.asking import Asking, Unreadable, no_answer
from workflows.selections import with_known


class Environments:
    """Read environments, and keep what they were declared to be."""

    def __init__(
        self, request: PromotionInput, story: PromotionState, asking: Asking, *, fresh: Callable[[], bool]
    ) -> None:
        self.views: dict[str, EnvironmentView] = {}
        self._request = request
        self._story = story
        self._asking = asking
        self._fresh = fresh
        """Whether what is declared is to be read from the API server itself."""
        self._queues = Queues(installation=request.installation)

    async def get(self, environment: str) -> EnvironmentView:
        """Return an Environment as it was at the hop's start; one that cannot be all is read again."""
        return self.known(environment) or await self.read(environment)

    def known(self, environment: str) -> EnvironmentView | None:
        """Return the declaration that is kept; None where it must be read."""
        return None if self.unresolved(environment) or self.undeployed(environment) else self.views.get(environment)

    def undeployed(self, environment: str) -> tuple[str, ...]:
        """Return our components that the declaration which is kept does not deploy; none where none is kept."""
        known = self.views.get(environment)
        if known is None:
            return ()
        deployed = {one.component for one in known.deployments}
        return tuple(one for one in self._story.components or () if one not in deployed)

    def unresolved(self, environment: str) -> tuple[DeploymentSpec, ...]:
        """Return what stands for applications of ours that are not known, since a selector was not resolved."""
        known, components = self.views.get(environment), set(self._story.components or ())
        found = known.deployments if known is not None else ()
        return tuple(one for one in found if one.unresolved and one.component in components)

    async def read(self, environment: str) -> EnvironmentView:
        """Read an Environment, waiting until it and all that it names exist."""

        async def ask() -> EnvironmentView:
            return await self.look_up(environment)

        return await self._asking.retry_until_answered(
            ask, object_=f"Environment/{environment}", why=f"environment {environment}"
        )

    async def look_up(self, environment: str) -> EnvironmentView:
        """Read an Environment once. Raises ActivityError, or Unreadable where a person must fix something."""
        config = policies.config_read_shown(
            self._queues, self._request.timings, summary=f"read environment {environment}"
        )
        answer = await workflow.execute_activity_method(
            ConfigActivities.read_environment,
            ReadEnvironmentInput(
                namespace=self._request.tracker.namespace,
                environment=environment,
                repository=self._request.spec.repository,
                fresh=self._fresh(),
            ),
            **config,
        )
        if answer.environment is None:
            raise Unreadable(answer.failure or no_answer(f"Environment/{environment}"))
        return self.keep(answer.environment)

    def keep(self, read: EnvironmentView) -> EnvironmentView:
        """Keep what was read of an Environment; the target's is part of the hop."""
        view = self.views[read.name] = with_known(read, self.views.get(read.name))
        if view.url:
            self._story.urls[view.name] = view.url
        else:
            self._story.urls.pop(view.name, None)
        hop = self._story.hop
        if hop is not None and hop.policy.target == read.name:
            hop.view = view
        return view

    async def observe(self, environment: str) -> tuple[Observation, ...]:
        """Read what an environment runs of our components now, once.

        Raises ActivityError when the read fails as a whole, and Unreadable where a person must fix the environment.
        """
        if self.known(environment) is None:
            await self.look_up(environment)
        request = self.reading(environment)
        if request is None:
            return ()
        answer = await workflow.execute_activity_method(
            DeliveryActivities.read_deployments,
            request,
            **policies.delivery_read(self._queues, self._request.timings, summary=f"read {environment}"),
        )
        return answer.observations

    def reading(self, environment: str) -> ReadDeploymentsInput | None:
        """Return what reads an environment's deployments of our components; None where none is known."""
        view, components = self.views.get(environment), self._story.components or ()
        deployments = tuple(one for one in (view.deployments if view else ()) if one.component in components)
        if not deployments:
            return None
        return ReadDeploymentsInput(
            namespace=self._request.tracker.namespace,
            repository=self._request.spec.repository,
            deployments=deployments,
        )
