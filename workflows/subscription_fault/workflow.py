"""SubscriptionFaultWorkflow: why events that a CommitStatus takes give no status, shown on it once a minute at most."""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import PostRecordActivities
from activities.models.commit_statuses import PostRecord, PublishPostInput, SubscriptionFault, SubscriptionFaultInput
from workflows import policies
from workflows.identity import FAULT_SIGNAL, SUBSCRIPTION_FAULT_WORKFLOW, Queues
from workflows.runtime import lifetime

GAP = timedelta(minutes=1)
"""Between two writes, and how long it lives after the last one."""


@workflow.defn(name=SUBSCRIPTION_FAULT_WORKFLOW)
class SubscriptionFaultWorkflow:
    """Write the newest fault; end when none comes any more."""

    @workflow.init
    def __init__(self, start: SubscriptionFaultInput) -> None:
        self._newest = start.newest

    @workflow.run
    async def run(self, start: SubscriptionFaultInput) -> None:
        """Write what comes within a minute once."""
        await workflow.wait_condition(lambda: self._newest is not None)
        while (fault := self._newest) is not None:
            if lifetime.due(start.history_limit):
                lifetime.hand_over(replace(start, newest=fault))
            self._newest = None
            await self._publish(start, fault)
            await workflow.sleep(GAP, summary="gather what comes")

    @workflow.signal(name=FAULT_SIGNAL, description="An event gives no status")
    def fault(self, arrived: SubscriptionFault) -> None:
        """Keep the newest."""
        if self._newest is None or arrived.at >= self._newest.at:
            self._newest = arrived

    async def _publish(self, start: SubscriptionFaultInput, fault: SubscriptionFault) -> None:
        queues = Queues(installation=start.installation)
        config = policies.kubernetes_publish(queues, start.timings, summary=f"publish: {fault.message}")
        request = PublishPostInput(
            namespace=start.namespace,
            subscription=start.name,
            record=PostRecord(at=fault.at, error=fault.message, object=fault.object),
        )
        try:
            await workflow.execute_activity_method(PostRecordActivities.publish_post, request, **config)
        except ActivityError as refusal:
            workflow.logger.warning("fault was refused", exc_info=refusal)
