"""Wake what a changed declaration concerns: trackers that may wait for it, and places that it names or named."""

from collections.abc import Callable, Collection, Iterable, Mapping

from crds.api.pauses import giving_way
from crds.api.reflector import Key
from crds.reasons.vocabulary import Waiting
from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from worker.watcher.entries import TrackerEntry
from worker.watcher.ports import Promotions

Changed = tuple[type[Resource], str]
"""Kind and name of a declaration that changed."""
Place = tuple[str, str]
"""Names of an Environment and a repository."""

WAITS: Mapping[type[Resource], frozenset[str]] = {
    PromotionPolicy: frozenset({Waiting.POLICY, Waiting.REFERENCE}),
    Environment: frozenset({Waiting.POLICY, Waiting.REFERENCE, Waiting.SYNC, Waiting.TARGET, Waiting.DELIVERY}),
    TestRunner: frozenset({Waiting.POLICY, Waiting.REFERENCE, Waiting.VERDICT}),
    ArgoCDInstance: frozenset({Waiting.REFERENCE, Waiting.SYNC, Waiting.TARGET, Waiting.DELIVERY}),
    GitRepository: frozenset({Waiting.POLICY, Waiting.REFERENCE, Waiting.MERGE}),
    ScmProvider: frozenset({Waiting.REFERENCE, Waiting.MERGE}),
    ClusterScmProvider: frozenset({Waiting.REFERENCE, Waiting.MERGE}),
    Provider: frozenset(),
    CommitStatus: frozenset(),
    EventSink: frozenset(),
}
"""Kinds that are followed, and the waits that a change of each may end."""

UNSHOWN = frozenset({"", Waiting.RELEASE})
"""What the status of a tracker shows that does not show what else it waits for: not yet, or not while it is held."""

ASKED_BY_POKES = frozenset({Waiting.POLICY, Waiting.RELEASE})
"""Waits in which a workflow looks by itself every few hours only; in the others it looks every few minutes."""


class Wakes:
    """Poke trackers and places."""

    def __init__(
        self,
        *,
        promotions: Promotions,
        trackers: Callable[[], Iterable[TrackerEntry]],
        declared: Callable[[type[Resource]], Mapping[Key, Resource]],
        on_absent: Callable[[Key], None],
    ) -> None:
        """`on_absent` is called with each tracker whose workflow should run, and does not."""
        self._promotions = promotions
        self._trackers = trackers
        self._declared = declared
        self._on_absent = on_absent

    async def wake(
        self, namespace: str, changed: Collection[Changed], left: Collection[Place], entered: Collection[Key]
    ) -> None:
        """Poke who may wait for what changed, and those who `entered` a wait for it while their status was under way.

        `left` are the places that a changed Environment named before: they may be declared no more.
        """
        waits = {wait for kind, _ in changed for wait in WAITS[kind]}
        waits |= UNSHOWN if waits else set()
        live = [one for one in self._trackers() if one.namespace == namespace and not one.terminal]
        for tracker in live:
            asked = tracker.waiting in waits or Key(namespace, tracker.name) in entered
            if asked and not await self._promotions.poke(tracker.current) and tracker.running:
                self._on_absent(Key(tracker.namespace, tracker.name))
        on_the_way = {tracker.repository for tracker in live}
        for environment, repository in sorted({*left, *await self._places(namespace, changed)}):
            if repository in on_the_way:
                await self._promotions.poke_place(namespace=namespace, environment=environment, repository=repository)

    async def _places(self, namespace: str, changed: Collection[Changed]) -> set[Place]:
        """Return the places whose declaration names something that changed."""
        places: set[Place] = set()
        async for environment in giving_way(named_in(self._declared(Environment), namespace).values()):
            name = environment.metadata.name
            for deployment in environment.spec.deployments if isinstance(environment, Environment) else ():
                concerned: set[Changed] = {(Environment, name), (GitRepository, deployment.repository_ref.name)}
                if deployment.argocd is not None:
                    concerned.add((ArgoCDInstance, deployment.argocd.instance_ref.name))
                if not concerned.isdisjoint(changed):
                    places.add((name, deployment.repository_ref.name))
        return places


def places_of(declared: Resource | None) -> frozenset[Place]:
    """Return the places that an Environment names; none of anything else."""
    if not isinstance(declared, Environment):
        return frozenset()
    return frozenset((declared.metadata.name, one.repository_ref.name) for one in declared.spec.deployments)


def named_in(declared: Mapping[Key, Resource], namespace: str) -> dict[str, Resource]:
    """Return what is declared in a namespace, by name."""
    return {key.name: one for key, one in declared.items() if key.namespace == namespace}
