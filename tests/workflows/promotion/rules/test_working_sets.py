"""What a decision reads is held until it is made, and what waits to be written has a size."""

from datetime import UTC, datetime

from activities.models.budgets import EVENTS_BYTES, EVENTS_KEPT
from activities.models.delivery import Observation
from activities.models.revisions import Relation
from activities.models.status import EventNote, PublishStatusInput, TrackerStatus
from activities.models.tracking import Artifact, TrackerRef
from crds.reasons.vocabulary import State
from workflows.promotion.rules import comparison
from workflows.promotion.rules.comparison import Judgement
from workflows.promotion.state import RELATIONS_KEPT
from workflows.promotion.steps.publishing import _merge_status
from workflows.sizes import encoded_size

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def place(components: int, clusters: int) -> tuple[list[Artifact], list[Observation]]:
    artifacts = [Artifact(component=f"c{one}", revision="f" * 40) for one in range(components)]
    observations = [
        Observation(
            deployment=f"d{one}-{cluster}",
            component=f"c{one}",
            application="a",
            runs=f"{one * clusters + cluster:040x}",
            written=f"{one * clusters + cluster:040x}",
        )
        for one in range(components)
        for cluster in range(clusters)
    ]
    return artifacts, observations


def test_a_judgement_of_many_pairs_reads_all_of_its_answers() -> None:
    artifacts, observations = place(components=100, clusters=4)
    relations: dict[str, str] = {}
    for _ in range(3):
        pairs = comparison.needed_pairs(relations, artifacts, observations)
        relations |= comparison.with_answers(pairs, [Relation.AHEAD] * len(pairs))
        relations = comparison.kept(relations, artifacts, observations, at_most=RELATIONS_KEPT)
        found = comparison.compare_all(relations, artifacts, observations)

        assert {one.judgement for one in found} == {Judgement.AHEAD}
    assert comparison.needed_pairs(relations, artifacts, observations) == ()


def test_what_is_forgotten_is_what_was_not_read_for_longest() -> None:
    artifacts, observations = place(components=2, clusters=1)
    pairs = comparison.needed_pairs({}, artifacts, observations)
    read = comparison.with_answers(pairs, [Relation.AHEAD] * len(pairs))
    relations = {**read, **{f"old{one}...older{one}": "Ahead" for one in range(RELATIONS_KEPT)}}

    found = comparison.kept(relations, artifacts, observations, at_most=RELATIONS_KEPT)

    assert len(found) == RELATIONS_KEPT
    assert list(found)[-len(read) :] == list(read)
    assert "old0...older0" not in found
    assert f"old{RELATIONS_KEPT - 1}...older{RELATIONS_KEPT - 1}" in found


def test_events_for_an_absent_watcher_keep_the_newest_and_count_the_others() -> None:
    status = TrackerStatus(state=State.TESTING, sequence=0, attempt=1)
    tracker = TrackerRef(namespace="shop", name="web-1", uid="u", attempt=1)
    payload = PublishStatusInput(tracker=tracker, status=status)
    for number in range(1, 2001):
        event = EventNote(id=f"web-1.1.{number}", warning=True, reason="TriggerRefused", message=f"{number} " * 300)
        payload = _merge_status(payload, PublishStatusInput(tracker=tracker, status=status, events=(event,)))

    assert payload.events[-1].id == "web-1.1.2000"
    assert 10 < len(payload.events) <= EVENTS_KEPT
    assert payload.events_dropped == 2000 - len(payload.events)
    assert encoded_size(payload) < EVENTS_BYTES + 2000
