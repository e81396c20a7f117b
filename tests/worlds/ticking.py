"""One hop with three tests, whose runs take a given number of polls: what is measured, and what tenants share."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client

from activities.models.configuration import TestSpec
from activities.models.testing import PollTestsInput, PollTestsResult, RunReport, RunState
from activities.models.tracking import TrackerRef, TrackerSpec
from tests.worlds.declared import FAST, MINE, OLD, a_test
from tests.worlds.instant import InstantWorld
from workflows.identity import Queues, promotion_workflow_id
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

TICKS = 2
TESTS = ("unit", "e2e", "look")
TIMINGS = replace(
    FAST,
    poll_initial=timedelta(milliseconds=300),
    poll_maximum=timedelta(milliseconds=300),
    poll_gap=timedelta(milliseconds=1),
)
NAMESPACE = "shop"


@dataclass
class TickingWorld(InstantWorld):
    """A world whose tests take a given number of polls."""

    ticks: int = TICKS
    polls: dict[str, int] = field(default_factory=dict)

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        """Report the runs as running until the last tick."""

        def state(key: str) -> RunState:
            self.polls[key] = self.polls.get(key, 0) + 1
            return RunState.PASSED if self.polls[key] >= self.ticks else RunState.RUNNING

        return PollTestsResult(
            reports=tuple(RunReport(key=run.key, run=run, state=state(run.key), number="7") for run in request.runs)
        )


def one_hop(client: Client, *, runners: int = 1, ticks: int = TICKS) -> TickingWorld:
    """Return a world of one hop, dev → staging, with three tests at one runner or more."""
    made = TickingWorld(client=client, ticks=ticks, arrival_seconds=0)
    made.environment("dev", MINE)
    made.environment("staging", OLD, final=True)
    made.policy("dev", "staging", tests=tests_at(runners))
    return made


def tests_at(runners: int) -> tuple[TestSpec, ...]:
    """Return three required tests, dealt out to the runners."""
    return tuple(replace(a_test(name), runner=f"ci-{index % runners}") for index, name in enumerate(TESTS))


async def promote(client: Client, installation: str) -> str:
    tracker = TrackerRef(namespace=NAMESPACE, name="web-412", uid=uuid.uuid4().hex, attempt=1)
    identity = promotion_workflow_id(installation, NAMESPACE, tracker.name, tracker.uid, 1)
    request = PromotionStart(
        installation=installation,
        tracker=tracker,
        spec=TrackerSpec(repository="web", number=412, environment="dev"),
        timings=TIMINGS,
    )
    queue = Queues(installation=installation).promotions
    await client.execute_workflow(PromotionWorkflow.run, request, id=identity, task_queue=queue)
    return identity
