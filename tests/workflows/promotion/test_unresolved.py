"""What a tracker cannot read by itself while its places can: nothing is shown of the lane that is not so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow

from activities.models.configuration import DeploymentSpec, EnvironmentView
from activities.models.delivery import DeploymentRuns, Observation
from activities.models.places import BlockedBy, Counter, PlaceSignal
from activities.models.status import NO_ACTION, WaitingFor
from activities.models.tracking import Artifact, Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Phase, State, Waiting
from tests.workflows.promotion.view.test_pull_request import in_hop
from tests.worlds.refusals import unread
from workflows.promotion.rules.comparison import Comparison, Judgement
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import PromotionState, Refusal, Round
from workflows.promotion.steps import gates
from workflows.promotion.steps.source import SourceReader
from workflows.promotion.view.obstacles import find_obstacle
from workflows.promotion.view.waiting import waiting_for
from workflows.runtime.asking import Unreadable

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SELECTED = DeploymentSpec(
    name="all",
    component="web",
    wave=0,
    instance="argocd",
    project="shop",
    application="",
    failure=unread("no answer", passing=True),
)
AWAY, REFUSED = unread("503", passing=True), unread("404")
SEEN = Observation(deployment="all/web", component="web", application="web", runs="a" * 40, settled=True)
BEHIND = Comparison(observation=SEEN, judgement=Judgement.AHEAD, why="behind")
PROD = PlaceSignal(
    environment="prod",
    counter=Counter(epoch=1, n=1),
    observed=(SEEN,),
    observed_at=NOON,
    blocked_by=BlockedBy(tracker="web-9", reason="holds the lane"),
)


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage {verb} {tracker or 'web-412'}"


class Line:
    """A tracker before the lane of prod, whose place sees what the tracker may be unable to read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        self.unresolved: tuple[DeploymentSpec, ...] = (SELECTED,)
        self.events: list[str] = []
        self.story = in_hop(State.READY_TO_PROMOTE)
        hop = self.story.hop
        assert hop is not None
        self.hop = hop
        hop.approved_by, self.story.components = "ada", ("web",)
        patch.setattr(workflow, "now", lambda: self.now)
        patch.setattr(gates, "judge_target", self._judge)
        patch.setattr(gates, "missing_components", lambda _ctx: [])
        self.ctx = SimpleNamespace(
            story=self.story,
            timings=Timings(),
            held=False,
            environments=SimpleNamespace(unresolved=lambda _environment: self.unresolved),
            membership=SimpleNamespace(phase=Phase.WORKING, view=lambda _environment: PROD, set_phase=self._set_phase),
            standing=SimpleNamespace(get_in_line=partial(self._set_phase, Phase.READY)),
            heed_commands=lambda: None,
            changed=lambda: None,
            supersede=lambda *_parts: None,
            supersede_outdated_approval=lambda: None,
            event=lambda reason, message, **_more: self.events.append(f"{reason} {message}"),
            enter=self._enter,
        )

    async def _judge(self, *_arguments: Any) -> tuple[Comparison, ...]:
        return (BEHIND,)

    async def _set_phase(self, phase: Phase) -> None:
        self.story.phase = self.ctx.membership.phase = phase

    def _enter(self, state: State, *, reason: str, message: str) -> None:
        self.story.state, self.story.reason, self.story.message = state, reason, message

    async def stand(self, after: timedelta) -> WaitingFor:
        """Look at the target so long after noon; return what is shown."""
        self.now = NOON + after
        self.hop.view = EnvironmentView(
            name="prod",
            final=True,
            vars={},
            delivery_timeout=timedelta(hours=1),
            deployments=self.unresolved or (replace(SELECTED, name="all/web", application="web", failure=None),),
        )
        await gates._stand_in_line(cast("PromotionRun", self.ctx), self.hop)
        return shown(self.story, PROD)


