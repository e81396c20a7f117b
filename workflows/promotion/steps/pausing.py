"""What stops a delivery without failing it: a hold, the pause between waves, a sync window."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from temporalio import workflow

from activities.models.bounds import together
from activities.models.delivery import WriteOutcome, WriteResult
from crds.reasons.events import EventReason
from workflows.promotion.rules.boundaries import forget_window
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop


async def between_waves(ctx: PromotionRun) -> None:
    """Stop here while held, keeping the lane; a run that continues as new meanwhile leaves the hold in effect."""
    while ctx.held:
        ctx.changed()
        ctx.heed_commands()
        await ctx.wait(lambda: not ctx.held or ctx.command_waits, why="held between waves")


async def pause(ctx: PromotionRun, until: datetime) -> None:
    """Wait until then, which is shown; commands are answered meanwhile."""
    ctx.changed()
    while (left := until - workflow.now()) > timedelta(0):
        ctx.heed_commands()
        await ctx.wait(lambda: ctx.command_waits, at_most=left, why="pause between waves")


def note_window(ctx: PromotionRun, hop: Hop, hindered: Mapping[str, WriteResult]) -> None:
    """Stop the wave's deadline while a window is closed, the environment held or a merge awaited; then go on."""
    closed = [one for one in hindered.values() if one.outcome in (WriteOutcome.BLOCKED, WriteOutcome.HELD)]
    awaited = [one for one in hindered.values() if one.outcome is WriteOutcome.AWAITED]
    hop.awaited = bool(awaited) and not closed
    held = any(one.outcome is WriteOutcome.HELD for one in closed)
    if held and not hop.environment_held:
        ctx.event(EventReason.ENVIRONMENT_HELD, together(dict.fromkeys(one.message for one in closed)), warning=True)
    hop.environment_held = held
    if closed := closed or awaited:
        # Each application may have windows of its own, and it goes on with the first that opens.
        text = together(dict.fromkeys(one.message for one in closed))
        if hop.blocked_since is None:
            hop.blocked_since = workflow.now()
            if hop.awaited:
                ctx.event(EventReason.MERGE_AWAITED, text)
            elif not held:
                ctx.event(EventReason.SYNC_WINDOW, text, warning=True)
        hop.blocked = text
        hop.blocked_until = min((one.until for one in closed if one.until), default=None)
    elif hop.blocked_since is not None:
        stopped = workflow.now() - hop.blocked_since
        hop.wave_started = (hop.wave_started or workflow.now()) + stopped
        forget_window(hop)
