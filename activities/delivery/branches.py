"""Merge one branch into another by a pull request: what was tested in one environment becomes the branch of the next.

The pull request is opened or adopted, shows the gates, and keeps title, text and labels as declared. Only the head that
was tested is merged: the one that showed the gates, and in the application repository itself the commit that ran in the
source environment. A person may merge or close it at any time, which decides.
"""

from collections.abc import Sequence
from dataclasses import replace

from activities.delivery.proposals import (
    Proposed,
    answered,
    awaited,
    digest_of,
    led_elsewhere,
    merge,
    not_merged,
    refused,
    show_gates,
)
from activities.delivery.refreshing import refresh
from activities.delivery.seam import Order, Written
from activities.failures import describe
from activities.models.configuration import BranchWriteSpec, DeploymentSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import Proposal
from activities.ports import ResourceOpener
from activities.targets import taken
from crds.rules.substitution import SubstitutionError, render
from crds.texts.markdown import inline
from crds.texts.plain import one_line, short_revision
from providers.errors import (
    ProviderConflict,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.models import ChangeState, HostPullRequest, Merge, NewPullRequest
from providers.ports import PullRequestChanges, ScmHost

_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMisconfigured, ProviderMalformed)


class BranchWriter:
    """Merge branches of named repositories; all deployments of an order follow the same one."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener

    async def write(self, order: Order) -> Written:
        """Open the pull request, show the gates, and merge what was tested where the Environment states it."""
        branch = _branch_of(order.deployments)
        if (theirs := next((one for one in order.deployments if one.taken_by), None)) is not None:
            return answered(order, Proposed(result=refused(taken(theirs))), only=theirs.name)
        host = (await self._opener.repository(order.namespace, branch.repository)).host
        if host.changes is None:
            text = f"GitRepository {branch.repository} is at a host where this version opens no pull requests"
            return answered(order, Proposed(result=refused(text)))
        try:
            found = await _Promotion(host, host.changes, order, branch).run()
        except ProviderConflict as error:
            found = Proposed(result=_busy(describe(error)), proposal=order.proposal)
        except SubstitutionError as error:
            found = Proposed(result=refused(f"title or body of the pull request cannot be made: {error}"))
        except _REFUSALS as error:
            where = f"{branch.source} of GitRepository {branch.repository}"
            found = Proposed(
                result=refused(f"{where} cannot be merged into {branch.target}: {describe(error)}"),
                proposal=order.proposal,
            )
        return answered(order, found)

    async def start(self, order: Order) -> Written:
        """Have Argo CD look at the branch now rather than at its next poll."""
        await refresh(self._opener, order)
        return answered(order, Proposed(result=WriteResult(outcome=WriteOutcome.DONE)))


class _Promotion:
    """One look at the pull request of an order."""

    def __init__(self, host: ScmHost, changes: PullRequestChanges, order: Order, branch: BranchWriteSpec) -> None:
        self._host = host
        self._changes = changes
        self._order = order
        self._branch = branch

    async def run(self) -> Proposed:
        """Do what is missing. Raises ProviderConflict where somebody else changed the pull request meanwhile."""
        branch, known = self._branch, self._order.proposal
        opened = await (self._host.pull_requests.get(known.number) if known is not None else self._opened())
        if opened is None:
            # A person merged it, so that it is on its way, or it has yet to be pushed: what runs will show.
            return Proposed(result=_busy(f"`{branch.target}` holds all of `{branch.source}` already"))
        known = known or Proposal(key=self._order.key, number=opened.number, head_sha=opened.head_sha)
        if opened.state is ChangeState.MERGED and opened.base_branch == branch.target:
            made = short_revision(opened.merge_sha or opened.head_sha)
            text = f"pull request {opened.url} is merged, as commit {made} of {branch.target}"
            return Proposed(result=WriteResult(outcome=WriteOutcome.DONE, message=text), proposal=known)
        hindrance = not_merged(opened, branch.target) or self._moved(opened, known)
        if hindrance is None and opened.head_sha:
            known = await self._shown(opened, known)
            hindrance = led_elsewhere(opened, branch.target)
        if hindrance is not None:
            return Proposed(result=hindrance, proposal=known)
        if self._order.prepares:
            return Proposed(result=awaited(f"pull request {opened.url} shows the tests"), proposal=known)
        return Proposed(result=await self._merged(opened, known), proposal=known)

    async def _opened(self) -> HostPullRequest | None:
        """Return the pull request between the two branches, also one of others; None where nothing is to be merged."""
        branch = self._branch
        title = self._title() or f"Promote {branch.source} to {branch.target}"
        wanted = NewPullRequest(head=branch.source, base=branch.target, title=title, body=self._body())
        try:
            return await self._changes.create(wanted)
        except ProviderConflict:
            return None

    def _moved(self, opened: HostPullRequest, known: Proposal) -> WriteResult | None:
        """Report that the branch holds what was not tested."""
        branch, head = self._branch, opened.head_sha
        tested = {known.head_sha}
        if branch.repository == self._order.repository and not self._order.retried:
            components = {one.component for one in self._order.deployments}
            tested = {one.revision for one in self._order.artifacts if one.component in components}
        if tested == {head}:
            return None
        listed, now = " and ".join(sorted(map(short_revision, tested))), short_revision(head)
        text = f"`{branch.source}` is at {now} now, but {listed} was tested, so that Pilotage does not merge"
        text += f" {opened.url}: `retry` merges what `{branch.source}` holds then"
        return WriteResult(outcome=WriteOutcome.HEAD_MOVED, message=text)

    async def _shown(self, opened: HostPullRequest, known: Proposal) -> Proposal:
        """Have the pull request look as it is to; what it shows already costs no call."""
        digest = digest_of(self._order.gates)
        if digest != known.shown:
            await show_gates(self._host, self._order, opened.head_sha)
        if not self._order.prepares:
            # Who only tests has no lane: two changes that are tested at a time would change it in turns.
            await self._keep(opened)
        return replace(known, shown=digest)

    async def _keep(self, opened: HostPullRequest) -> None:
        title, body = self._title(), self._body()
        if title or body:
            await self._changes.update(opened.number, title=title or None, body=body or None)
        capabilities = self._host.capabilities
        there = {label if capabilities.label_case else label.lower() for label in opened.labels}
        wanted = [one for one in self._branch.labels if (one if capabilities.label_case else one.lower()) not in there]
        if wanted and capabilities.labels:
            await self._host.labels.add(opened.number, wanted)

    async def _merged(self, opened: HostPullRequest, known: Proposal) -> WriteResult:
        branch = self._branch
        wanted = Merge(head_sha=opened.head_sha, method=branch.merge_method)
        try:
            return await merge(self._changes, opened, wanted, auto=branch.auto_merge)
        except ProviderConflict:
            # Somebody pushed since it was read.
            now = await self._host.pull_requests.get(opened.number)
            return self._moved(now, known) or awaited(f"pull request {opened.url} is not merged yet")

    def _title(self) -> str:
        return one_line(render(self._branch.title, self._order.variables)) if self._branch.title else ""

    def _body(self) -> str:
        """Return the text, in which what the author of a change chose means nothing to Markdown."""
        values = {name: inline(value) for name, value in self._order.variables.items()}
        return render(self._branch.body, values) if self._branch.body else ""


def _busy(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.BUSY, message=message)


def _branch_of(deployments: Sequence[DeploymentSpec]) -> BranchWriteSpec:
    found = {one.write.branch for one in deployments if one.write is not None and one.write.branch is not None}
    if len(found) != 1:
        raise ProviderMisconfigured("the deployments of one branch must be merged in one way")
    return found.pop()
