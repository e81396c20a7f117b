"""Which workflow a plan concerns, and what it is signalled: what is posted, and what is explained, is made of this."""

from datetime import datetime

from activities.flux.events import FluxEvent
from activities.flux.planning import StatusPlan
from activities.flux.subscriptions import COMMIT_STATUS
from activities.models.commit_statuses import CommitVerdict, StatusSlot


def signal_of(event: FluxEvent, made: StatusPlan, *, now: datetime) -> tuple[StatusSlot, CommitVerdict] | None:
    """Return the workflow that a plan concerns, and what it is signalled; None where nothing is to be posted."""
    wanted, target = made.wanted, made.target
    if wanted is None or target is None:
        return None
    slot = StatusSlot(
        namespace=target.namespace,
        provider=target.name,
        provider_uid=target.uid,
        flux=target.is_flux,
        repository=str(wanted.repository),
        commit=wanted.commit,
        context=wanted.context,
    )
    verdict = CommitVerdict(
        # A clock that is ahead must not outdo all events until ours has caught up.
        at=min(event.timestamp, now),
        state=wanted.verdict.value,
        description=wanted.description,
        target_url=wanted.target_url,
        subscription=str(made.subscription),
        commit_status=made.subscription.name if made.subscription.kind == COMMIT_STATUS else "",
        object=str(event.involved),
        closes_superseded=made.subscription.closes_superseded,
    )
    return slot, verdict
