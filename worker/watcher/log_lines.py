"""The fields that every line about a tracker carries, bound once per key instead of at each line."""

from structlog.contextvars import bind_contextvars, clear_contextvars

from worker.watcher.entries import TrackerEntry
from worker.watcher.ports import Promotions


def begin_key(**fields: str) -> None:
    """Forget the key before, and bind what is known of this one; lasts for the task, the queue's own line included."""
    clear_contextvars()
    bind_contextvars(**fields)


def bind_workflow(promotions: Promotions, entry: TrackerEntry) -> None:
    """Bind workflow and run of the attempt that the tracker asks for; the run as far as its status names one."""
    run = {"run_id": entry.run_id} if entry.run_id and entry.running else {}
    bind_contextvars(workflow_id=promotions.identify(entry.current), **run)
