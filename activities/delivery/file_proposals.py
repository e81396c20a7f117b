"""Deliver by a pull request: a branch of ours with the edits, opened once, shown with its gates, and merged or awaited.

Each attempt looks at what is there and does what is missing, so that it may be repeated at any time. Who merges or
closes the pull request decides: neither is done again.
"""

from collections.abc import Sequence
from dataclasses import replace

from activities.delivery.file_edits import Edit, commit_message, marked
from activities.delivery.file_plans import LOG, CommitPlan, holds_nothing_else, plan
from activities.delivery.proposals import Proposed, awaited, led_elsewhere, merge, not_merged, refused, show_gates
from activities.delivery.seam import Order
from activities.models.configuration import GitWriteSpec
from activities.models.delivery import WriteResult
from activities.models.git_delivery import Proposal
from providers.models import (
    ChangeState,
    HostPullRequest,
    Merge,
    NewCommit,
    NewPullRequest,
)
from providers.ports import Branches, ScmHost

_KEY_CHARACTERS = 16


async def propose(host: ScmHost, order: Order, git: GitWriteSpec, edits: Sequence[Edit], base: CommitPlan) -> Proposed:
    """Bring the edits that `base` misses into a pull request. Raises ProviderConflict where a branch moved."""
    branches, changes = host.branches, host.changes
    if branches is None or changes is None:
        return Proposed(result=refused(f"GitRepository {git.repository} is at a host where none is opened yet"))
    known = order.proposal
    opened = await host.pull_requests.get(known.number) if known is not None else None
    if opened is not None and (ended := _ended(opened, git)) is not None:
        return Proposed(result=ended, proposal=known)
    if known is None or opened is None:
        found = await branches.head(branch_of(order))
        begin = _begun if found is None else _found
        head = await begin(branches, order, git, edits, base)
        opened = await changes.create(_wanted(order, git, edits))
        if found is not None and not await _changes_only(host, opened.number, edits):
            head = ""
        if head:
            await show_gates(host, order, head)
        known = Proposal(key=order.key, number=opened.number, head_sha=head)
    if (changed := _changed(opened, known, git)) is not None:
        return Proposed(result=changed, proposal=known)
    wanted = replace(_merge_of(order, edits), head_sha=known.head_sha, method=git.merge_method)
    return Proposed(result=await merge(changes, opened, wanted, auto=git.auto_merge), proposal=known)


def branch_of(order: Order) -> str:
    """Return the branch of ours for a key."""
    return f"pilotage/{order.variables.get('targetEnvironment', 'delivery')}/{order.key[:_KEY_CHARACTERS]}"


async def _begun(branches: Branches, order: Order, _git: GitWriteSpec, edits: Sequence[Edit], base: CommitPlan) -> str:
    """Begin our branch with the one commit that it has, and return that."""
    message = commit_message(edits, order.variables, order.key)
    return await branches.commit(
        NewCommit(branch=branch_of(order), expected_head=base.head, message=message, edits=base.changed, begins=True)
    )


async def _found(branches: Branches, order: Order, git: GitWriteSpec, edits: Sequence[Edit], _base: CommitPlan) -> str:
    """Return the head of our branch where it is our one commit, of an attempt whose reply was lost; else nothing.

    Its key is no proof: others read it there. A branch that began, and has no commit yet, gets it.
    """
    branch = branch_of(order)
    head, *earlier = await branches.log(branch, 2)
    beneath = {one.sha for one in await branches.log(git.branch, LOG)}
    if head.sha in beneath:
        return await _continued(branches, order, git, edits)
    if not earlier or earlier[0].sha not in beneath or not marked(head.message, order.key):
        return ""
    where = _where(order, git)
    return head.sha if await holds_nothing_else(branches, where, edits, head.sha, on=earlier[0].sha) else ""


async def _continued(branches: Branches, order: Order, git: GitWriteSpec, edits: Sequence[Edit]) -> str:
    """Make the commit of a branch that an attempt began; the branch that is written may have moved since."""
    begun = await plan(branches, branch_of(order), _where(order, git), edits, order.key)
    message = commit_message(edits, order.variables, order.key)
    wanted = NewCommit(branch=branch_of(order), expected_head=begun.head, message=message, edits=begun.changed)
    return await branches.commit(wanted)


def _where(order: Order, git: GitWriteSpec) -> str:
    return f"branch {branch_of(order)} of GitRepository {git.repository}"


async def _changes_only(host: ScmHost, number: int, edits: Sequence[Edit]) -> bool:
    """Return whether a pull request changes the files of the edits and no other one."""
    changed = await host.pull_requests.changed_files(number)
    return changed.complete and set(changed.paths) <= {edit.file for edit in edits}


def _ended(found: HostPullRequest, git: GitWriteSpec) -> WriteResult | None:
    """Return what a person decided; the branch that is to be written misses the edits all the same."""
    if found.state is ChangeState.MERGED and found.base_branch == git.branch:
        return refused(f"pull request {found.url} was merged, and another commit set back what it wrote")
    return not_merged(found, git.branch)


def _changed(found: HostPullRequest, known: Proposal, git: GitWriteSpec) -> WriteResult | None:
    """Return what others made of it: who may push, or lead it elsewhere, could else have us merge what they may not."""
    if found.head_sha != known.head_sha:
        text = (
            f"pull request {found.url} has commits of others, so that Pilotage neither merges it nor shows it as tested"
        )
        return awaited(f"{text}: merge it, or close it and `retry`")
    return led_elsewhere(found, git.branch)


def _wanted(order: Order, git: GitWriteSpec, edits: Sequence[Edit]) -> NewPullRequest:
    title, _, body = commit_message(edits, order.variables, order.key).partition("\n")
    return NewPullRequest(head=branch_of(order), base=git.branch, title=title, body=body.strip())


def _merge_of(order: Order, edits: Sequence[Edit]) -> Merge:
    title, _, message = commit_message(edits, order.variables, order.key).partition("\n")
    return Merge(head_sha="", title=title, message=message.strip())
