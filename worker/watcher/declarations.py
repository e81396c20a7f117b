"""What teams declare: validate it as a whole, and wake the trackers that wait for it when it changes."""

import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from crds.api.ports import ABOUT_ONE_OBJECT, REFUSES_EVENT, ApiError, Document, Kubernetes, resource_of
from crds.api.publishing import WATCHER_MANAGER, WantedCondition, publish_conditions
from crds.api.reflector import Key, ObjectChange
from crds.conditions import Condition, ConditionStatus, ConditionType
from crds.fields import OBJECT_NAME_LENGTH
from crds.resource import Resource
from crds.rules.environments import validate_environment, validate_repository
from crds.rules.event_sinks import validate_event_sink
from crds.rules.field_errors import FieldError
from crds.rules.flux import validate_commit_status, validate_provider
from crds.rules.promotion_policies import valid_condition, validate_policy
from crds.rules.repositories import conflict_errors, discovery_errors, oldest_of
from crds.rules.selection import PolicyIndex
from crds.rules.shared_branches import Writers, branch_errors, writers_of, writes_branches
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
from providers.reading import in_thread
from worker.watcher.entries import TrackerEntry
from worker.watcher.ports import Promotions
from worker.watcher.queue import KeyedQueue
from worker.watcher.shared_places import SharedPlaces
from worker.watcher.waking import ASKED_BY_POKES, Changed, Place, Wakes, named_in, places_of

R = TypeVar("R", bound=Resource)
Environments = Mapping[str, Environment]
Repositories = Mapping[str, GitRepository]

logger = logging.getLogger(__name__)

DEBOUNCE = timedelta(seconds=1)
"""How long changes of a namespace are gathered: `kubectl apply` of a directory is one change."""

COUNTING = timedelta(seconds=5)
"""How long trackers that take or drop a policy are gathered: their number is for people, and each write a request."""

RECENTLY = timedelta(minutes=10)
"""How long a change counts for a tracker whose status shows only later that it waits: the status may be under way."""

_DIGEST_LENGTH = 16
_KEPT = ("name", "namespace", "uid", "generation", "labels", "creationTimestamp")


