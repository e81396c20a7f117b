"""ScmActivities: read pull requests, compare commits, and show the promotion on the pull request."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from temporalio import activity

from activities.comparing import RevisionComparison
from activities.contracts import ScmActivities
from activities.coordinator import Coordinator, KnownRights
from activities.delivery.git import GitDelivery
from activities.delivery.seam import held_by, observed_only
from activities.failures import attempts_bounded, failure_from, lasts, reported
from activities.metrics import Count, count
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult, FilesWritten
from activities.models.label_sync import LabelsReason, SyncResult
from activities.models.revisions import (
    CompareRevisionsInput,
    CompareRevisionsResult,
    ListChangedFilesInput,
    ListChangedFilesResult,
    PresentInput,
    PresentResult,
    ReadPullRequestInput,
    ReadPullRequestResult,
    RefusedPart,
)
from activities.models.steering import ReadInstructionsInput, ReadInstructionsResult
from activities.models.tracking import Component, PullRequest, PullRequestState
from activities.ports import ResourceOpener
from activities.refusals import share_no_secrets
from crds.paths import Globs
from crds.v1alpha1.git_repository import RepositoryMode
from providers.callers import polling
from providers.models import ChangedFiles, HostPullRequest
from providers.reading import in_thread

MATCHING = timedelta(seconds=5)
"""Processor time of all globs of a repository against all files of a pull request: 3000 files and 50 components need
half a second. The most that a repository may declare would need an hour, in a thread that nothing can stop."""


class ScmHostActivities(ScmActivities):
    """Call SCM hosts by way of named repositories."""

    def __init__(self, opener: ResourceOpener, comparison: RevisionComparison | None = None) -> None:
        self._opener = opener
        self._comparison = comparison or RevisionComparison(opener)
        self._git = GitDelivery(opener)
        self._rights = KnownRights()

    @activity.defn
    @reported
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        """Read one pull request."""
        found = await read_pull_request(self._opener, request)
        return ReadPullRequestResult(pull_request=found)

    @activity.defn
    @reported
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        """Return which components the changed files touch; a component without paths is always touched.

        All are where the host does not list every file, as GitHub beyond 3000, and those whose globs are not compared
        in time: waiting in sight for a component too many is better than ending as if there were nothing to deploy.
        """
        repository = await self._opener.repository(request.namespace, request.repository)
        changed = await repository.host.pull_requests.changed_files(request.number)
        touched = await in_thread(partial(_touched, repository.view.components, changed))
        return ListChangedFilesResult(components=touched, files=len(changed.paths))

    @activity.defn
    @reported
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        """Compare pairs of commits, a few at a time; what this process learned of full hashes is not asked again."""
        return await self._comparison.compare(request)

    @activity.defn
    @reported
    async def deliver_files(self, request: DeliverFilesInput) -> DeliverFilesResult:
        """Write files of a Git repository that something else deploys from."""
        share_no_secrets()
        if name := await self._opener.observed(request.namespace, request.repository):
            return DeliverFilesResult(
                written=tuple(
                    FilesWritten(deployment=one.name, result=observed_only(one.name, name))
                    for one in request.deployments
                )
            )
        environment = "" if request.prepares else request.environment
        if environment and (hold := await self._opener.held(request.namespace, environment)) is not None:
            held = held_by(hold, environment)
            return DeliverFilesResult(
                written=tuple(FilesWritten(deployment=one.name, result=held) for one in request.deployments)
            )
        return await self._git.deliver(request)

    @activity.defn
    @reported
    async def read_instructions(self, request: ReadInstructionsInput) -> ReadInstructionsResult:
        """Read what people asked for since the cursors; nothing is written; the cursors count once they are kept."""
        coordinator = await self._coordinator(request.namespace, request.repository)
        with polling():
            found = await coordinator.sync_scm_to_tracker(request)
        for instruction in found.instructions:
            by, outcome = "label" if instruction.label else "comment", "allowed" if instruction.allowed else "refused"
            count(Count.INSTRUCTIONS, namespace=request.namespace, by=by, outcome=outcome)
        return found

    @activity.defn
    @reported
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        """Send the differences between what is wanted and what is shown, each part by itself.

        Parts that are refused until a person fixes something are returned with those that are shown; with unlimited
        attempts, and where a part failed of what passes, the attempt fails and the next one finds what is there.
        """
        coordinator = await self._coordinator(request.namespace, request.repository)
        if coordinator.repository.mode is RepositoryMode.OBSERVE:
            return PresentResult(shown=request.shown, withheld=True)
        # A reply may have been lost in an earlier attempt: what was shown then is not known any more.
        trusted = request.shown if activity.info().attempt == 1 else None
        presented = await coordinator.sync_tracker_to_scm(request, trusted)
        again = [error for _, error in presented.errors if not attempts_bounded() or not lasts(error)]
        if again:
            raise again[0]
        if presented.result.labels is not None:
            count(Count.LABEL_SYNCS, namespace=request.namespace, outcome=_outcome(presented.result.labels))
        refused = tuple(RefusedPart(part=part, failure=failure_from(error)) for part, error in presented.errors)
        return replace(presented.result, refused=refused)

    async def _coordinator(self, namespace: str, name: str) -> Coordinator:
        repository = await self._opener.repository(namespace, name)
        return Coordinator(repository=repository, namespace=namespace, rights=self._rights)


def _outcome(found: SyncResult) -> str:
    """Return what a look at labels came to, as one of a few terms."""
    if found.consistent:
        return "consistent"
    return "repaired" if found.reason is LabelsReason.IN_SYNC else str(found.reason)


async def read_pull_request(opener: ResourceOpener, request: ReadPullRequestInput) -> PullRequest:
    """Read a pull request through its repository. Raises ReferenceMissing and ProviderError."""
    repository = await opener.repository(request.namespace, request.repository)
    with polling():
        return to_pull_request(await repository.host.pull_requests.get(request.number))


def to_pull_request(change: HostPullRequest) -> PullRequest:
    """Map the host's view of a change to the one that workflows record."""
    return PullRequest(
        number=change.number,
        title=change.title,
        author=change.author,
        url=change.url,
        state=PullRequestState(change.state),
        head_sha=change.head_sha,
        merge_sha=change.merge_sha,
        branch=change.branch,
        base_branch=change.base_branch,
        labels=change.labels,
        merged_at=change.merged_at,
    )


def _touched(components: Sequence[Component], changed: ChangedFiles) -> tuple[str, ...]:
    """Return the components that the files touch; those that are not looked at in time as well."""
    until, touched = time.thread_time() + MATCHING.total_seconds(), list[str]()
    for component in components:
        if not changed.complete or not component.paths or _matches(component, changed.paths, until):
            touched.append(component.name)
    return tuple(touched)


def _matches(component: Component, paths: Iterable[str], until: float) -> bool:
    if time.thread_time() >= until:
        return True
    globs = Globs(component.paths)
    return any(time.thread_time() >= until or globs.match(path) for path in paths)
