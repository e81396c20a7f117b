"""One application's write and the sync that follows it, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow

from activities.models.configuration import DeploymentSpec, WriteSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    Observation,
    SyncApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.models.failures import Failure
from activities.models.tracking import Artifact, Timings
from crds.reasons.events import EventReason
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.worlds.declared import a_policy
from workflows.identity import Queues
from workflows.promotion.run import Ended, PromotionRun
from workflows.promotion.state import Hop, Touch
from workflows.promotion.steps.pausing import note_window
from workflows.promotion.steps.writing import write

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
OLD, NEW = "a" * 40, "b" * 40
SPEC = DeploymentSpec(
    name="web", component="web", wave=0, instance="argocd", project="shop", application="web-prod", write=WriteSpec()
)
SEEN = Observation(deployment="web", component="web", application="web-prod", runs=OLD, written=OLD, written_raw=OLD)
ARTIFACT = Artifact(component="web", revision=NEW)
POLICY = a_policy("dev", "prod")
ENDS = [None, Ended(State.ABORTED, "Aborted"), Ended(State.ABORTED, "Deleted"), Ended(State.CLOSED, "Closed")]


@pytest.mark.parametrize("ended", ENDS, ids=lambda one: one.reason if one else "goes on")
@pytest.mark.parametrize("outcome", list(WriteOutcome))
async def test_write_and_sync_are_one_call_and_a_sync_that_failed_is_not_sent_again_by_itself(
    monkeypatch: pytest.MonkeyPatch, outcome: WriteOutcome, ended: Ended | None
) -> None:
    sent: list[str] = []
    ctx = SimpleNamespace(
        request=SimpleNamespace(tracker=SimpleNamespace(namespace="shop")),
        story=SimpleNamespace(relations={}),
        queues=Queues(installation="main"),
        timings=Timings(),
        ended=None,
    )

    async def execute(_activity: Any, request: Any, **_config: Any) -> DeliverApplicationResult:
        assert isinstance(request, DeliverApplicationInput)
        sent.append("delivery")
        # The signal comes while the write is under way.
        ctx.ended = ended
        written, failure = WriteResult(outcome=outcome), Failure(kind=FailureKind.UNAVAILABLE, message="down")
        return DeliverApplicationResult(written=written, failure=failure if written.stands else None)

    monkeypatch.setattr(workflow, "execute_activity_method", execute)
    monkeypatch.setattr(workflow, "now", lambda: NOW)
    hop = Hop(number=1, policy=POLICY)
    answer = await write(cast("PromotionRun", ctx), hop, SPEC, SEEN, artifact=ARTIFACT, key="k")
    assert sent == ["delivery"]
    done = outcome in (WriteOutcome.DONE, WriteOutcome.ALREADY)
    assert answer.outcome is (WriteOutcome.BUSY if done else outcome)
    # What is known of the write is kept where the sync failed.
    assert hop.has("web", Touch.WRITTEN) is done
    assert hop.has("web", Touch.MOVED) is (outcome is WriteOutcome.DONE)


class Line:
    """A promotion that writes one application, and notes what it sends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.hop = Hop(number=1, policy=POLICY)
        self.relations: dict[str, str] = {}
        self.sent: list[type] = []
        self.request: Any = None
        patch.setattr(workflow, "execute_activity_method", self._execute)
        patch.setattr(workflow, "now", lambda: NOW)

    async def _execute(self, _activity: Any, request: Any, **_config: Any) -> Any:
        self.sent.append(type(request))
        self.request = request
        done = WriteResult(outcome=WriteOutcome.DONE)
        return done if isinstance(request, SyncApplicationInput) else DeliverApplicationResult(written=done)

    async def write(self, observation: Observation = SEEN) -> Any:
        """Write over what is observed; return what was sent."""
        ctx = SimpleNamespace(
            request=SimpleNamespace(tracker=SimpleNamespace(namespace="shop")),
            story=SimpleNamespace(relations=self.relations),
            queues=Queues(installation="main"),
            timings=Timings(),
        )
        await write(cast("PromotionRun", ctx), self.hop, SPEC, observation, artifact=ARTIFACT, key="k")
        return self.request


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    """A promotion without a server."""
    return Line(monkeypatch)


@pytest.mark.parametrize(("attempt", "repeated", "insists"), [(0, False, False), (1, False, True), (0, True, True)])
async def test_a_sync_is_insisted_on_by_a_retry_and_where_one_was_lost(
    line: Line, attempt: int, repeated: bool, insists: bool
) -> None:
    line.hop.attempt = attempt
    line.hop.repeats = {"web": 1} if repeated else {"other": 1}
    assert (await line.write()).insist is insists


@pytest.mark.parametrize(
    ("relation", "accepted", "allowed"),
    [("Diverged", False, ()), ("Ahead", False, (OLD,)), ("Diverged", True, (OLD,))],
)
async def test_only_what_the_artifact_contains_or_a_person_accepted_may_be_replaced(
    line: Line, relation: str, accepted: bool, allowed: tuple[str, ...]
) -> None:
    line.relations[f"{OLD}...{NEW}"] = relation
    line.hop.override = (SEEN,) if accepted else None
    assert (await line.write()).allowed == allowed


async def test_what_the_spec_names_already_is_synced_and_not_written(line: Line) -> None:
    line.relations[f"{NEW}...{NEW}"] = "Identical"
    await line.write(replace(SEEN, written=NEW, written_raw=NEW))
    assert line.sent == [SyncApplicationInput]
    assert line.hop.has("web", Touch.WRITTEN)


def test_every_sync_window_that_is_closed_is_named_and_the_first_to_open_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[str] = []
    monkeypatch.setattr(workflow, "now", lambda: NOW)
    ctx = SimpleNamespace(event=lambda _reason, message, **_more: events.append(message))
    hop = Hop(number=1, policy=POLICY)
    hindered = {
        name: WriteResult(outcome=outcome, message=f"{name} waits", until=NOW + timedelta(hours=hours))
        for name, outcome, hours in (
            ("night", WriteOutcome.BLOCKED, 8),
            ("noon", WriteOutcome.BLOCKED, 1),
            ("busy", WriteOutcome.BUSY, 2),
        )
    }
    for _ in range(2):
        note_window(cast("PromotionRun", ctx), hop, hindered)
    assert (hop.blocked, events) == ("night waits; noon waits", ["night waits; noon waits"])
    assert hop.blocked_until == NOW + timedelta(hours=1)


def test_a_held_environment_stops_the_wave_under_its_own_name_until_it_is_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[tuple[EventReason, str]] = []
    monkeypatch.setattr(workflow, "now", lambda: NOW)
    ctx = cast("PromotionRun", SimpleNamespace(event=lambda reason, message, **_more: events.append((reason, message))))
    hop = Hop(number=1, policy=POLICY, wave_started=NOW)
    held = WriteResult(outcome=WriteOutcome.HELD, message="prod is held by alice", until=NOW + timedelta(hours=1))

    for _ in range(2):
        note_window(ctx, hop, {"web": held})
    assert (hop.environment_held, hop.blocked_until) == (True, NOW + timedelta(hours=1))
    assert events == [(EventReason.ENVIRONMENT_HELD, "prod is held by alice")]

    monkeypatch.setattr(workflow, "now", lambda: NOW + timedelta(minutes=10))
    note_window(ctx, hop, {})
    assert (hop.environment_held, hop.blocked) == (False, "")
    assert hop.wave_started == NOW + timedelta(minutes=10)
