"""Names for the shell's completion."""

import asyncio
from collections.abc import Awaitable, Callable

from crds.api.ports import NAMESPACES, ApiError
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from worker.cli.exits import CliError
from worker.cli.options import ClusterTarget
from worker.cli.session import Session, name_of, with_session

TIMEOUT_SECONDS = 2.0

Names = Callable[[Session], Awaitable[list[str]]]


def tracker_names(target: ClusterTarget) -> list[str]:
    """Return the names of all trackers; none where the cluster does not answer at once."""

    async def names(session: Session) -> list[str]:
        return [name_of(document) for document in await session.documents(PullRequestTracker)]

    return _at_once(target, names)


def namespace_names(target: ClusterTarget) -> list[str]:
    """Return the names of all namespaces; none where they may not be listed, or there is no answer at once."""

    async def names(session: Session) -> list[str]:
        page = await session.kubernetes.list_all(NAMESPACES)
        return sorted(name_of(document) for document in page.items)

    return _at_once(target, names)


def _at_once(target: ClusterTarget, names: Names) -> list[str]:
    async def soon(session: Session) -> list[str]:
        return await asyncio.wait_for(names(session), TIMEOUT_SECONDS)

    try:
        return with_session(target, soon)
    except (ApiError, CliError, TimeoutError, OSError):
        return []
