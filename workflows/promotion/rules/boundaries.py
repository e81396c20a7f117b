"""When a wave begins, ends and must have arrived. Pure.

A sync window that forbids our syncs, and a pull request of ours that waits, stop the deadline of the current wave, and
of no other one. The absence of Argo CD, and of Pilotage itself, stops it as well.
"""

from datetime import datetime, timedelta

from activities.models.configuration import EnvironmentView
from workflows.promotion.state import Hop


def begin_wave(hop: Hop, number: int, now: datetime) -> None:
    """Leave the boundary: from here on a hold waits for the next one."""
    hop.wave, hop.wave_started, hop.pause_until, hop.in_wave = number, now, None, True
    hop.looked_at, hop.unseen = now, False


def end_wave(hop: Hop) -> None:
    """Come to a boundary; whatever stopped or failed the wave is nothing to another one."""
    hop.in_wave, hop.proposals, hop.remedy = False, {}, ""
    forget_window(hop)
    forget_write_failure(hop)


def forget_write_failure(hop: Hop) -> None:
    """Forget why writes were not made."""
    hop.failing_since, hop.write_after, hop.write_failure, hop.write_failure_lasts = None, None, None, False


def forget_window(hop: Hop) -> None:
    """Forget a sync window that forbids nothing of ours any more, and a pull request that is merged."""
    hop.blocked, hop.blocked_since, hop.blocked_until = "", None, None
    hop.awaited = hop.environment_held = False


def note_look(hop: Hop, now: datetime, *, unseen: bool, longest: timedelta) -> None:
    """Move the deadline by the time since the last look that did not count.

    `unseen`: this look could not show what has not arrived. `longest` is what lies between two looks of a workflow that
    runs: time beyond that passed without a worker, or without an answer of Argo CD.
    """
    before, hop.looked_at = hop.looked_at, now
    was_unseen, hop.unseen = hop.unseen, unseen
    if before is None or hop.wave_started is None or hop.blocked_since is not None:
        return
    elapsed = now - before
    counted = timedelta(0) if unseen or was_unseen else min(elapsed, longest)
    hop.wave_started += elapsed - counted


def deadline(hop: Hop, view: EnvironmentView, now: datetime) -> datetime:
    """Return when the wave must have arrived; what stands still moves it on."""
    stopped = now - hop.blocked_since if hop.blocked_since else timedelta(0)
    return (hop.wave_started or now) + stopped + view.delivery_timeout


def shown_deadline(hop: Hop) -> datetime | None:
    """Return until when people are shown that the wave may last: the window's end while one is closed.

    None where nothing counts: between waves, and while the deadline stands still for an unknown time.
    """
    if not hop.in_wave or hop.wave_started is None or hop.view is None or hop.unseen:
        return None
    return hop.blocked_until if hop.blocked else hop.wave_started + hop.view.delivery_timeout
