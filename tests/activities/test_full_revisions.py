"""Abbreviated hashes: the host answers which commit they mean."""

from dataclasses import replace
from datetime import timedelta

import pytest

from activities import host_memory
from activities.full_revisions import FullRevisions
from activities.models.delivery import Observation
from providers.errors import ProviderBusy, ProviderNotFound, ProviderUnavailable
from tests.activities.fakes import NEW, OLD, FakeOpener, FakeScm, Slots

SEEN = Observation(deployment="web", component="web", application="web-dev", runs=OLD[:7], written=NEW[:8], tag="x")


async def complete(scm: FakeScm | None, *seen: Observation) -> tuple[Observation, ...]:
    return await FullRevisions(FakeOpener(scm=scm)).complete_all("shop", "web", seen)


async def test_abbreviations_become_full_hashes() -> None:
    [found] = await complete(FakeScm(), SEEN)
    assert (found.runs, found.written, found.problem) == (OLD, NEW, "")


async def test_each_abbreviation_is_asked_for_once() -> None:
    scm = FakeScm()
    revisions = FullRevisions(FakeOpener(scm=scm))
    for _ in range(3):
        await revisions.complete_all("shop", "web", (SEEN, replace(SEEN, deployment="other")))
    assert scm.calls == ["resolve", "resolve"]


async def test_what_an_abbreviation_means_is_believed_of_the_host_that_answered_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forged = OLD[:39] + ("0" if OLD[39] != "0" else "1")
    theirs, ours, seen = FakeScm(commits=(forged,)), FakeScm(), replace(SEEN, written=None)
    opener = FakeOpener(scm=theirs)
    revisions = FullRevisions(opener)
    assert [one.runs for one in await revisions.complete_all("shop", "web", (seen,))] == [forged]
    opener.scm = ours
    monkeypatch.setattr(host_memory, "OPENED_AGAIN", timedelta(0))
    assert [one.runs for one in await revisions.complete_all("shop", "web", (seen,))] == [OLD]


async def test_full_hashes_cost_no_call() -> None:
    whole = replace(SEEN, runs=OLD, written=None)
    assert await complete(None, whole) == (whole,)


@pytest.mark.parametrize("commits", [(), (OLD, OLD[:39] + "0")])
async def test_one_that_means_no_commit_or_several_is_a_problem(commits: tuple[str, ...]) -> None:
    [found] = await complete(FakeScm(commits=commits), replace(SEEN, written=None))
    assert f"no commit {OLD[:7]}" in found.problem


async def test_a_written_name_that_only_looks_like_a_hash_stays_as_it_is() -> None:
    [found] = await complete(FakeScm(), replace(SEEN, runs=OLD, written="20240101"))
    assert (found.written, found.problem) == ("20240101", "")


async def test_one_that_a_host_refuses_to_look_up_spoils_no_other_one() -> None:
    scm = FakeScm()
    scm.errors["resolve"] = [ProviderNotFound("none of the newest 10000 commits begins with it")]
    first, second = sorted((OLD[:7], NEW[:7]))
    odd, other = await complete(
        scm,
        replace(SEEN, runs=first, written=None),
        replace(SEEN, deployment="other", runs=second, written=None),
    )
    assert "none of the newest" in odd.problem
    assert (other.problem, len(other.runs or "")) == ("", len(OLD))


async def test_an_outage_spoils_only_what_needs_the_host() -> None:
    scm = FakeScm()
    scm.errors["resolve"] = [ProviderUnavailable("502"), ProviderUnavailable("502")]
    whole = replace(SEEN, deployment="whole", runs=OLD, written=None)
    short, other = await complete(scm, SEEN, whole)
    assert "502" in short.problem
    assert other == whole


async def test_a_busy_process_is_no_problem_of_the_deployment() -> None:
    scm = FakeScm()
    scm.errors["resolve"] = [ProviderBusy("busy"), ProviderBusy("busy")]
    with pytest.raises(ProviderBusy):
        await complete(scm, SEEN)


def many(count: int) -> tuple[FakeScm, tuple[Observation, ...]]:
    """Return so many commits, and an observation of each that shows it abbreviated."""
    commits = tuple(f"{number:07d}".ljust(40, "f") for number in range(count))
    seen = tuple(replace(SEEN, deployment=commit, runs=commit[:7], written=None) for commit in commits)
    return FakeScm(commits=commits), seen


async def test_more_abbreviations_than_calls_may_be_in_flight_are_all_completed() -> None:
    scm, seen = many(50)
    scm.slots = Slots(free=20)
    assert [one.runs for one in await complete(scm, *seen)] == list(scm.commits)


async def test_what_was_answered_next_to_a_failure_is_not_asked_for_again() -> None:
    scm, seen = many(3)
    scm.errors["resolve"] = [ProviderBusy("busy")]
    revisions = FullRevisions(FakeOpener(scm=scm))
    with pytest.raises(ProviderBusy):
        await revisions.complete_all("shop", "web", seen)
    await revisions.complete_all("shop", "web", seen)
    assert len(scm.calls) == 3 + 1
