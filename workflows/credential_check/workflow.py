"""CredentialCheckWorkflow: the proof, renewed as long as the resource exists, that a server accepts a credential."""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import ConditionActivities, ConnectionActivities
from activities.models.credential_checks import (
    CheckConnectionInput,
    CheckConnectionResult,
    CredentialCheckInput,
    CredentialCheckOutcome,
    PublishConnectionInput,
)
from workflows import policies
from workflows.credential_check.pacing import count_failures, pause_after
from workflows.credential_check.presentation import CredentialCheckProgress, details, name_of, worth_publishing
from workflows.identity import CREDENTIAL_CHECK_WORKFLOW, POKE_SIGNAL, PROGRESS_QUERY, SEEN_SIGNAL, Queues
from workflows.runtime import lifetime
from workflows.runtime.timers import wait_until


@workflow.defn(name=CREDENTIAL_CHECK_WORKFLOW)
class CredentialCheckWorkflow:
    """Check at once, when asked and from time to time; write what changed; end with the resource."""

    @workflow.init
    def __init__(self, start: CredentialCheckInput) -> None:
        self._start = start
        self._queues = Queues(installation=start.installation)
        self._name = name_of(start.connection)
        self._failures = start.failures
        self._newest = start.generation
        self._checked = 0
        self._wanted = False
        self._outcome: CredentialCheckOutcome | None = None
        self._checked_at: datetime | None = None
        self._published: tuple[object, ...] | None = None

    @workflow.run
    async def run(self, start: CredentialCheckInput) -> None:
        """Check until the resource is gone."""
        while True:
            # A new run begins with a check, so that a wish which came late is fulfilled all the same.
            self._continue_if_due()
            self._wanted = False
            result = await self._check()
            if result is not None and result.gone:
                return
            if result is not None:
                await self._publish(result)
            workflow.set_current_details(details(self.progress()))
            await self._wait(result.retry_after if result is not None else None)

    @workflow.signal(name=SEEN_SIGNAL, description="The resource exists in this generation")
    def seen(self, generation: int) -> None:
        """Have a generation checked that is news."""
        if generation > self._newest:
            self._newest = generation
            self._wanted = self._wanted or generation > self._checked

    @workflow.signal(name=POKE_SIGNAL, description="Something may have changed: check again at once")
    def poke(self) -> None:
        """Check again at once."""
        self._wanted = True

    @workflow.query(name=PROGRESS_QUERY, description="The last outcome")
    def progress(self) -> CredentialCheckProgress:
        """Return the last outcome."""
        return CredentialCheckProgress(
            connection=self._start.connection,
            generation=self._checked,
            outcome=self._outcome,
            checked_at=self._checked_at,
            failures=self._failures,
        )

    async def _check(self) -> CheckConnectionResult | None:
        config = policies.connection_check(self._queues, self._start.timings, summary=f"check {self._name}")
        request = CheckConnectionInput(connection=self._start.connection)
        try:
            result = await workflow.execute_activity_method(ConnectionActivities.check_connection, request, **config)
        except ActivityError as error:
            # Only a refusal that no retry fixes gets here; it is no evidence of the credential.
            workflow.logger.warning("connection cannot be checked", exc_info=error)
            self._failures += 1
            self._checked_at = workflow.now()
            return None
        # Not in a `finally`, which also runs when an evicted workflow is collected, where there is no workflow's time.
        self._checked_at = workflow.now()
        self._failures = count_failures(self._failures, result)
        self._checked, self._outcome = result.generation, result.outcome
        return result

    async def _publish(self, result: CheckConnectionResult) -> None:
        worth = worth_publishing(result.outcome, result.generation)
        if worth == self._published:
            return
        config = policies.kubernetes_publish(
            self._queues, self._start.timings, summary=f"publish {self._name}: {result.outcome.reason}"
        )
        request = PublishConnectionInput(
            connection=self._start.connection, generation=result.generation, outcome=result.outcome
        )
        try:
            await workflow.execute_activity_method(ConditionActivities.publish_connection, request, **config)
            self._published = worth
        except ActivityError as refusal:
            # Only a refusal that no retry fixes gets here. It is offered again after the next check.
            workflow.logger.warning("condition was refused", exc_info=refusal)

    async def _wait(self, retry_after: timedelta | None) -> None:
        """Wait for the next check; pokes in a row are one."""
        timings = self._start.timings
        pause = pause_after(self._failures, retry_after, timings, workflow.random().random())
        if not await wait_until(lambda: self._wanted, at_most=pause, why=f"check {self._name} again"):
            return
        gap = (self._checked_at or workflow.now()) + timings.poll_gap - workflow.now()
        if gap > timedelta(0):
            await workflow.sleep(gap, summary="not sooner than the gap between two checks")

    def _continue_if_due(self) -> None:
        if self._checked_at is not None and lifetime.due(self._start.history_limit):
            lifetime.hand_over(replace(self._start, generation=self._newest, failures=self._failures))
