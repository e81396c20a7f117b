"""Write files of a Git repository: all files of a wave in one commit, only on top of the head that they were read from.

A retry finds the commit by its key, and what is written already by the values. A branch that moved meanwhile is read
again, and the edits are made again from what it holds then.
"""

from collections.abc import Iterable, Sequence

from activities.delivery.file_edits import Edit, EditRefused, Held, commit_message, edits_of
from activities.delivery.file_plans import CommitPlan, plan
from activities.delivery.file_proposals import propose
from activities.delivery.proposals import Proposed, answered, refused
from activities.delivery.refreshing import refresh
from activities.delivery.seam import Order, Written
from activities.failures import describe
from activities.models.configuration import DeploymentSpec, GitVia, GitWriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.ports import Repository, ResourceOpener
from crds.texts.plain import short_revision
from providers.errors import (
    ProviderConflict,
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
_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMisconfigured, ProviderMalformed)


class FileWriter:
    """Write files of named repositories, all deployments of an order in one commit."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener

    async def write(self, order: Order) -> Written:
        """Write the files; one deployment that cannot be written keeps all of them from being written."""
        git = _git_of(order.deployments)
        try:
            found = await self._written(order, git)
        except EditRefused as error:
            return answered(order, Proposed(result=refused(str(error))), only=error.deployment)
        except _REFUSALS as error:
            found = Proposed(result=refused(f"{_where(git)} cannot be written: {describe(error)}"))
        return answered(order, found)

    async def start(self, order: Order) -> Written:
        """Have Argo CD look at the branch now rather than at its next poll."""
        await refresh(self._opener, order)
        return answered(order, Proposed(result=WriteResult(outcome=WriteOutcome.DONE)))

    async def _written(self, order: Order, git: GitWriteSpec) -> Proposed:
        edits = edits_of(order.deployments, order.artifacts, order.variables)
        host = (await self._opener.repository(order.namespace, git.repository)).host
        if host.branches is None:
            return Proposed(
                result=refused(f"GitRepository {git.repository} is at a host where this version writes no files")
            )
        conflict = ""
        for _ in range(TRIES):
            try:
                return await self._tried(host, host.branches, order, git, edits)
            except ProviderConflict as error:
                conflict = describe(error)
        moved = f"{git.branch} of GitRepository {git.repository} moved {TRIES} times while it was to be written"
        return Proposed(result=WriteResult(outcome=WriteOutcome.BUSY, message=f"{moved}: {conflict}"))

    async def _tried(
        self, host: ScmHost, branches: Branches, order: Order, git: GitWriteSpec, edits: Sequence[Edit]
    ) -> Proposed:
        """Look at the branch and write what it misses. Raises ProviderConflict where it moved meanwhile."""
        base = await plan(branches, git.branch, _where(git), edits, order.key)
        await self._check_held(order, base.held)
        if not base.changed:
            return Proposed(result=_stands(base, order), proposal=order.proposal)
        if base.made is not None:
            made = short_revision(base.made.sha)
            return Proposed(result=refused(f"another commit set back commit {made} of {git.branch}, which wrote it"))
        if git.via is GitVia.PULL_REQUEST:
            return await propose(host, order, git, edits, base)
        message = commit_message(edits, order.variables, order.key)
        made = await branches.commit(
            NewCommit(branch=git.branch, expected_head=base.head, message=message, edits=base.changed)
        )
        return Proposed(result=_done(made, git.branch))

    async def _check_held(self, order: Order, held: Iterable[Held]) -> None:
        """Refuse to write over what the artifact does not contain. Raises EditRefused."""
        repository: Repository | None = None
        known: dict[tuple[str, str], bool] = {}
        for one in held:
            revision, wanted = one.revision, one.edit.artifact.revision
            # A tag may carry an abbreviated hash.
            if revision is None or any(full.startswith(revision) for full in (wanted, *order.allowed)):
                continue
            if (revision, wanted) not in known:
                repository = repository or await self._opener.repository(order.namespace, order.repository)
                found = await repository.host.revisions.compare(revision, wanted)
                known[revision, wanted] = found in (Ancestry.AHEAD, Ancestry.IDENTICAL)
            if not known[revision, wanted]:
                message = f"{one.edit.file} holds `{one.value}`, which {short_revision(wanted)} does not contain: "
                message += "promote from what stands there, or set it back, then `retry`"
                raise EditRefused(one.edit.deployment.name, message)


def _git_of(deployments: Sequence[DeploymentSpec]) -> GitWriteSpec:
    found = [one.write.git for one in deployments if one.write is not None and one.write.git is not None]
    if len(found) != len(deployments) or len({(one.repository, one.branch) for one in found}) != 1:
        raise ProviderMisconfigured("the deployments of one commit must be written to one branch")
    return found[0]


def _where(git: GitWriteSpec) -> str:
    return f"branch {git.branch} of GitRepository {git.repository}"


def _stands(base: CommitPlan, order: Order) -> WriteResult:
    """Report that nothing is to be written; a merge of our pull request is ours, also as a person made it."""
    if base.made is not None:
        return _done(base.made.sha, base.branch)
    outcome = WriteOutcome.ALREADY if order.proposal is None else WriteOutcome.DONE
    return WriteResult(outcome=outcome, message=f"{base.branch} holds it already")


def _done(sha: str, branch: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.DONE, message=f"commit {short_revision(sha)} of {branch}")
