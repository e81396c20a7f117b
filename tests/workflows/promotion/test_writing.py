"""One application's write and the sync that follows it, without a server."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow

from activities.models.configuration import DeploymentSpec, PolicySnapshot, WriteSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    Observation,
    WriteOutcome,
    WriteResult,
)
from activities.models.failures import Failure, FailureKind
from activities.models.status import State
from activities.models.tracking import Artifact, Timings
from workflows.identity import Queues
from workflows.promotion.run import Ended, PromotionRun
from workflows.promotion.state import Hop, Touch
from workflows.promotion.steps.writing import write

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
OLD, NEW = "a" * 40, "b" * 40
SPEC = DeploymentSpec(
    name="web", component="web", wave=0, instance="argocd", project="shop", application="web-prod", write=WriteSpec()
)
SEEN = Observation(deployment="web", component="web", application="web-prod", runs=OLD, written=OLD, written_raw=OLD)
POLICY = PolicySnapshot(
    name="p", generation=1, source="dev", target="prod", auto_promote=True, timeout=timedelta(1), tests=()
)
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
    artifact = Artifact(component="web", revision=NEW)
    hop = Hop(number=1, policy=POLICY)
    answer = await write(cast("PromotionRun", ctx), hop, SPEC, SEEN, artifact=artifact, key="k")
    assert sent == ["delivery"]
    done = outcome in (WriteOutcome.DONE, WriteOutcome.ALREADY)
    assert answer.outcome is (WriteOutcome.BUSY if done else outcome)
    # What is known of the write is kept where the sync failed.
    assert hop.has("web", Touch.WRITTEN) is done
    assert hop.has("web", Touch.MOVED) is (outcome is WriteOutcome.DONE)
