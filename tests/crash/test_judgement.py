"""The judgement of a chaos run finds each kind of broken promise, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.local.chaos_evidence import Evidence, Write
from deploy.local.chaos_judgement import judge
from tests.crash.flawless import FIRST, SECOND, build, evidence, record, tracker

FINISHED = "every promotion is Completed"
COUNTED = "one run counts per key: the oldest, the others are cancelled"
WRITTEN = "one write per application and hop"
GATED = "no write before its required tests passed"
FORWARD = "no application moved backwards"
SECRET = "no credential outside the Secrets"


def broken(found: Evidence) -> list[str]:
    return [verdict.promise for verdict in judge(found) if not verdict.kept]


def test_a_flawless_run_breaks_nothing(flawless: dict[str, Any]) -> None:
    assert broken(evidence(flawless)) == []


@pytest.mark.parametrize("state", ["Testing", "TestsFailed", "Aborted"])
def test_a_promotion_that_is_not_completed_is_found(flawless: dict[str, Any], state: str) -> None:
    trackers = [*flawless["trackers"][:2], tracker(3, state=state)]
    assert broken(evidence(flawless, trackers=trackers)) == [FINISHED]


def test_a_tracker_that_vanished_is_found(flawless: dict[str, Any]) -> None:
    assert broken(evidence(flawless, trackers=flawless["trackers"][:2])) == [FINISHED]


def test_a_cancelled_duplicate_is_fine(flawless: dict[str, Any]) -> None:
    twin = replace(flawless["builds"][0], number=2, result="ABORTED")
    assert broken(evidence(flawless, builds=[*flawless["builds"], twin])) == []


@pytest.mark.parametrize("result", ["SUCCESS", "FAILURE", None])
def test_a_second_run_of_a_key_that_was_not_cancelled_is_found(flawless: dict[str, Any], result: str | None) -> None:
    twin = replace(flawless["builds"][0], number=2, result=result)
    assert broken(evidence(flawless, builds=[*flawless["builds"], twin])) == [COUNTED]


def test_counting_a_younger_run_than_the_oldest_is_found(flawless: dict[str, Any]) -> None:
    older = replace(flawless["builds"][0], number=0, result="SUCCESS")
    younger = replace(flawless["builds"][0], result="ABORTED")
    assert COUNTED in broken(evidence(flawless, builds=[older, younger, *flawless["builds"][1:]]))


def test_a_repeated_write_is_found(flawless: dict[str, Any]) -> None:
    again = [flawless["writes"][0], replace(flawless["writes"][0], at=13.0), flawless["writes"][1]]
    assert broken(evidence(flawless, writes=again)) == [WRITTEN]


def test_a_sync_repeated_under_its_key_is_found(flawless: dict[str, Any]) -> None:
    again = [flawless["syncs"][0], replace(flawless["syncs"][0], at=13.0), flawless["syncs"][1]]
    assert broken(evidence(flawless, syncs=again)) == [WRITTEN]


@pytest.mark.parametrize(
    "change",
    [
        {"result": "FAILURE"},
        {"result": None},
        {"revision": SECOND},
        {"source": "staging"},
        {"pull": 2},
        {"triggered_at": 11.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_write_without_each_required_test_passed_before_is_found(
    flawless: dict[str, Any], change: dict[str, Any]
) -> None:
    builds = [replace(flawless["builds"][0], **change), *flawless["builds"][1:]]
    assert broken(evidence(flawless, builds=builds)) == [GATED]


def test_a_write_to_the_team_s_own_environment_is_found(flawless: dict[str, Any]) -> None:
    writes = [Write(application="app1-dev", revision=FIRST, at=1.0), *flawless["writes"]]
    assert broken(evidence(flawless, writes=writes)) == [GATED]


def test_a_record_that_leans_on_another_round_s_run_is_found(flawless: dict[str, Any]) -> None:
    first = tracker(1, promotions=(record("dev", "staging", ("integration", "other"), ("e2e", "k2")),))
    other = build("integration", "dev", 5.0, "other", revision=SECOND, number=1)
    fields = {"trackers": [first, *flawless["trackers"][1:]], "builds": [*flawless["builds"], other]}
    assert broken(evidence(flawless, **fields)) == [GATED]


def test_a_move_backwards_is_found(flawless: dict[str, Any]) -> None:
    syncs = [Write(application="app1-staging", revision=SECOND, at=11.0, key="s0"), *flawless["syncs"]]
    assert broken(evidence(flawless, syncs=syncs)) == [FORWARD]


def test_a_revision_of_another_repository_is_found(flawless: dict[str, Any]) -> None:
    syncs = [*flawless["syncs"], Write(application="app2-prod", revision=FIRST, at=30.0, key="s9")]
    assert broken(evidence(flawless, syncs=syncs)) == [FORWARD]


def test_a_credential_anywhere_is_found(flawless: dict[str, Any]) -> None:
    assert broken(evidence(flawless, leaks=["worker-1.log"])) == [SECRET]
