"""One pull request of the model, promoted by the real workflow."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from temporalio.exceptions import ApplicationError

from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.status import TrackerStatus
from activities.models.tracking import PullRequest, PullRequestState, TrackerRef, TrackerSpec
from crds.reasons.vocabulary import State
from tests.workflows.environment.facts import attempt_key
from tests.worlds.stage import Run
from workflows.identity import promotion_workflow_id
from workflows.promotion.state import PromotionStart, PromotionState
from workflows.promotion.workflow import PromotionWorkflow

if TYPE_CHECKING:
    from tests.workflows.journeys.world import World

INSTALLATION, REPOSITORY, NAMESPACE = "model", "web", "shop"


@dataclass
class Traveller:
    """What is true of one tracker, whatever its workflow believes."""

    world: "World"
    ref: TrackerRef
    number: int
    components: tuple[str, ...]
    commit: str | None = None
    vanished: bool = False
    status: TrackerStatus | None = None
    started: Run = field(init=False)

    def __post_init__(self) -> None:
        start = PromotionStart(
            installation=INSTALLATION,
            tracker=self.ref,
            spec=TrackerSpec(repository=REPOSITORY, number=self.number, environment="dev"),
            timings=self.world.timings,
        )
        self.started = self.world.stage.start(self.workflow_id, PromotionWorkflow, start)

    @property
    def workflow_id(self) -> str:
        ref = self.ref
        return promotion_workflow_id(INSTALLATION, ref.namespace, ref.name, ref.uid, ref.attempt)

    @property
    def key(self) -> str:
        """What distinguishes this attempt from every other."""
        return attempt_key(self.ref)

    @property
    def run(self) -> Run | None:
        """The run that is alive."""
        found = self.world.stage.runs.get(self.workflow_id)
        if found is not None:
            self.started = found
        return found

    @property
    def story(self) -> PromotionState:
        """What the workflow carries, or carried when it ended."""
        run = self.run or self.started
        story: PromotionState = run.workflow._story
        return story

    @property
    def over(self) -> bool:
        """Whether it ended, or its workflow is gone."""
        return self.vanished or self.run is None

    @property
    def target(self) -> str:
        """Where its hop goes; empty between two hops."""
        return self.story.hop.policy.target if self.story.hop else ""

    @property
    def held(self) -> bool:
        return self.story.hold is not None

    @property
    def promoting(self) -> bool:
        return not self.over and self.story.state is State.PROMOTING

    def pull_request(self) -> PullRequest:
        return PullRequest(
            number=self.number,
            title="A change",
            author="ada",
            url="",
            state=PullRequestState.MERGED if self.commit else PullRequestState.OPEN,
            head_sha=f"{self.number:040x}",
            merge_sha=self.commit,
        )

    def merge(self, *parents: str) -> None:
        """Merge the pull request."""
        if self.commit is None:
            self.commit = self.world.commits.add(self.world.commits.main, *parents, main=True)
            self.poke()

    def poke(self) -> None:
        if (run := self.run) is not None:
            run.call("poke")

    def vanish(self) -> None:
        """Have the workflow terminated, with whatever activities it has in flight."""
        if (run := self.run) is not None:
            self.vanished = True
            run.end()

    def command(self, verb: Verb, reason: str = "") -> bool:
        """Send a person's command; return whether it was accepted."""
        run, story = self.run, self.story
        if run is None:
            return False
        request_id = f"command-{self.world.stage.count()}"
        hop = self.status.hop if self.status else None
        command = Command(
            request_id=request_id,
            actor=request_id,
            target_environment=self.target or story.environment,
            revision="",
            reason=reason,
            seen=(hop.diverged or {}) if hop and reason else {},
        )
        try:
            run.call("_check", verb, command)
        except ApplicationError:
            return False
        answer: CommandAnswer = run.call("_execute", verb, command)
        if not answer.accepted:
            return False
        self.world.oracle.commands.accepted(self, verb, request_id)
        if verb is Verb.RETEST:
            self.world.oracle.retested(self)
        if verb is Verb.RETRY:
            self.world.oracle.retried(self)
        return True
