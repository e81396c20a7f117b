"""Lets each attempt hold a slot of its queue for its namespace, so that no namespace holds all of them."""

from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.slots import Slots, shared_by
from providers.metrics import CALLS_HELD


class SharedSlots(Interceptor):
    """Share the slots of one worker. Activities take theirs where they know for whom they are (`reported`)."""

    def __init__(self, slots: int) -> None:
        self.slots = Slots(slots, refused=CALLS_HELD.labels(reason="share").inc)

    def intercept_activity(self, following: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put the slots around every activity of a worker."""
        return _Shared(super().intercept_activity(following), self.slots)


class _Shared(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, slots: Slots) -> None:
        super().__init__(following)
        self._slots = slots

    async def execute_activity(self, call: ExecuteActivityInput) -> Any:
        with shared_by(self._slots):
            return await super().execute_activity(call)
