"""Waits that end by themselves: with what is waited for, or with the time that it may take.

What is waited for is looked at before anything is awaited (`snapshot.py`). One that may last forever is
`workflow.wait_condition` itself.
"""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from activities.models.bounds import cut
from workflows.policies import SUMMARY_BYTES


async def wait_until(ready: Callable[[], bool], *, at_most: timedelta, why: str) -> bool:
    """Return True as soon as `ready()`, False when the time is over first; `why` is what its timer shows."""
    try:
        await workflow.wait_condition(ready, timeout=at_most, timeout_summary=cut(why, SUMMARY_BYTES))
    except TimeoutError:
        return False
    return True
