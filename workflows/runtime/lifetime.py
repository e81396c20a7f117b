"""How long a run lives: one policy by which every workflow continues as new, and moves to a newer worker version.

A workflow may live for months and a history may not: each run hands its state to the next once its history has grown
long enough, or as soon as the server suggests it. With worker versioning a run is pinned to the version that began it,
so that handing over is also how a workflow moves to newer code: `upgrade_wanted` shows that a newer version is current,
and the run that follows begins on it.

The workflow decides *where* it may be left: only between two decisions, when nothing runs that its state does not
know of. It asks `due` there, brings its writes to an end, waits for its handlers, and calls `hand_over` last. Between
the two anything may still arrive; what must not be lost stands in the state that is handed over.
"""

from typing import NoReturn

from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior


def upgrade_wanted() -> bool:
    """Return whether a newer worker version asks this run to move."""
    return workflow.info().is_target_worker_deployment_version_changed()


def long_enough(limit: int) -> bool:
    """Return whether the history has `limit` events, or the server suggests to continue sooner."""
    info = workflow.info()
    return info.is_continue_as_new_suggested() or info.get_current_history_length() >= limit


def due(limit: int) -> bool:
    """Return whether the run is to be handed over, for either reason."""
    return upgrade_wanted() or long_enough(limit)


def hand_over(start: object) -> NoReturn:
    """Continue as new with this input, on the newer version if one asks.

    Also where only the history was long: who continues on the old version once a newer one asked has declined it for
    good, and no other signal of it comes.
    """
    behavior = ContinueAsNewVersioningBehavior.AUTO_UPGRADE if upgrade_wanted() else None
    workflow.continue_as_new(start, initial_versioning_behavior=behavior)
