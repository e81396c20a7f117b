"""ConfigActivities: read what teams declared, and send places what trackers want."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pydantic import ValidationError
from temporalio import activity

from activities import memberships
from activities.comparing import RevisionComparison
from activities.contracts import ConfigActivities
from activities.deployment_reads import DeploymentReads
from activities.drift.monitors import create_monitors
from activities.environments import EnvironmentReader, read_resource
from activities.failures import bounded, failure_from, reported
from activities.joining import Joining
from activities.models.budgets import TRACKERS_LISTED
from activities.models.configuration import (
    FindPolicyInput,
    FindPolicyResult,
    ListTrackersInput,
    ListTrackersResult,
    PolicyOutcome,
    PolicySnapshot,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
    SourceMoved,
    TestSpec,
    TrackersCursor,
)
from activities.models.memberships import (
    JoinPlaceInput,
    JoinPlaceResult,
    OpenHopInput,
    OpenHopResult,
    SendViewsInput,
    SendViewsResult,
    TakeLaneInput,
    TakeLaneResult,
)
from activities.models.places import PlaceSignal, SendViewInput
from activities.models.revisions import ReadPullRequestInput
from activities.models.tracking import PullRequest, RepositoryView, TrackerRef
from activities.parts import Parts
from activities.ports import MissingReason, Places, ReferenceMissing, ResourceOpener
from activities.pull_requests import read_pull_request
from activities.shared_applications import SharedApplications
from crds.api.live_trackers import Begin, live_trackers
from crds.api.mirror import read_through
from crds.api.pauses import giving_way
from crds.api.ports import Document, Kubernetes, resource_of
from crds.resource import Resource
from crds.rules.environments import validate_repository
from crds.rules.field_errors import FieldError, errors_of
from crds.rules.promotion_policies import validate_policy
from crds.rules.selection import (
    SelectionOutcome,
    UnreadablePolicy,
    environments_ahead,
    select_policy,
    unreadable_policy,
)
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository, RepositoryMode
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.test_runner import TestRunner

Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Resource)
_NONCE_BYTES = 16
_DECLARED_WRONG = frozenset(
    {MissingReason.NOT_FOUND, MissingReason.SECRET_NOT_FOUND, MissingReason.INVALID, MissingReason.NOTHING_DEPLOYED}
)
"""What is declared; what a host refuses would be no better at a second try."""


class ResourceConfigActivities(ConfigActivities):
    """Read custom resources of one cluster."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        opener: ResourceOpener,
        places: Places,
        comparison: RevisionComparison | None = None,
    ) -> None:
        self._kubernetes = kubernetes
        self._opener = opener
        self._places = places
        self._reads = DeploymentReads(opener)
        self._comparison = comparison or RevisionComparison(opener)
        self._shared = SharedApplications(kubernetes)
        self._joining = Joining(places, self._read_environment, self._reads)

    @activity.defn
    @reported
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        """Choose among all policies of the namespace; the chosen one is validated against all that it names."""
        return await self._find(request)

    async def _find(self, request: FindPolicyInput) -> FindPolicyResult:
        with read_through(when=request.fresh):
            found = await self._find_policy(request)
        if found.outcome is not PolicyOutcome.FOUND and not request.fresh:
            # What is missing may just have been created.
            with read_through():
                found = await self._find_policy(request)
        return found

    async def _find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        namespace = request.namespace
        (policies, unreadable), environments, runners, repositories = await asyncio.gather(
            self._list_policies(namespace),
            self._list(Environment, namespace),
            self._list(TestRunner, namespace),
            self._list(GitRepository, namespace),
        )
        declared = _by_name(repositories).get(request.repository)
        if declared is not None and declared.spec.mode is RepositoryMode.OBSERVE:
            return FindPolicyResult(outcome=PolicyOutcome.OBSERVING)
        known = _by_name(environments)
        selection = select_policy(
            policies,
            environment=request.environment,
            repository=request.repository,
            validate=lambda policy: validate_policy(
                policy,
                runners=_by_name(runners),
                environments=known,
                all_policies=policies,
                repositories=_by_name(repositories),
            ),
            unreadable=unreadable,
        )
        found = selection.outcome is SelectionOutcome.FOUND and selection.policy is not None
        return FindPolicyResult(
            outcome=PolicyOutcome(selection.outcome),
            policy=to_snapshot(selection.policy) if found and selection.policy else None,
            names=selection.names,
            errors=tuple(bounded(str(error)) for error in selection.errors),
            ahead=environments_ahead(
                policies, environment=request.environment, repository=request.repository, environments=known
            ),
            nonce=secrets.token_hex(_NONCE_BYTES),
        )

    @activity.defn
    @reported
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        """Read an environment for one repository; the first thing that is missing is the answer instead."""
        return await self._read_environment(request)

    async def _read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        reader = EnvironmentReader(self._kubernetes, self._opener, request, self._shared)
        try:
            return ReadEnvironmentResult(environment=await _confirmed(reader.read, fresh=request.fresh))
        except ReferenceMissing as missing:
            return ReadEnvironmentResult(failure=failure_from(missing))

    @activity.defn
    @reported
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        """Read a repository and open it, which proves that provider and Secret are there; alongside a pull request."""
        parts = Parts()

        async def read() -> RepositoryView:
            declared = await read_resource(self._kubernetes, GitRepository, request.namespace, request.repository)
            if errors := validate_repository(declared):
                raise _invalid(request.repository, errors)
            return (await self._opener.repository(request.namespace, request.repository)).view

        try:
            view = await _confirmed(read, fresh=request.fresh)
        except ReferenceMissing as missing:
            return ReadRepositoryResult(failure=failure_from(missing))
        # Whether a component has paths is all that a workflow asks; fifty times fifty of them would be too large.
        components = tuple(replace(component, paths=component.paths[:1]) for component in view.components)
        return ReadRepositoryResult(
            repository=replace(view, components=components), pull_request=await self._pull_request(request, parts)
        )

    async def _pull_request(self, request: ReadRepositoryInput, parts: Parts) -> PullRequest | None:
        if request.number is None:
            return None
        asked = ReadPullRequestInput(namespace=request.namespace, repository=request.repository, number=request.number)
        return await parts.attempt(read_pull_request(self._opener, asked))

    @activity.defn
    @reported
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        """List a page of the repository's trackers whose attempt is not over, those being deleted included."""
        cursor = request.cursor
        page = await live_trackers(
            self._kubernetes,
            request.namespace,
            request.repository,
            at_most=TRACKERS_LISTED,
            begin=Begin(after=cursor.after, token=cursor.token) if cursor else None,
        )
        then = TrackersCursor(after=page.then.after, token=page.then.token) if page.then else None
        return ListTrackersResult(
            trackers=tuple(
                TrackerRef(namespace=request.namespace, name=one.name, uid=one.uid, attempt=one.attempt)
                for one in page.trackers
            ),
            then=then,
        )

    @activity.defn
    @reported
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        """Pass the member's view on to the place, and return its answer if it has one."""
        return await self._joining.send(request)

    @activity.defn
    @reported
    async def join_place(self, request: JoinPlaceInput) -> JoinPlaceResult:
        """Pass on that the member joins the place, and read what the place is declared to be."""
        return await memberships.join_place(request, read=self._read_environment, send=self._joining.send)

    @activity.defn
    @reported
    async def send_views(self, request: SendViewsInput) -> SendViewsResult:
        """Pass the member's views on to their places, side by side."""
        return await memberships.send_views(self._joining.send, request)

    @activity.defn
    @reported
    async def open_hop(self, request: OpenHopInput) -> OpenHopResult:
        """Choose the policy, and meet the target that it names."""
        return await memberships.open_hop(
            request,
            find=self._find,
            read=self._read_environment,
            send=self._joining.send,
            watch=partial(create_monitors, self._kubernetes),
            compare=self._comparison.compare,
        )

    @activity.defn
    @reported
    async def take_lane(self, request: TakeLaneInput) -> TakeLaneResult:
        """Pass on that the lane is taken, and read what it leads to."""
        return await memberships.take_lane(self._places, self._reads, request)

    async def _list_policies(self, namespace: str) -> tuple[list[PromotionPolicy], list[UnreadablePolicy]]:
        """List the policies; those that the model refuses are kept by name, as none of them may seem to be missing."""
        page = await self._kubernetes.list_all(resource_of(PromotionPolicy.definition), namespace)
        policies: list[PromotionPolicy] = []
        unreadable: list[UnreadablePolicy] = []
        async for item in giving_way(page.items):
            try:
                policies.append(PromotionPolicy.from_wire(item))
            except ValidationError as invalid:
                unreadable.append(unreadable_policy(item, errors_of(invalid)))
        return policies, unreadable

    async def _list(self, kind: type[Kind], namespace: str) -> tuple[Kind, ...]:
        page = await self._kubernetes.list_all(resource_of(kind.definition), namespace)
        read = [_read(kind, item) async for item in giving_way(page.items)]
        return tuple(resource for resource in read if resource is not None)


