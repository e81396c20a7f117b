"""A context of a commit shows its newest event, whatever order events come in and whatever the host answers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.commit_statuses import Supersession
from activities.models.commit_statuses import PostOutcome, SubscriptionFault
from providers.errors import ProviderRateLimited, ProviderRejected
from providers.models import CommitStatus, StatusState
from tests.workflows.commit_status.world import NOON, SLOT, World, playing, verdict
from worker.temporal import commit_statuses


async def test_an_older_success_never_replaces_a_newer_failure(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        await world.send(verdict("failure", at=60))
        await world.until(lambda: world.descriptions == ["failure at 60"])
        await world.send(verdict("success", at=0))
        progress = await world.settled()
        assert progress.ignored == 1
        assert world.descriptions == ["failure at 60"]


async def test_of_two_events_of_one_second_the_later_arrival_counts(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        await world.send(verdict("pending"), verdict("success", description="done"))
        await world.until(lambda: "done" in world.descriptions)
        assert (await world.settled()).ignored == 0


async def test_a_burst_is_one_post_of_the_newest(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.gate.clear()
        await world.send(verdict("pending", at=0))
        await world.send(*(verdict("failure", at=second) for second in range(1, 30)), verdict("success", at=30))
        world.gate.set()
        await world.until(lambda: "success at 30" in world.descriptions)
        assert len(world.descriptions) <= 2


async def test_while_the_host_wants_quiet_nothing_is_sent_and_then_the_newest_alone(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.refusals = [ProviderRateLimited("asked to wait", retry_after=timedelta(seconds=2))]
        await world.send(verdict("pending", at=0))
        await world.until(lambda: not world.refusals)
        await world.send(verdict("failure", at=1), verdict("success", at=2))
        waiting = await world.progress()
        assert waiting.next_attempt is not None
        assert "asked to wait" in waiting.last_error
        await world.until(lambda: bool(world.writes))
        assert (await world.settled()).last_error == ""
        assert world.descriptions == ["success at 2"]


async def test_a_lost_answer_writes_nothing_twice(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.lost_answers = 1
        await world.send(verdict("success"))
        await world.until(lambda: bool(world.writes))
        await world.handle.signal("poke")
        progress = await world.settled()
        assert progress.last_post is not None
        assert world.descriptions == ["success at 0"]


async def test_after_a_lost_answer_a_newer_event_is_posted_whatever_the_clock_of_the_host(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.lost_answers = 1
        await world.send(verdict("failure"))
        await world.until(lambda: bool(world.writes))
        # The host took the first one long after the second event, by its own clock.
        await world.send(verdict("success", at=1))
        await world.handle.signal("poke")
        await world.until(lambda: world.descriptions == ["failure at 0", "success at 1"])
        assert (await world.settled()).last_post is not None


async def test_the_same_text_again_is_no_call_and_a_recovery_is_one(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        await world.send(verdict("success", description="ok"))
        await world.until(lambda: len(world.writes) == 1)
        await world.send(verdict("success", at=1, description="ok"), verdict("failure", at=2, description="broken"))
        await world.until(lambda: len(world.writes) == 2)
        await world.send(verdict("success", at=3, description="ok"))
        await world.until(lambda: len(world.writes) == 3)
        assert world.descriptions == ["ok", "broken", "ok"]


async def test_a_run_without_memory_looks_before_it_writes(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.shown[SLOT.commit] = CommitStatus(
            context=SLOT.context,
            state=StatusState.FAILURE,
            description="later",
            posted_at=NOON + timedelta(minutes=1),
        )
        await world.send(verdict("success", at=0))
        await world.settled()
        assert (world.reads, world.writes) == (1, [])
        await world.send(verdict("success", at=120))
        await world.until(lambda: world.descriptions == ["success at 120"])


async def test_an_event_for_a_run_that_has_ended_begins_another_one(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        await world.send(verdict("pending", at=0), verdict("failure", at=1))
        await world.until(lambda: "failure at 1" in world.descriptions)
        first = (await world.handle.describe()).run_id
        await world.handle.terminate("as if an hour had passed")
        await world.send(verdict("success", at=7200))
        await world.until(lambda: "success at 7200" in world.descriptions)
        assert (await world.handle.describe()).run_id != first


async def test_a_run_that_is_known_is_signalled_and_not_started_again(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with playing(temporal_server) as world:
        starts: list[str] = []
        start = world.client.start_workflow

        async def counted(*arguments: Any, **options: Any) -> Any:
            starts.append(options["id"])
            return await start(*arguments, **options)

        monkeypatch.setattr(world.client, "start_workflow", counted)
        await world.send(*(verdict("failure", at=second) for second in range(9)), verdict("success", at=9))
        await world.until(lambda: "success at 9" in world.descriptions)
        assert len(starts) == 1


async def test_what_is_known_of_runs_is_bounded(temporal_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_statuses, "RUNS_KNOWN", 3)
    async with playing(temporal_server) as world:
        slots = [replace(SLOT, commit=f"{number:040x}") for number in range(6)]
        for slot in (*slots, *slots):
            await world.send(verdict("success"), slot=slot)
        assert len(world.port._runs) == 3
        await world.until(lambda: {commit for commit, _ in world.writes} == {slot.commit for slot in slots})


async def test_what_the_host_never_accepts_is_dropped_and_shown(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.refusals = [ProviderRejected("No commit found for SHA", status=422)]
        await world.send(verdict("success"))
        await world.until(lambda: bool(world.published))
        progress = await world.settled()
        assert "No commit found" in progress.last_error
        (shown,) = world.published
        assert (shown.provider, shown.subscription) == ("github", "webapp")
        assert "No commit found" in shown.record.error


@pytest.mark.parametrize("outcome", [PostOutcome.SUSPENDED, PostOutcome.GONE])
async def test_a_suspended_or_deleted_provider_posts_nothing_later(temporal_server: str, outcome: PostOutcome) -> None:
    async with playing(temporal_server) as world:
        world.outcome = outcome
        await world.send(verdict("success"))
        progress = await world.settled()
        world.outcome = None
        await world.handle.signal("poke")
        assert progress.last_post is None
        assert (await world.settled()).last_post is None
        assert world.writes == []


async def test_a_verdict_whose_provider_is_gone_is_shown_as_never_posted(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.outcome = PostOutcome.GONE
        await world.send(verdict("success"))
        await world.until(lambda: bool(world.published))
        (shown,) = world.published
        assert (shown.subscription, shown.record.state) == ("webapp", "success")
        assert shown.record.error == (await world.settled()).last_error
        assert "Provider/github does not exist any more" in shown.record.error


async def test_a_verdict_that_another_workflow_posts_is_no_error(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.outcome, world.handed_on = PostOutcome.GONE, True
        await world.send(verdict("success"))
        progress = await world.settled()
        assert (progress.last_error, progress.last_post, world.published) == ("", None, [])


async def test_a_poke_that_comes_during_a_post_has_it_tried_again_at_once(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        world.gate.clear()
        world.refusals = [ProviderRateLimited("asked to wait", retry_after=timedelta(hours=1))]
        await world.send(verdict("success"))
        await world.until(lambda: world.asked == 1)
        await world.handle.signal("poke")
        world.gate.set()
        await world.until(lambda: bool(world.writes))
        assert world.descriptions == ["success at 0"]


async def test_a_commit_that_was_overtaken_gets_a_closing_status(temporal_server: str) -> None:
    def closing(world: World) -> Any:
        return Supersession(world.port).close_superseded

    async with playing(temporal_server, other=closing) as world:
        done, older = (replace(SLOT, commit=digit * 40) for digit in "de")
        await world.send(verdict("success"), slot=done)
        await world.send(verdict("pending"), slot=older)
        await world.until(lambda: len(world.shown) == 2)
        await world.send(verdict("success", at=60, closes=True))
        await world.until(lambda: world.shown[older.commit].state is StatusState.ERROR)
        assert world.shown[older.commit].description == "superseded by aaaaaaaaaaaa before it was reconciled"
        assert world.shown[done.commit].state is StatusState.SUCCESS


async def test_faults_of_a_commit_status_are_shown_on_it(temporal_server: str) -> None:
    async with playing(temporal_server) as world:
        for second in range(3):
            fault = SubscriptionFault(at=NOON + timedelta(seconds=second), message=f"no commit {second}")
            await world.port.fault(namespace="flux-system", name="webapp", fault=fault)
        await world.until(lambda: bool(world.published))
        shown = world.published[0]
        assert (shown.provider, shown.subscription) == ("", "webapp")
        assert shown.record.error.startswith("no commit")
