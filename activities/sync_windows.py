"""A sync that a sync window forbids: which one, and until when."""

from contextlib import suppress
from datetime import datetime

from activities.failures import describe
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.reading import reference
from providers.application_models import SyncWindow
from providers.errors import ProviderBlocked, ProviderError
from providers.ports import Deployments


async def blocked(port: Deployments, deployment: DeploymentSpec, error: ProviderBlocked) -> WriteResult:
    """Name the sync windows that are in the way; without their names the refusal itself must do."""
    found: tuple[SyncWindow, ...] = ()
    with suppress(ProviderError):
        found = await port.sync_windows(reference(deployment))
    until = ends_at(found) if found else None
    message = " and ".join(f"{one.kind} window `{one.schedule}` of {one.duration}" for one in found) or describe(error)
    end = f", until {until:%Y-%m-%d %H:%M} UTC unless it has a time zone of its own" if until else ""
    message = f"the sync of {deployment.application} is forbidden by a sync window: {message}{end}"
    return WriteResult(outcome=WriteOutcome.BLOCKED, message=message, until=until)


def ends_at(windows: tuple[SyncWindow, ...]) -> datetime | None:
    """Return when none of them is in the way any more: the last deny ends, or the first allow begins."""
    ends = [one.until for one in windows]
    known = [end for end in ends if end is not None]
    if not known or (windows[0].kind == "deny" and None in ends):
        return None
    return max(known) if windows[0].kind == "deny" else min(known)
