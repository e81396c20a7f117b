"""What a failed presentation leaves to the next one, without a server."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.models.failures import Failure
from activities.models.revisions import PresentInput, PresentResult, RefusedPart, Shown
from activities.models.tracking import Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.workflows.promotion.view.test_pull_request import REQUEST, in_hop
from workflows.identity import Queues
from workflows.promotion.run import PromotionRun
from workflows.promotion.steps.presenting import Presenting
from workflows.promotion.view import status as status_view

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
BEFORE, AFTER = Shown(labels=("pilotage/synced",), comment_id="5"), Shown(labels=("pilotage/testing",), comment_id="5")
REFUSED = RefusedPart(part="labels", failure=Failure(kind=FailureKind.UNAUTHORIZED, message="no right"))


def failed() -> ActivityError:
    """An activity that failed after an attempt, of which it is unknown what it changed."""
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=1,
        identity="",
        activity_type="",
        activity_id="",
        retry_state=None,
    )
    error.__cause__ = ApplicationError("down", type="ProviderUnavailable")
    return error


@pytest.mark.parametrize(
    ("answer", "trusted"),
    [
        (PresentResult(writes=1, shown=AFTER), AFTER),
        (PresentResult(writes=1, shown=AFTER, refused=(REFUSED,)), AFTER),
        (failed(), None),
    ],
    ids=["shown", "partly refused", "failed"],
)
async def test_the_next_presentation_trusts_what_the_last_one_showed_and_nothing_once_it_failed(
    monkeypatch: pytest.MonkeyPatch, answer: PresentResult | ActivityError, trusted: Shown | None
) -> None:
    sent: list[Shown | None] = []

    async def execute(_activity: Any, request: PresentInput, **_config: Any) -> PresentResult:
        sent.append(request.shown)
        if isinstance(answer, ActivityError):
            raise answer
        return answer

    monkeypatch.setattr(workflow, "execute_activity_method", execute)
    monkeypatch.setattr(workflow, "now", lambda: NOW)
    shown = status_view.View(state=State.TESTING, waiting=None, obstacle=None)
    monkeypatch.setattr(status_view, "view", lambda _ctx: shown)
    story = in_hop(State.TESTING)
    story.shown, story.presented = BEFORE, True
    ctx = SimpleNamespace(
        request=REQUEST,
        story=story,
        queues=Queues(installation="main"),
        timings=Timings(),
        pokes=0,
        event=lambda *_parts, **_more: None,
        changed=lambda: None,
        flush=lambda: None,
    )
    presenting = Presenting(cast("PromotionRun", ctx))
    await presenting._show()
    await presenting._show()
    assert sent == [BEFORE, trusted]
