"""The judgement of a chaos run finds each kind of broken promise, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.calls import Call
from tests.chaos.evidence import Evidence, Write
from tests.chaos.judgement import judge
from tests.crash.flawless import FIRST, SECOND, THIRD, application, build, evidence, record, tracker

FINISHED = "every promotion is Completed"
ARRIVED = "every completed change runs at every place of its way"
COUNTED = "one run counts per key: the oldest, the others are cancelled"
WRITTEN = "one write per application and hop"
GATED = "no write before its required tests passed"
FORWARD = "no application moved backwards"
SECRET = "no credential outside the Secrets"


def broken(found: Evidence) -> list[str]:
    return [verdict.promise for verdict in judge(found) if not verdict.kept]


def cases(found: Evidence, promise: str) -> tuple[str, ...]:
    """The broken cases of one promise, all others being kept."""
    assert broken(found) == [promise]
    return next(verdict.broken for verdict in judge(found) if verdict.promise == promise)


def test_a_flawless_run_breaks_nothing(flawless: dict[str, Any]) -> None:
    assert broken(evidence(flawless)) == []


@pytest.mark.parametrize("state", ["Testing", "TestsFailed", "Aborted"])
def test_a_promotion_that_is_not_completed_is_found(flawless: dict[str, Any], state: str) -> None:
    trackers = [*flawless["trackers"][:2], tracker(3, state=state)]
    assert broken(evidence(flawless, trackers=trackers)) == [FINISHED]


def test_a_tracker_that_vanished_is_found(flawless: dict[str, Any]) -> None:
    assert broken(evidence(flawless, trackers=flawless["trackers"][:2])) == [FINISHED]


@pytest.mark.parametrize("stage", ["dev", "staging", "prod"])
def test_a_completed_change_that_a_place_of_its_way_is_without_is_found(flawless: dict[str, Any], stage: str) -> None:
    behind = application(stage, live=FIRST, target=FIRST)
    others = [one for one in flawless["applications"] if one.name != behind.name]
    assert cases(evidence(flawless, applications=[*others, behind]), ARRIVED) == (
        f"app1-{stage} runs 000100000000, change 1, but Completed: app1-2, app1-3",
    )


def test_a_change_that_is_not_completed_need_not_run_anywhere(flawless: dict[str, Any]) -> None:
    trackers = [*flawless["trackers"][:2], tracker(3, state="TestsFailed")]
    applications = [application(stage, live=SECOND, target=SECOND) for stage in ("dev", "staging", "prod")]
    assert broken(evidence(flawless, trackers=trackers, applications=applications)) == [FINISHED]


@pytest.mark.parametrize(
    "live", [None, "f" * 39 + "a", f"{THIRD[:4]}0001{THIRD[8:]}"], ids=["nothing", "head", "other"]
)
def test_an_application_that_runs_no_merge_of_its_repository_is_found(
    flawless: dict[str, Any], live: str | None
) -> None:
    world = replace(flawless["world"], promotions=6)
    trackers = [one for one in flawless["trackers"] if one["metadata"]["name"] != "app1-3"]
    trackers += [{"metadata": {"name": f"app2-{number}"}, "status": {"state": "Completed"}} for number in (1, 2, 3)]
    trackers.append(tracker(3))
    second = [application(stage, name=f"app2-{stage}", live=f"{THIRD[:4]}0001{THIRD[8:]}") for stage in ("dev", "prod")]
    second = [replace(one, target=one.live or "") for one in second]
    kept = {"world": world, "trackers": trackers}
    assert broken(evidence(flawless, **kept, applications=[*flawless["applications"], *second])) == []
    lost = application("prod", live=live, target=live or "")
    found = cases(evidence(flawless, **kept, applications=[*flawless["applications"][:2], lost, *second]), ARRIVED)
    assert "which is no commit of its repository; Completed: app1-1, app1-2, app1-3" in found[0]


def test_an_application_that_vanished_is_found(flawless: dict[str, Any]) -> None:
    (case,) = cases(evidence(flawless, applications=flawless["applications"][:2]), ARRIVED)
    assert case == "app1-prod: there is no such application, but Completed: app1-1, app1-2, app1-3"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sync": "OutOfSync"}, "is OutOfSync"),
        ({"sync": "Unknown"}, "is Unknown"),
        ({"target": SECOND}, "its targetRevision is 000200000000"),
        ({"health": "Degraded"}, "is Degraded"),
        ({"operating": True}, "an operation is left over, in phase Succeeded"),
        ({"phase": "Running"}, "an operation is left over, in phase Running"),
        ({"phase": "Terminating"}, "an operation is left over, in phase Terminating"),
    ],
    ids=lambda change: "-".join(map(str, change.items())) if isinstance(change, dict) else "",
)
def test_an_application_that_is_not_at_rest_on_its_target_is_found(
    flawless: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    applications = [*flawless["applications"][:2], application("prod", **change)]
    (case,) = cases(evidence(flawless, applications=applications), ARRIVED)
    assert case.startswith("app1-prod")
    assert problem in case


def test_a_cancelled_duplicate_is_fine(flawless: dict[str, Any]) -> None:
    twin = replace(flawless["builds"][0], number=2, result="ABORTED")
    assert broken(evidence(flawless, builds=[*flawless["builds"], twin])) == []


@pytest.mark.parametrize("result", ["SUCCESS", "FAILURE", None])
def test_a_second_run_of_a_key_that_was_not_cancelled_is_found(flawless: dict[str, Any], result: str | None) -> None:
    twin = replace(flawless["builds"][0], number=2, result=result)
    assert broken(evidence(flawless, builds=[*flawless["builds"], twin])) == [COUNTED]


def test_a_second_run_of_a_key_is_explained_by_what_became_of_each_trigger(flawless: dict[str, Any]) -> None:
    twin = replace(flawless["builds"][0], number=2, started_at=1013.0, ended_at=1014.0)
    attempts = [
        Call(key="k1", at=1013.6, what="stop of #2 refused with 502 before it did anything"),
        Call(key="k1", at=1009.8, what="trigger carried out, its reply lost"),
        Call(key="k1", at=1012.8, what="trigger carried out, answered 201"),
        Call(key="k2", at=1009.8, what="trigger carried out, answered 201"),
    ]
    (case,) = cases(evidence(flawless, builds=[*flawless["builds"], twin], attempts=attempts), COUNTED)
    assert case == (
        "app1/integration #2 carries the key of #1 and ended SUCCESS, for pull request 1 from dev (k1): "
        "9.80 s trigger carried out, its reply lost; 10.00 s #1 started; 11.00 s #1 ended SUCCESS; "
        "12.80 s trigger carried out, answered 201; 13.00 s #2 started; "
        "13.60 s stop of #2 refused with 502 before it did anything; 14.00 s #2 ended SUCCESS"
    )


def test_counting_a_younger_run_than_the_oldest_is_found(flawless: dict[str, Any]) -> None:
    older = replace(flawless["builds"][0], number=0, result="SUCCESS")
    younger = replace(flawless["builds"][0], result="ABORTED")
    assert COUNTED in broken(evidence(flawless, builds=[older, younger, *flawless["builds"][1:]]))


def test_a_repeated_write_is_found(flawless: dict[str, Any]) -> None:
    again = [flawless["writes"][0], replace(flawless["writes"][0], at=1013.0), flawless["writes"][1]]
    assert broken(evidence(flawless, writes=again)) == [WRITTEN]


def test_a_sync_repeated_under_its_key_is_found(flawless: dict[str, Any]) -> None:
    again = [flawless["syncs"][0], replace(flawless["syncs"][0], at=1013.0), flawless["syncs"][1]]
    assert broken(evidence(flawless, syncs=again)) == [WRITTEN]


@pytest.mark.parametrize(
    "change",
    [
        {"result": "FAILURE"},
        {"result": None, "ended_at": None},
        {"revision": SECOND},
        {"source": "staging"},
        {"pull": 2},
        {"ended_at": 1012.001},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_write_without_each_required_test_passed_before_is_found(
    flawless: dict[str, Any], change: dict[str, Any]
) -> None:
    builds = [replace(flawless["builds"][0], **change), *flawless["builds"][1:]]
    assert broken(evidence(flawless, builds=builds)) == [GATED]


def test_a_write_in_the_moment_when_the_last_test_ended_is_fine(flawless: dict[str, Any]) -> None:
    builds = [replace(flawless["builds"][0], ended_at=1012.0), *flawless["builds"][1:]]
    assert broken(evidence(flawless, builds=builds)) == []


def test_a_write_to_the_team_s_own_environment_is_found(flawless: dict[str, Any]) -> None:
    writes = [Write(application="app1-dev", revision=FIRST, at=1001.0), *flawless["writes"]]
    assert broken(evidence(flawless, writes=writes)) == [GATED]


def test_a_record_that_leans_on_another_round_s_run_is_found(flawless: dict[str, Any]) -> None:
    first = tracker(1, promotions=(record("dev", "staging", ("integration", "other"), ("e2e", "k2")),))
    other = build("integration", "dev", 1005.0, "other", revision=SECOND, number=1)
    fields = {"trackers": [first, *flawless["trackers"][1:]], "builds": [*flawless["builds"], other]}
    assert broken(evidence(flawless, **fields)) == [GATED]


def test_a_move_backwards_is_found(flawless: dict[str, Any]) -> None:
    syncs = [Write(application="app1-staging", revision=SECOND, at=1011.0, key="s0"), *flawless["syncs"]]
    assert broken(evidence(flawless, syncs=syncs)) == [FORWARD]


def test_a_revision_of_another_repository_is_found(flawless: dict[str, Any]) -> None:
    syncs = [*flawless["syncs"], Write(application="app2-prod", revision=FIRST, at=1030.0, key="s9")]
    assert broken(evidence(flawless, syncs=syncs)) == [FORWARD]


def test_a_credential_anywhere_is_found(flawless: dict[str, Any]) -> None:
    assert broken(evidence(flawless, leaks=["worker-1.log"])) == [SECRET]