async def _confirmed(read: Callable[[], Awaitable[Answer]], *, fresh: bool) -> Answer:
    """Read from what is kept; what is missing or wrong there is read once more from the API server."""
    if not fresh:
        try:
            return await read()
        except ReferenceMissing as missing:
            if missing.reason not in _DECLARED_WRONG:
                raise
    with read_through():
        return await read()


def to_snapshot(policy: PromotionPolicy) -> PolicySnapshot:
    """Map a valid policy to the snapshot that a hop keeps."""
    spec = policy.spec
    return PolicySnapshot(
        name=policy.metadata.name,
        generation=policy.metadata.generation,
        source=spec.source_environment,
        target=spec.target_environment,
        auto_promote=spec.auto_promote,
        timeout=spec.timeout,
        on_source_moved=SourceMoved(spec.on_source_moved),
        label=spec.label,
        tests=tuple(
            TestSpec(
                name=test.name,
                runner=test.runner_ref.name,
                job=test.job,
                parameters=dict(test.parameters),
                required=test.required,
                timeout=test.timeout,
                retries=test.retries,
                components=test.components,
            )
            for test in spec.tests
        ),
    )


def _invalid(repository: str, errors: Sequence[FieldError]) -> ReferenceMissing:
    return ReferenceMissing(
        f"GitRepository/{repository}",
        MissingReason.INVALID,
        f"GitRepository `{repository}` contradicts itself",
        fields=tuple(bounded(str(error)) for error in errors),
    )


def _by_name(resources: Iterable[Kind]) -> dict[str, Kind]:
    return {resource.metadata.name: resource for resource in resources}


def _read(kind: type[Kind], item: Document) -> Kind | None:
    """Read one listed object; one that an older schema let in must not hide all the others."""
    try:
        # Nothing is decided by a status, and that of an Environment may be the larger part of it by far.
        return kind.from_wire({name: value for name, value in item.items() if name != "status"})
    except ValidationError:
        return None
