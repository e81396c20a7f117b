"""Names for the shell's completion."""

import asyncio

from crds.ports import ApiError
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from worker.cli.exits import CliError
from worker.cli.options import Target
from worker.cli.session import Session, name_of, with_session

TIMEOUT_SECONDS = 2.0


def tracker_names(target: Target) -> list[str]:
    """Return the names of all trackers; none where the cluster does not answer at once."""

    async def names(session: Session) -> list[str]:
        listed = asyncio.wait_for(session.documents(PullRequestTracker), TIMEOUT_SECONDS)
        return [name_of(document) for document in await listed]

    try:
        return with_session(target, names)
    except (ApiError, CliError, TimeoutError, OSError):
        return []