def shown(story: PromotionState, target: PlaceSignal | None) -> WaitingFor:
    """What people read that the tracker waits for."""
    obstacle = find_obstacle(story, source=None, target=target, command=command)
    found = waiting_for(story, source=None, target=target, obstacle=obstacle, command=command)
    assert found is not None
    return found


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    """A tracker that may promote once it knows what to."""
    return Line(monkeypatch)


async def test_who_does_not_know_what_to_write_shows_neither_that_it_asked_for_the_lane_nor_who_has_it(
    line: Line,
) -> None:
    waiting = await line.stand(timedelta(0))
    assert (line.story.reason, line.story.phase, line.events) == ("ReadyToPromote", Phase.WORKING, [])
    assert (waiting.what, waiting.object, waiting.unblock_with) == (Waiting.TARGET, "prod", NO_ACTION)
    assert "applications all selects" in (waiting.observed or "")


async def test_once_that_has_lasted_people_are_shown_why_and_its_end_is_noticed(line: Line) -> None:
    passing = Timings().passing
    await line.stand(timedelta(0))
    await line.stand(passing - timedelta(seconds=1))
    assert line.hop.refusal is Refusal.NONE
    waiting = await line.stand(passing)
    assert (line.story.reason, line.events) == (Refusal.UNREADABLE, ["TargetUnreadable all: no answer"])
    assert (waiting.what, waiting.observed) == (Waiting.TARGET, "all: no answer")
    line.unresolved = ()
    waiting = await line.stand(passing * 2)
    assert (line.story.reason, line.story.phase) == ("BlockedBy", Phase.READY)
    assert (waiting.what, waiting.object) == (Waiting.LANE, "web-9")
    # The next time begins to count from its own beginning.
    line.unresolved = (SELECTED,)
    await line.stand(passing * 2)
    assert line.story.reason == "ReadyToPromote"


def test_a_target_that_was_not_observed_is_not_shown_as_asked(line: Line) -> None:
    line.story.phase = Phase.WORKING
    assert shown(line.story, None).observed == "prod is not observed yet"
    assert shown(line.story, replace(PROD, observed_at=None, observed=())).observed == "prod is not observed yet"
    assert shown(line.story, PROD).observed == "prod is being compared"


@pytest.mark.parametrize(
    ("observed", "kind"),
    [
        (
            (DeploymentRuns(deployment="web", component="web", failure=AWAY),),
            FailureKind.UNAVAILABLE,
        ),
        ((DeploymentRuns(deployment="web", component="web", failure=REFUSED),), FailureKind.REFERENCE_MISSING),
        (
            (
                DeploymentRuns(deployment="web", component="web", failure=AWAY),
                DeploymentRuns(deployment="ui", component="web", failure=REFUSED),
            ),
            FailureKind.REFERENCE_MISSING,
        ),
        (
            (DeploymentRuns(deployment="db", component="db", failure=AWAY),),
            FailureKind.REFERENCE_MISSING,
        ),
    ],
    ids=["passes", "stays", "one of them stays", "not deployed"],
)
async def test_a_source_that_cannot_be_read_for_a_moment_is_no_missing_reference(
    line: Line, observed: tuple[DeploymentRuns, ...], kind: FailureKind
) -> None:
    async def found(_environment: str) -> tuple[DeploymentRuns, ...]:
        return observed

    environments = SimpleNamespace(look_up=found, observe=found)
    ctx = SimpleNamespace(
        story=line.story,
        views={},
        timings=Timings(),
        pokes=0,
        environments=environments,
        membership=SimpleNamespace(view=lambda _environment: None),
        asking=SimpleNamespace(still_asked_to_wait=lambda _object: timedelta(0)),
    )
    artifact = Artifact(component="web", revision="a" * 40)
    round_ = Round(number=1, artifacts=(artifact,), tests=[], started_at=NOON)
    with pytest.raises(Unreadable) as refusal:
        await SourceReader(cast("PromotionRun", ctx), line.hop)._observe(round_)
    assert refusal.value.failure.kind is kind
