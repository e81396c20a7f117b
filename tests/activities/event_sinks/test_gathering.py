"""Each event holds what was true when it happened, also where it is published later."""

from dataclasses import replace
from datetime import timedelta

from activities.event_sinks.gathering import gather
from tests.activities.event_sinks.samples import ARTIFACT, NOON, note, publication, record

LATER = NOON + timedelta(hours=1)


def test_an_event_holds_its_own_hop_although_the_promotion_went_on() -> None:
    notes = (note("Promoted", 4), note("TestsStarted", 5, environment="prod", source="staging", round=3))
    request = publication(*notes, records=(record("staging"),), hop="prod")
    promoted, started = gather(request, notes, LATER)
    assert (promoted.source, promoted.environment, promoted.policy) == ("dev", "staging", "to-staging")
    assert (promoted.artifacts, promoted.by) == ((ARTIFACT,), "ann")
    assert (started.source, started.environment, started.policy) == ("staging", "prod", "to-prod")
    assert (started.round, started.artifacts) == (3, ())


def test_of_several_hops_to_one_environment_the_event_s_own_counts() -> None:
    first = record("staging", result="Failed", promoted=False, artifacts=(), promoted_by="bob")
    again = record("staging", NOON + timedelta(minutes=5))
    notes = (note("Failed", 1), note("Promoted", 301))
    failed, promoted = gather(publication(*notes, records=(first, again)), notes, LATER)
    assert (failed.by, failed.artifacts) == ("bob", ())
    assert (promoted.by, promoted.artifacts) == ("ann", (ARTIFACT,))


def test_a_repeated_publication_makes_the_same_ids_and_a_reset_workflow_others() -> None:
    request = publication(note("Promoted", 4))
    (first,) = gather(request, request.events, LATER)
    (again,) = gather(replace(request, status=replace(request.status, sequence=9)), request.events, NOON)
    assert again.id == first.id
    reset = (replace(request.events[0], at=LATER),)
    (other,) = gather(request, reset, LATER)
    assert other.id != first.id
    elsewhere = replace(request, tracker=replace(request.tracker, uid="another"))
    assert gather(elsewhere, request.events, LATER)[0].id != first.id


def test_what_the_publication_adds_itself_is_not_counted_and_has_the_time_at_hand() -> None:
    extra = replace(note("EventsLeftOut"), id="web-412.1.left-out.1767355200000", at=None)
    (found,) = gather(publication(), (extra,), LATER)
    assert (found.number, found.at) == (0, LATER)


def test_an_arrival_names_the_merge_as_its_artifact() -> None:
    (arrived,) = gather(publication(), (note("Arrived", environment="dev", source=""),), LATER)
    assert [(one.component, one.revision) for one in arrived.artifacts] == [("web", "b" * 40)]
