"""Pull requests of ours: what people made of one, the gates that are shown on it, and the merge of its tested head."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

from activities.delivery.seam import Order, Written
from activities.failures import describe
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import Gate, Proposal
from crds.texts.plain import short_revision
from providers.errors import ProviderBusy, ProviderNotFound, ProviderRejected, ProviderUnauthorized
from providers.models import ChangeState, CommitStatus, HostPullRequest, Merge, StatusState
from providers.ports import PullRequestChanges, ScmHost


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What became of it, and the pull request as it is now."""

    result: WriteResult
    proposal: Proposal | None = None


def answered(order: Order, found: Proposed, *, only: str = "") -> Written:
    """Give each deployment its result; where `only` one is refused, the others wait."""
    waits = WriteResult(outcome=WriteOutcome.BUSY, message=f"Pilotage writes nothing, since it cannot write {only}")
    results = {one.name: found.result if only in ("", one.name) else waits for one in order.deployments}
    return Written(results=results, proposal=found.proposal)


def not_merged(found: HostPullRequest, target: str) -> WriteResult | None:
    """Report that a person decided against it; None where it is open, or was merged into the target."""
    if found.state is ChangeState.CLOSED:
        return refused(f"pull request {found.url} was closed without being merged: `retry` opens another one")
    if found.state is ChangeState.MERGED and found.base_branch != target:
        text = f"pull request {found.url} was merged into `{found.base_branch}`, and not into `{target}`"
        return refused(f"{text}: `retry` opens another one")
    return None


def led_elsewhere(found: HostPullRequest, target: str) -> WriteResult | None:
    """Report that others lead an open one to another branch, where they might have us merge what they may not."""
    if found.base_branch == target:
        return None
    text = f"pull request {found.url} now leads to `{found.base_branch}`, so that Pilotage does not merge it: "
    return awaited(f"{text}lead it to `{target}` again, or close it and `retry`")


async def merge(changes: PullRequestChanges, opened: HostPullRequest, wanted: Merge, *, auto: bool) -> WriteResult:
    """Merge it, or return what it waits for. Raises ProviderConflict where its head is another one."""
    if not auto:
        return awaited(f"pull request {opened.url} waits to be merged")
    try:
        made = await changes.merge(opened.number, wanted)
    except ProviderBusy as error:
        # The host computes or merges still, or our own calls wait for their turn, which is no evidence of the host.
        return awaited(f"pull request {opened.url} is not merged yet: {describe(error)}")
    except ProviderRejected as error:
        return awaited(f"pull request {opened.url} may not be merged yet: {describe(error)}")
    return WriteResult(outcome=WriteOutcome.DONE, message=f"commit {short_revision(made)} of {opened.base_branch}")


async def show_gates(host: ScmHost, order: Order, head: str) -> None:
    """Show the tests of the round on a commit."""
    if not host.capabilities.commit_statuses:
        return
    # A credential that may not show them may deliver all the same.
    with suppress(ProviderUnauthorized, ProviderNotFound, ProviderRejected):
        for gate in order.gates:
            await host.commit_statuses.set(head, _status(order, gate))


def digest_of(gates: tuple[Gate, ...]) -> str:
    """Return in what gates that were shown differ from those that are to be; empty for nothing."""
    return hashlib.sha256(repr(gates).encode()).hexdigest()[:16] if gates else ""


def awaited(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.AWAITED, message=message)


def refused(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.REFUSED, message=message)


def _status(order: Order, gate: Gate) -> CommitStatus:
    ended = StatusState.SUCCESS if gate.passed else StatusState.FAILURE
    return CommitStatus(
        context=f"pilotage/{order.variables.get('sourceEnvironment', '')}/{gate.name}",
        state=StatusState.PENDING if gate.pending else ended,
        description=gate.message,
        url=gate.url,
    )
