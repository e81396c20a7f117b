"""What a promotion keeps and hands to its next run has a size: what costs least is dropped until it fits. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from activities.models.bounds import cut
from activities.models.budgets import RECORDS_BYTES, VALUE_BYTES
from activities.models.delivery import Observation
from activities.models.status import ApplicationResult, PromotionRecord, TestStatus
from workflows.promotion.state import RECORDS_KEPT, Hop, PromotionStart, Story
from workflows.sizes import encoded_size

BRIEF_BYTES = 80
ARRIVED = ("Promoted", "AlreadyContained", "Observed")


def kept_records(records: Sequence[PromotionRecord], limit: int = RECORDS_BYTES) -> list[PromotionRecord]:
    """Return the newest records in at most `limit` bytes: older ones lose detail first, the newest loses it last."""
    found = list(records)[-RECORDS_KEPT:]
    sizes = [encoded_size(one) for one in found]
    for lighten in (_brief, _only_failures, _without_details):
        for index, record in enumerate(found):
            if sum(sizes) <= limit:
                return found
            found[index] = lighten(record)
            sizes[index] = encoded_size(found[index])
    while sum(sizes) > limit and len(found) > 1:
        del found[0], sizes[0]
    return found


def _brief(record: PromotionRecord) -> PromotionRecord:
    """Shorten what others said; an application's artifact stands in the record as well."""
    return replace(
        record,
        applications=tuple(
            replace(one, artifact=None, message=cut(one.message, BRIEF_BYTES)) for one in record.applications
        ),
        tests=tuple(replace(one, message=cut(one.message, BRIEF_BYTES)) for one in record.tests),
    )


def _only_failures(record: PromotionRecord) -> PromotionRecord:
    return _leaving_out(record, tuple(one for one in record.applications if one.result not in ARRIVED), record.tests)


def _without_details(record: PromotionRecord) -> PromotionRecord:
    lighter = _leaving_out(record, (), ())
    return replace(lighter, artifacts=lighter.artifacts[:1], source_moved=(), aggregate=None)


def _leaving_out(
    record: PromotionRecord, applications: tuple[ApplicationResult, ...], tests: tuple[TestStatus, ...]
) -> PromotionRecord:
    """Keep these of a record and count the others in it."""
    return replace(
        record,
        applications=applications,
        tests=tests,
        applications_omitted=_more(record.applications_omitted, len(record.applications) - len(applications)),
        tests_omitted=_more(record.tests_omitted, len(record.tests) - len(tests)),
    )


def _more(before: int | None, now: int) -> int | None:
    return (before or 0) + now or None


def fitting(start: PromotionStart, limit: int = VALUE_BYTES) -> PromotionStart:
    """Return what the next run begins with in at most `limit` bytes; only what is read or judged again is dropped."""
    steps: tuple[Callable[[Story], Story], ...] = (
        lambda story: replace(story, relations={}),
        lambda story: replace(story, hop=_lighter(story.hop) if story.hop else None),
        lambda story: replace(
            story, pending_events=[], events_dropped=story.events_dropped + len(story.pending_events)
        ),
        lambda story: replace(story, records=kept_records(story.records, RECORDS_BYTES // 5)),
    )
    for lighten in steps:
        if start.carried is None or encoded_size(start) <= limit:
            break
        start = replace(start, carried=lighten(start.carried))
    return start


def _lighter(hop: Hop) -> Hop:
    """Drop what others said of deployments; whom a person accepted or refused, and what it held, stays."""
    return replace(
        hop,
        override=None if hop.override is None else tuple(_judged(one) for one in hop.override),
        refused=tuple(_judged(one) for one in hop.refused),
        results={name: replace(one, artifact=None, message="") for name, one in hop.results.items()},
    )


def _judged(one: Observation) -> Observation:
    """Return what is compared of a deployment."""
    return Observation(
        deployment=one.deployment,
        component=one.component,
        application=one.application,
        runs=one.runs,
        written=one.written,
        operating=one.operating,
    )
