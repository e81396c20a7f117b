"""Deliver by Git: all files of a wave in one commit, only on top of the head that they were read from.

A retry finds the commit by its key, and what is written already by the values. A branch that moved meanwhile is read
again, and the edits are made again from what it holds then.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from activities.failures import describe
from activities.git_edits import Edit, EditRefused, Held, commit_message, edits_of
from activities.git_plans import Plan, plan
from activities.git_proposals import Proposed, propose
from activities.metrics import Count, count
from activities.models.configuration import DeploymentSpec, GitVia, GitWriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult, FilesWritten
from activities.ports import ReferenceMissing, Repository, ResourceOpener
from activities.reading import reference
from crds.api.ports import ApiError
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.models import Ancestry, NewCommit
from providers.ports import Branches, ScmHost

TRIES = 5
"""How often a branch that others write to as well is read again within one attempt."""
_AT_ONCE = 5
_REFRESHING_SECONDS = 15.0
"""What all refreshes may take together; Argo CD finds the commit without them, only later."""
_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMisconfigured, ProviderMalformed)


class GitDelivery:
    """Write files of named repositories."""

    def __init__(self, connections: ResourceOpener) -> None:
        self._connections = connections

    async def deliver(self, request: DeliverFilesInput) -> DeliverFilesResult:
        """Write the files; one deployment that cannot be written keeps all of them from being written."""
        git = _git_of(request.deployments)
        try:
            found = await self._written(request, git)
        except EditRefused as refused:
            return _answer(request, Proposed(result=_refused(str(refused))), only=refused.deployment)
        except _REFUSALS as error:
            found = Proposed(result=_refused(f"{_where(git)} cannot be written: {describe(error)}"))
        if found.result.stands:
            await self._refresh(request)
        return _answer(request, found)

    async def _written(self, request: DeliverFilesInput, git: GitWriteSpec) -> Proposed:
        edits = edits_of(request.deployments, request.artifacts, request.variables)
        host = (await self._connections.repository(request.namespace, git.repository)).host
        if host.branches is None:
            return Proposed(
                result=_refused(f"GitRepository {git.repository} is at a host where this version writes no files")
            )
        for _ in range(TRIES):
            with suppress(ProviderConflict):
                return await self._tried(host, host.branches, request, git, edits)
        message = f"{git.branch} of GitRepository {git.repository} moved {TRIES} times while it was to be written"
        return Proposed(result=WriteResult(outcome=WriteOutcome.BUSY, message=message))

    async def _tried(
        self, host: ScmHost, branches: Branches, request: DeliverFilesInput, git: GitWriteSpec, edits: Sequence[Edit]
    ) -> Proposed:
        """Look at the branch and write what it lacks. Raises ProviderConflict where it moved meanwhile."""
        base = await plan(branches, git.branch, _where(git), edits, request.key)
        await self._check_held(request, base.held)
        if not base.changed:
            return Proposed(result=_stands(base, request), proposal=request.proposal)
        if base.made is not None:
            made = base.made.sha[:12]
            return Proposed(
                result=_refused(f"commit {made} of {git.branch}, which wrote it, was set back since by another one")
            )
        if git.via is GitVia.PULL_REQUEST:
            return await propose(host, request, git, edits, base)
        message = commit_message(edits, request.variables, request.key)
        made = await branches.commit(
            NewCommit(branch=git.branch, expected_head=base.head, message=message, edits=base.changed)
        )
        return Proposed(result=_done(made, git.branch))

    async def _check_held(self, request: DeliverFilesInput, held: Iterable[Held]) -> None:
        """Refuse to write over what the artifact does not contain. Raises EditRefused."""
        repository: Repository | None = None
        known: dict[tuple[str, str], bool] = {}
        for one in held:
            revision, wanted = one.revision, one.edit.artifact.revision
            # A tag may carry an abbreviated hash.
            if revision is None or any(full.startswith(revision) for full in (wanted, *request.allowed)):
                continue
            if (revision, wanted) not in known:
                repository = repository or await self._connections.repository(request.namespace, request.repository)
                found = await repository.host.revisions.compare(revision, wanted)
                known[revision, wanted] = found in (Ancestry.AHEAD, Ancestry.IDENTICAL)
            if not known[revision, wanted]:
                message = f"{one.edit.file} holds `{one.value}`, which {wanted[:12]} does not contain: "
                message += "promote from what stands there, or set it back, then `retry`"
                raise EditRefused(one.edit.deployment.name, message)

    async def _refresh(self, request: DeliverFilesInput) -> None:
        """Have Argo CD look at the branch now rather than at its next poll."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def refresh(one: DeploymentSpec) -> None:
            async with gate:
                with suppress(ProviderError, ReferenceMissing, ApiError):
                    port = await self._connections.deployments(request.namespace, one.instance)
                    await port.get(reference(one), refresh=True)

        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESHING_SECONDS):
                await asyncio.gather(*map(refresh, request.deployments))


def _git_of(deployments: Sequence[DeploymentSpec]) -> GitWriteSpec:
    found = [one.write.git for one in deployments if one.write is not None and one.write.git is not None]
    if len(found) != len(deployments) or len({(one.repository, one.branch) for one in found}) != 1:
        raise ProviderMisconfigured("the deployments of one commit must be written to one branch")
    return found[0]


def _where(git: GitWriteSpec) -> str:
    return f"branch {git.branch} of GitRepository {git.repository}"


def _stands(base: Plan, request: DeliverFilesInput) -> WriteResult:
    """Say that nothing is to be written; a merge of our pull request is ours, also as a person made it."""
    if base.made is not None:
        return _done(base.made.sha, base.branch)
    outcome = WriteOutcome.ALREADY if request.proposal is None else WriteOutcome.DONE
    return WriteResult(outcome=outcome, message=f"{base.branch} holds it already")


def _done(sha: str, branch: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.DONE, message=f"commit {sha[:12]} of {branch}")


def _refused(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.REFUSED, message=message)


def _answer(request: DeliverFilesInput, found: Proposed, *, only: str = "") -> DeliverFilesResult:
    """Give each deployment its result; beside the `only` one that is refused the others wait."""
    waits = WriteResult(outcome=WriteOutcome.BUSY, message=f"nothing is written, since {only} cannot be")
    written = []
    for one in request.deployments:
        own = found.result if only in ("", one.name) else waits
        outcome = own.outcome.value
        count(Count.DELIVERIES, namespace=request.namespace, instance=one.instance, operation="commit", outcome=outcome)
        written.append(FilesWritten(deployment=one.name, result=own))
    return DeliverFilesResult(written=tuple(written), proposal=found.proposal)
