"""The fields and the trace of everything about a tracker, bound once per key instead of at each line."""

from structlog.contextvars import bind_contextvars, clear_contextvars

from worker.tracing import follow_trace, followed_trace, tracing_enabled
from worker.watcher.entries import TrackerEntry
from worker.watcher.ports import Promotions


def begin_key(**fields: str) -> None:
    """Forget the key before, and bind what is known of this one; lasts for the task, the queue's own line included."""
    clear_contextvars()
    follow_trace("")
    bind_contextvars(**fields)


def bind_workflow(promotions: Promotions, entry: TrackerEntry) -> None:
    """Bind workflow, run and trace of the attempt that the tracker asks for; the run as far as its status names one."""
    workflow_id = promotions.identify(entry.current)
    run = {"run_id": entry.run_id} if entry.run_id and entry.running else {}
    bind_contextvars(workflow_id=workflow_id, **run)
    if tracing_enabled():
        follow_trace(workflow_id)
        bind_contextvars(trace_id=f"{followed_trace():032x}")
