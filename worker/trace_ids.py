"""The ids of spans without a parent: those of the trace that their task follows, as `worker/tracing.py` knows it."""

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from worker.tracing import followed_trace


class FollowedTraceIds(RandomIdGenerator):
    """Give what follows no trace a random one."""

    def generate_trace_id(self) -> int:
        """Return the id of the trace that the span at hand begins, or joins."""
        return followed_trace() or super().generate_trace_id()
