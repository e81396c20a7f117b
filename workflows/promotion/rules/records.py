"""Records of promotions. Pure."""

from datetime import datetime

from activities.models.status import ApplicationResult, PolicyRef, PromotionRecord
from activities.models.tracking import Artifact
from crds.reasons.trackers import RecordResult
from workflows.promotion.rules.aggregate import aggregate, test_status
from workflows.promotion.rules.comparison import short
from workflows.promotion.state import Hop

PROMOTED_BY_POLICY = "autoPromote"
"""Who promoted, in a record, where the policy has it done without a person."""


def build_promotion_record(
    hop: Hop,
    *,
    at: datetime,
    result: RecordResult,
    artifacts: tuple[Artifact, ...],
    applications: tuple[ApplicationResult, ...],
    brought_by: str = "",
    error: str = "",
) -> PromotionRecord:
    """Return how a hop ended, with its tests as they stand."""
    tests = hop.round.tests if hop.round else []
    number = hop.round.number if hop.round else 0
    return PromotionRecord(
        promoted=result is not RecordResult.FAILED,
        result=result,
        source=hop.policy.source,
        target=hop.policy.target,
        policy=PolicyRef(name=hop.policy.name, generation=hop.policy.generation),
        at=at,
        artifacts=artifacts,
        tests=tuple(test_status(test, round_number=number) for test in tests),
        aggregate=aggregate(tests) if tests or result is RecordResult.PROMOTED else None,
        source_moved=tuple(hop.source_moved),
        promoted_by=hop.approved_by if result is not RecordResult.ALREADY_CONTAINED else "",
        brought_by=brought_by,
        applications=applications,
        error=error,
    )


def sentence(record: PromotionRecord) -> str:
    """Return how a hop ended, as an event for people."""
    artifacts = ", ".join(filter(None, (f"{one.component} {short(one.revision)}".strip() for one in record.artifacts)))
    match record.result:
        case RecordResult.PROMOTED:
            by = "its policy" if record.promoted_by == PROMOTED_BY_POLICY else record.promoted_by
            return f"{artifacts} was promoted from {record.source} to {record.target} by {by}"
        case RecordResult.ALREADY_CONTAINED:
            by = f", brought by {record.brought_by}" if record.brought_by else ""
            return f"{record.target} contains {artifacts or 'the change'} already{by}"
        case _:
            return f"the promotion from {record.source} to {record.target} failed: {record.error}"