def read_declaration(kind: type[Resource]) -> Callable[[Document], Resource]:
    """Build the projection of one kind: everything declared, and nothing that our own status writes change."""

    def read(document: Document) -> Resource:
        kept = {name: document["metadata"].get(name) for name in _KEPT}
        metadata = {name: value for name, value in kept.items() if value is not None}
        return kind.from_wire({"metadata": metadata, "spec": document.get("spec", {})})

    return read


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What is wrong with a declaration, and what its status shows with the condition."""

    resource: Resource
    errors: Iterable[FieldError]
    shown: Mapping[str, object] = field(default_factory=dict)


class DeclarationController:
    """Gather changes by namespace; then write `Valid` conditions and poke trackers and places."""

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        promotions: Promotions,
        trackers: Callable[[], Iterable[TrackerEntry]],
        declared: Callable[[type[Resource]], Mapping[Key, Resource]],
        has_synced: Callable[[], bool],
        on_absent: Callable[[Key], None] = lambda key: None,
        cluster_scoped: bool = True,
    ) -> None:
        self._kubernetes = kubernetes
        self._trackers = trackers
        self._declared = declared
        self._has_synced = has_synced
        self._wakes = Wakes(promotions=promotions, trackers=trackers, declared=declared, on_absent=on_absent)
        self._cluster_scoped = cluster_scoped
        self._changed: dict[str, set[Changed]] = {}
        self._left: dict[str, set[Place]] = {}
        """Places, by namespace, that a changed Environment named before."""
        self._changed_at: dict[str, datetime] = {}
        self._counted: dict[str, set[str]] = {}
        """Policies, by namespace, whose trackers are to be counted again."""
        self._entered: dict[str, set[Key]] = {}
        self._whole: set[str] = set()
        """Namespaces whose declarations are judged again although none of them changed."""
        self._places_named = SharedPlaces()
        self.queue: KeyedQueue[str] = KeyedQueue(
            name="declarations", handle=self.handle, namespace_of=lambda namespace: namespace, workers=2
        )

    def follow(self, kind: type[Resource], change: ObjectChange[Resource]) -> None:
        """Take note of a changed declaration; a cluster-scoped one concerns every namespace in use."""
        if change.old == change.new:
            return
        namespaces = {change.key.namespace} if change.key.namespace else self._in_use()
        if kind in (Environment, ArgoCDInstance):
            self._places_named.changed = True
        if left := places_of(change.old):
            self._left.setdefault(change.key.namespace, set()).update(left)
        for namespace in namespaces:
            self._changed.setdefault(namespace, set()).add((kind, change.key.name))
            self._changed_at[namespace] = datetime.now(UTC)
            self.queue.add_after(namespace, DEBOUNCE)

    def follow_tracker(self, change: ObjectChange[TrackerEntry]) -> None:
        """Count a policy's trackers again when one takes its snapshot or drops it; poke one that looked too early."""
        self._note_wait(change)
        before, after = (one.policy if one is not None else "" for one in (change.old, change.new))
        if before != after:
            self._counted.setdefault(change.key.namespace, set()).update({before, after} - {""})
            self.queue.add_after(change.key.namespace, COUNTING)

    def _note_wait(self, change: ObjectChange[TrackerEntry]) -> None:
        """Remember a tracker that waits for what changed while its status, which states it, was not here yet."""
        old, new = change.old, change.new
        if old is None or new is None or old.waiting == new.waiting or new.waiting not in ASKED_BY_POKES:
            return
        changed_at = self._changed_at.get(change.key.namespace)
        if changed_at is not None and datetime.now(UTC) - changed_at < RECENTLY:
            self._entered.setdefault(change.key.namespace, set()).add(change.key)
            self.queue.add_after(change.key.namespace, DEBOUNCE)

    async def handle(self, namespace: str) -> timedelta | None:
        """Work off what changed in one namespace; what fails is worked off again as a whole."""
        if not self._has_synced():
            # Half a list would call things missing that are only not read yet.
            return DEBOUNCE
        changed, entered = self._changed.pop(namespace, set()), self._entered.pop(namespace, set())
        left, counted = self._left.pop(namespace, set()), self._counted.pop(namespace, set())
        # A tracker that takes or drops a policy changes one number, and nothing that is declared.
        all_of_it = bool(changed) or namespace in self._whole or not counted
        self._whole.discard(namespace)
        try:
            refusal = await self._validate(namespace, only=None if all_of_it else counted)
            await self._wakes.wake(namespace, changed, left, entered)
        except Exception:
            self._changed.setdefault(namespace, set()).update(changed)
            self._left.setdefault(namespace, set()).update(left)
            self._entered.setdefault(namespace, set()).update(entered)
            self._judge_again(namespace, all_of_it, counted)
            raise
        if refusal is not None:
            self._judge_again(namespace, all_of_it, counted)
            raise refusal
        return None

    def _judge_again(self, namespace: str, all_of_it: bool, counted: Collection[str]) -> None:
        if all_of_it:
            self._whole.add(namespace)
        else:
            self._counted.setdefault(namespace, set()).update(counted)

    def _in_use(self) -> set[str]:
        """Name the namespaces that a cluster-scoped resource may concern; repositories are there before any tracker."""
        repositories = {key.namespace for key in self._declared(GitRepository)}
        return repositories | {one.namespace for one in self._trackers()}

    def _named(self, kind: type[Resource], namespace: str) -> dict[str, Resource]:
        return named_in(self._declared(kind), namespace)

    def _all(self, kind: type[R], namespace: str) -> dict[str, R]:
        return {name: one for name, one in self._named(kind, namespace).items() if isinstance(one, kind)}

    async def _validate(self, namespace: str, *, only: set[str] | None) -> ApiError | None:
        """Write the conditions of a namespace's declarations, or of some policies alone.

        An object that the API server refuses keeps no other one back: the first refusal is returned in the end.
        """
        refusal: ApiError | None = None
        async for validation in self._judge(namespace, only):
            try:
                await self._publish(validation)
            except ABOUT_ONE_OBJECT as error:
                refusal = refusal or error
        return refusal

    async def _judge(self, namespace: str, only: set[str] | None) -> AsyncIterator[Validation]:
        """Judge a namespace's declarations, or some policies alone."""
        environments, repositories = self._all(Environment, namespace), self._all(GitRepository, namespace)
        kinds = [self._judge_policies(namespace, environments, repositories, only)]
        if only is None:
            kinds += [
                self._judge_environments(namespace, environments, repositories),
                self._judge_repositories(namespace, environments, repositories),
                self._judge_posting(namespace),
                self._judge_sinks(namespace, environments, repositories),
            ]
        for kind in kinds:
            async for validation in kind:
                yield validation

    async def _judge_policies(
        self, namespace: str, environments: Environments, repositories: Repositories, only: set[str] | None
    ) -> AsyncIterator[Validation]:
        policies, runners = self._all(PromotionPolicy, namespace), self._all(TestRunner, namespace)
        index = PolicyIndex(policies.values())
        in_flight = Counter(one.policy for one in self._trackers() if one.namespace == namespace and not one.terminal)
        for policy in policies.values():
            if only is not None and policy.metadata.name not in only:
                continue
            errors = validate_policy(
                policy,
                runners=runners,
                environments=environments,
                all_policies=index,
                repositories=repositories,
            )
            shown = {"tests": policy.tests_line, "trackersInFlight": in_flight[policy.metadata.name]}
            yield Validation(resource=policy, errors=errors, shown=shown)

    async def _judge_environments(
        self, namespace: str, environments: Environments, repositories: Repositories
    ) -> AsyncIterator[Validation]:
        """Judge environments, and have those of other namespaces judged again that share applications with them."""
        instances = self._named(ArgoCDInstance, namespace)
        for other in await self._places_named.look(self._declared(Environment), self._declared(ArgoCDInstance)):
            if other != namespace:
                self._whole.add(other)
                self.queue.add_after(other, DEBOUNCE)
        # Those of other namespaces are compared where files are written (activities/shared_applications.py).
        writers = Writers()
        if any(map(writes_branches, environments.values())):
            writers = await in_thread(partial(_writers, environments, repositories))
        for environment in environments.values():
            judge = partial(_place_errors, environment, instances, repositories, writers, environments)
            # What is written to files may take a tenth of a second.
            errors = await in_thread(judge) if writes_branches(environment) else judge()
            yield Validation(resource=environment, errors=[*errors, *self._places_named.errors(environment)])

    async def _judge_repositories(
        self, namespace: str, environments: Environments, repositories: Repositories
    ) -> AsyncIterator[Validation]:
        oldest = oldest_of(repositories.values())
        for repository in repositories.values():
            errors = validate_repository(repository, providers=self._providers(namespace))
            errors += conflict_errors(repository, oldest)
            yield Validation(resource=repository, errors=[*errors, *discovery_errors(repository, environments)])

    async def _judge_sinks(
        self, namespace: str, environments: Environments, repositories: Repositories
    ) -> AsyncIterator[Validation]:
        for sink in self._all(EventSink, namespace).values():
            errors = validate_event_sink(sink, repositories=repositories, environments=environments)
            yield Validation(resource=sink, errors=errors)

    async def _judge_posting(self, namespace: str) -> AsyncIterator[Validation]:
        """Judge what makes commit statuses of Flux events."""
        providers = self._all(Provider, namespace)
        for provider in providers.values():
            yield Validation(resource=provider, errors=validate_provider(provider))
        for status in self._all(CommitStatus, namespace).values():
            # To compile a pattern may take as long as anything may in one step, and there are forty.
            errors = await in_thread(partial(validate_commit_status, status, providers=providers))
            yield Validation(resource=status, errors=errors)

    def _providers(self, namespace: str) -> frozenset[str] | None:
        if not self._cluster_scoped:
            return None
        cluster = {f"ClusterScmProvider/{key.name}" for key in self._declared(ClusterScmProvider)}
        return frozenset(cluster | {f"ScmProvider/{name}" for name in self._named(ScmProvider, namespace)})

    async def _publish(self, validation: Validation) -> None:
        resource, shown = validation.resource, validation.shown
        metadata = resource.metadata
        condition = valid_condition(validation.errors, now=datetime.now(UTC), generation=metadata.generation)
        observed = {"observedGeneration": metadata.generation}
        written = await publish_conditions(
            self._kubernetes,
            resource.definition,
            namespace=metadata.namespace or "",
            name=metadata.name,
            uid=metadata.uid or "",
            wanted=(
                WantedCondition(
                    type=ConditionType.VALID,
                    status=condition.status is ConditionStatus.TRUE,
                    reason=condition.reason,
                    message=condition.message,
                ),
            ),
            now=datetime.now(UTC),
            # That of a repository belongs to the check of its connection.
            fields=shown if isinstance(resource, GitRepository | Provider) else {**shown, **observed},
        )
        if written and condition.status is ConditionStatus.FALSE:
            await self._warn(resource, condition)

    async def _warn(self, resource: Resource, condition: Condition) -> None:
        """Post an event of what is invalid: once for each generation and message, by any watcher."""
        metadata, api = resource.metadata, resource_of(resource.definition)
        identity = f"{metadata.uid}/{metadata.generation}/{condition.reason}/{condition.message}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_LENGTH]
        # Some kinds take names as long as an event may have.
        named = metadata.name[: OBJECT_NAME_LENGTH - _DIGEST_LENGTH - 1].rstrip(".-")
        # The condition shows it as well.
        with suppress(*REFUSES_EVENT):
            await self._kubernetes.post_event(
                api.target(
                    namespace=metadata.namespace or "",
                    name=metadata.name,
                    uid=metadata.uid or "",
                ),
                name=f"{named}.{digest}",
                reason=condition.reason,
                message=condition.message,
                warning=True,
                component=WATCHER_MANAGER,
            )


def _writers(environments: Mapping[str, Environment], repositories: Mapping[str, GitRepository]) -> Writers:
    names = {one.metadata.namespace or "": tuple(environments) for one in environments.values()}
    return writers_of(environments.values(), _by_key(repositories), names)


def _place_errors(
    environment: Environment,
    instances: Collection[str],
    repositories: Mapping[str, GitRepository],
    writers: Writers,
    sources: Collection[str],
) -> list[FieldError]:
    errors = validate_environment(environment, instances=instances, repositories=repositories)
    return [*errors, *branch_errors(environment, writers, _by_key(repositories), sources)]


def _by_key(repositories: Mapping[str, GitRepository]) -> dict[tuple[str, str], GitRepository]:
    return {(one.metadata.namespace or "", name): one for name, one in repositories.items()}
