"""Find the live trackers of one repository among thousands: page by page, and only what decides is read of each."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from crds.api.ports import ApiGone, ApiInvalid, Document, Kubernetes, Page, resource_of
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.tracker_status import TERMINAL_STATES

PAGE = 100
"""Trackers per page: with all its records one has up to a megabyte, and to decode a page stops the event loop."""

TRACKERS = resource_of(PullRequestTracker.definition)


@dataclass(frozen=True, kw_only=True)
class LiveTracker:
    """Name a tracker's attempt that is not over."""

    name: str
    uid: str
    attempt: int


async def live_trackers(kubernetes: Kubernetes, namespace: str, repository: str) -> tuple[LiveTracker, ...]:
    """Return the repository's trackers whose attempt is not over, in the order of their names.

    The event loop goes on between pages. A continue token that expired on the way starts the list again, once. An API
    server that knows no selectable fields (Kubernetes before 1.31) sends the trackers of all repositories.
    """
    try:
        return await _listed(kubernetes, namespace, repository, f"spec.repositoryRef.name={repository}")
    except ApiInvalid:
        return await _listed(kubernetes, namespace, repository, None)


async def _listed(
    kubernetes: Kubernetes, namespace: str, repository: str, selector: str | None
) -> tuple[LiveTracker, ...]:
    found: dict[str, LiveTracker] = {}
    token: str | None = None
    restarted = False
    while True:
        try:
            page = await kubernetes.list_page(
                TRACKERS, namespace, limit=PAGE, continue_token=token, field_selector=selector
            )
        except ApiGone:
            if restarted:
                raise
            restarted, token = True, None
            found.clear()
            continue
        found |= {one.name: one for one in _live(page, repository)}
        token = page.continue_token
        if token is None:
            return tuple(found.values())
        await asyncio.sleep(0)


def _live(page: Page, repository: str) -> Iterator[LiveTracker]:
    for item in page.items:
        spec, status = _map(item, "spec"), _map(item, "status")
        attempt = spec.get("attempt", 1)
        over = status.get("attempt") == attempt and status.get("state") in TERMINAL_STATES
        if _map(spec, "repositoryRef").get("name") == repository and isinstance(attempt, int) and not over:
            metadata = _map(item, "metadata")
            yield LiveTracker(name=str(metadata.get("name")), uid=str(metadata.get("uid", "")), attempt=attempt)


def _map(document: Document, name: str) -> Document:
    value = document.get(name)
    return value if isinstance(value, dict) else {}
