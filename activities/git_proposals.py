"""Deliver by a pull request: a branch of ours with the edits, opened once, shown with its gates, and merged or awaited.

Each attempt looks at what is there and does what is missing, so that it may be repeated at any time. Who merges or
closes the pull request decides: neither is done again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from activities.failures import describe
from activities.git_edits import Edit, commit_message
from activities.git_plans import Plan, plan
from activities.models.configuration import GitWriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, Gate, Proposal
from providers.errors import ProviderBusy, ProviderRejected
from providers.models import (
    ChangeState,
    CommitStatus,
    HostPullRequest,
    Merge,
    MergeMethod,
    NewCommit,
    NewPullRequest,
    StatusState,
)
from providers.ports import Branches, PullRequestChanges, ScmHost

_KEY_CHARACTERS = 16


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What became of it, and the pull request as it is now."""

    result: WriteResult
    proposal: Proposal | None = None


async def propose(
    host: ScmHost, request: DeliverFilesInput, git: GitWriteSpec, edits: Sequence[Edit], base: Plan
) -> Proposed:
    """Bring the edits that `base` lacks into a pull request. Raises ProviderConflict where a branch moved meanwhile."""
    branches, changes = host.branches, host.changes
    if branches is None or changes is None or not host.capabilities.begins_branches:
        return Proposed(result=_refused(f"GitRepository {git.repository} is at a host where none is opened yet"))
    known = request.proposal
    opened = await host.pull_requests.get(known.number) if known is not None else None
    if opened is not None and (ended := _ended(opened)) is not None:
        return Proposed(result=ended, proposal=known)
    if known is None or opened is None or opened.head_sha != known.head_sha:
        head = await _pushed(branches, request, git, edits, base)
        opened = await changes.create(_wanted(request, git, edits))
        await _show(host, request, head)
        known = Proposal(key=request.key, number=opened.number, head_sha=head)
    merge = replace(_merge_of(request, edits), head_sha=known.head_sha, method=MergeMethod(git.merge_method))
    return Proposed(result=await _merged(changes, git, opened, merge), proposal=known)


def branch_of(request: DeliverFilesInput) -> str:
    """Return the branch of ours for a key."""
    return f"pilotage/{request.variables.get('targetEnvironment', 'delivery')}/{request.key[:_KEY_CHARACTERS]}"


async def _pushed(
    branches: Branches, request: DeliverFilesInput, git: GitWriteSpec, edits: Sequence[Edit], base: Plan
) -> str:
    """Return the head of our branch, with the edits on it, also on top of what others pushed there."""
    branch = branch_of(request)
    message = commit_message(edits, request.variables, request.key)
    if await branches.head(branch) is None:
        begun = NewCommit(branch=branch, expected_head=base.head, message=message, edits=base.changed, begins=True)
        return await branches.commit(begun)
    where = f"branch {branch} of GitRepository {git.repository}"
    own = await plan(branches, branch, where, edits, request.key)
    if not own.changed:
        return own.head
    return await branches.commit(NewCommit(branch=branch, expected_head=own.head, message=message, edits=own.changed))


async def _merged(changes: PullRequestChanges, git: GitWriteSpec, opened: HostPullRequest, merge: Merge) -> WriteResult:
    if not git.auto_merge:
        return _awaited(f"pull request {opened.url} waits to be merged")
    try:
        made = await changes.merge(opened.number, merge)
    except ProviderBusy as error:
        # The host computes or merges still, or our own calls wait for their turn, which says nothing of the host.
        return _awaited(f"pull request {opened.url} is not merged yet: {describe(error)}")
    except ProviderRejected as error:
        return _awaited(f"pull request {opened.url} may not be merged yet: {describe(error)}")
    return WriteResult(outcome=WriteOutcome.DONE, message=f"commit {made[:12]} of {git.branch}")


async def _show(host: ScmHost, request: DeliverFilesInput, head: str) -> None:
    """Show the tests of the round on the head."""
    if not host.capabilities.commit_statuses:
        return
    for gate in request.gates:
        await host.commit_statuses.set(head, _status(request, gate))


def _status(request: DeliverFilesInput, gate: Gate) -> CommitStatus:
    return CommitStatus(
        context=f"pilotage/{request.variables.get('sourceEnvironment', '')}/{gate.name}",
        state=StatusState.SUCCESS if gate.passed else StatusState.FAILURE,
        description=gate.message,
        url=gate.url,
    )


def _ended(found: HostPullRequest) -> WriteResult | None:
    """Say what a person decided; the branch that it was merged into lacks the edits all the same."""
    if found.state is ChangeState.CLOSED:
        return _refused(f"pull request {found.url} was closed without being merged: `retry` opens another one")
    if found.state is ChangeState.MERGED:
        return _refused(f"pull request {found.url} was merged, and what it wrote was set back since")
    return None


def _wanted(request: DeliverFilesInput, git: GitWriteSpec, edits: Sequence[Edit]) -> NewPullRequest:
    title, _, body = commit_message(edits, request.variables, request.key).partition("\n")
    return NewPullRequest(head=branch_of(request), base=git.branch, title=title, body=body.strip())


def _merge_of(request: DeliverFilesInput, edits: Sequence[Edit]) -> Merge:
    title, _, message = commit_message(edits, request.variables, request.key).partition("\n")
    return Merge(head_sha="", title=title, message=message.strip())


def _awaited(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.AWAITED, message=message)


def _refused(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.REFUSED, message=message)
