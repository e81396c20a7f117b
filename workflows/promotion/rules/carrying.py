"""What a promotion keeps and hands to its next run has a size: what costs least is dropped until it fits. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from activities.models.bounds import cut
from activities.models.budgets import RECORDS_BYTES, VALUE_BYTES
from activities.models.delivery import Observation
from activities.models.status import ApplicationResult, PromotionRecord, TestStatus
from crds.reasons.trackers import ApplicationOutcome
from workflows.promotion.state import RECORDS_KEPT, Hop, OpenCancel, PromotionStart, PromotionState, TestProgress
from workflows.runtime.inbox import Accepted
from workflows.sizes import encoded_size

BRIEF_BYTES = 80
CANCELS_BYTES = 40_000
ANSWERS_AT_LEAST = 5
ARRIVED = (ApplicationOutcome.PROMOTED, ApplicationOutcome.ALREADY_CONTAINED)


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
    """Shorten the texts of others; an application's artifact stands in the record as well."""
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
    for lighten in _STEPS:
        if start.carried is None or encoded_size(start) <= limit:
            break
        start = replace(start, carried=lighten(start.carried))
    return start


def _newest_cancels(cancels: Sequence[OpenCancel]) -> list[OpenCancel]:
    """Return the newest cancels that fit, without the runs' addresses: a run is cancelled by its id."""
    kept: list[OpenCancel] = []
    room = CANCELS_BYTES
    for one in reversed(cancels):
        lighter = replace(one, runs=tuple(replace(run, url="") for run in one.runs))
        room -= encoded_size(lighter)
        if room < 0:
            break
        kept.insert(0, lighter)
    return kept


def _with_hop(change: Callable[[Hop], Hop]) -> Callable[[PromotionState], PromotionState]:
    return lambda story: story if story.hop is None else replace(story, hop=change(story.hop))


def _lighter(hop: Hop) -> Hop:
    """Drop the texts of others; whom a person accepted, and what it held, stays. What diverged is judged again."""
    return replace(
        hop,
        # What it is about is known when it waits again.
        approval=hop.approval and Accepted(command=replace(hop.approval.command, seen={})),
        override=None if hop.override is None else tuple(_judged(one) for one in hop.override),
        refused=(),
        round=None if hop.round is None else replace(hop.round, tests=[_brief_test(one) for one in hop.round.tests]),
        results={name: replace(one, artifact=None, message="") for name, one in hop.results.items()},
    )


def _brief_test(test: TestProgress) -> TestProgress:
    return replace(
        test,
        # What is read of a run that has its verdict decides nothing, so that no other one need be set apart from it.
        run=test.run and replace(test.run, url="", digests=None if test.final else test.run.digests),
        message=cut(test.message, BRIEF_BYTES),
        foreign=cut(test.foreign, BRIEF_BYTES),
        later=cut(test.later, BRIEF_BYTES),
        summary=cut(test.summary, BRIEF_BYTES),
        failure=test.failure and replace(test.failure, message=cut(test.failure.message, 2 * BRIEF_BYTES)),
    )


def _bare(hop: Hop) -> Hop:
    """Drop what is found out again: what the target declares, and which deployments arrived."""
    return replace(hop, view=None, results={}, source_moved=hop.source_moved[-1:])


def _judged(one: Observation) -> Observation:
    """Return what is compared of a deployment."""
    return Observation(
        deployment=one.deployment,
        component=one.component,
        application="",
        runs=one.runs,
        written=one.written,
        operating=one.operating,
    )


_STEPS: tuple[Callable[[PromotionState], PromotionState], ...] = (
    lambda story: replace(story, relations={}),
    lambda story: replace(story, views={}, outdated=False),
    _with_hop(_lighter),
    lambda story: replace(story, pending_events=[], events_dropped=story.events_dropped + len(story.pending_events)),
    lambda story: replace(story, shown=None, label_sync=None, sync_result=None, instructions=[]),
    lambda story: replace(story, unwatched=story.unwatched[-1:]),
    lambda story: replace(story, records=kept_records(story.records, RECORDS_BYTES // 5)),
    lambda story: replace(story, cancels=_newest_cancels(story.cancels)),
    lambda story: replace(story, answers=dict(list(story.answers.items())[-ANSWERS_AT_LEAST:])),
    lambda story: replace(story, unwatched=[], drift=replace(story.drift, lines=story.drift.lines[:1])),
    _with_hop(_bare),
    lambda story: replace(story, records=kept_records(story.records, RECORDS_BYTES // 25)),
    # Environments send theirs again when they are read.
    lambda story: replace(story, urls={}),
)
"""What goes first costs least: a comparison, a read, a detail of the past."""
