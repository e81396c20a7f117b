"""What a timeout of an activity proves, as the server reports it."""

import uuid
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TimedOut

from activities.contracts import TestRunActivities
from activities.models.failures import Failure
from activities.models.testing import PollTestsInput
from activities.models.tracking import Timings
from crds.reasons.problems import FailureKind
from tests.worlds.played import connected, served
from workflows import policies
from workflows.failures import failure_of
from workflows.identity import Queues


def timed_out(kind: TimeoutType, *, last: BaseException | None = None) -> ActivityError:
    """Return an activity that ran out of time, after a last attempt that failed of something."""
    cause = TimedOut("activity timeout", type=kind, last_heartbeat_details=[])
    cause.__cause__ = last
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="trigger_round",
        activity_id="1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def refused(*, began: bool | None) -> ApplicationError:
    """Return what an attempt raised that knew whether one of them had begun a run."""
    kind = FailureKind.UNAVAILABLE
    return ApplicationError("503", Failure(kind=kind, message="503", began=began), type=str(kind))


LOST = TimedOut("activity timeout", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])


@pytest.mark.parametrize(
    ("error", "unsent"),
    [
        (timed_out(TimeoutType.SCHEDULE_TO_START), True),
        (timed_out(TimeoutType.SCHEDULE_TO_START, last=LOST), False),
        (timed_out(TimeoutType.SCHEDULE_TO_CLOSE), False),
        (timed_out(TimeoutType.START_TO_CLOSE), False),
    ],
)
def test_only_what_no_worker_took_has_surely_begun_nothing(error: ActivityError, unsent: bool) -> None:
    failure = failure_of(error)
    assert (failure.kind, failure.surely_unsent) == (FailureKind.EXPIRED, unsent)


@workflow.defn(sandboxed=False)
class Triggering:
    """Trigger at a queue that no worker serves, and return what that proves."""

    @workflow.run
    async def run(self, installation: str) -> list[str]:
        queues = Queues(installation=installation)
        within = timedelta(seconds=1)
        config = policies.ci_trigger(queues, Timings(), summary="trigger unit", at_most=within)
        try:
            await workflow.execute_activity_method(
                TestRunActivities.poll_tests, PollTestsInput(namespace="n", runs=()), **config
            )
        except ActivityError as error:
            kind = error.cause.type if isinstance(error.cause, TimedOut) else None
            return [kind.name if kind is not None else "", str(failure_of(error).surely_unsent)]
        raise AssertionError("somebody took it")


async def test_a_server_reports_a_trigger_that_no_worker_took_as_one(temporal_server: str) -> None:
    client = await connected(temporal_server)
    installation = f"t{uuid.uuid4().hex[:8]}"
    async with served(temporal_server, client, installation, [Triggering], {}):
        handle = await client.start_workflow(
            Triggering.run, installation, id=installation, task_queue=Queues(installation=installation).promotions
        )
        assert await handle.result() == ["SCHEDULE_TO_START", "True"]
