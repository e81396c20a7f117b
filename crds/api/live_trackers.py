"""Find the live trackers of one repository among thousands: page by page, and only what decides is read of each."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crds.api.ports import ApiGone, ApiInvalid, Document, Kubernetes, Page, resource_of
from crds.reasons.vocabulary import TERMINAL_STATES
from crds.v1alpha1.pull_request_tracker import PullRequestTracker

PAGE = 100
"""Trackers per page: with all its records one has up to a megabyte, and to decode a page stops the event loop."""

TRACKERS = resource_of(PullRequestTracker.definition)


@dataclass(frozen=True, kw_only=True)
class LiveTracker:
    """Name a tracker's attempt that is not over."""

    name: str
    uid: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Begin:
    """Name where a list goes on: behind a tracker, with the API server's token if it is known."""

    after: str
    token: str = ""


@dataclass(frozen=True, kw_only=True)
class LivePage:
    """Hold live trackers, in the order of their names, and where the list goes on; None = it is at its end."""

    trackers: tuple[LiveTracker, ...]
    then: Begin | None


def _unseen(_tracker: Document) -> None:
    """Look at no more of a tracker than decides."""


async def live_trackers(
    kubernetes: Kubernetes,
    namespace: str,
    repository: str,
    *,
    at_most: int,
    begin: Begin | None = None,
    see: Callable[[Document], None] = _unseen,
) -> LivePage:
    """Return some of the repository's trackers whose attempt is not over, at most `at_most`, and where to go on.

    `see` gets each of them as it was read, and keeps none. The event loop goes on between the API server's pages. A
    continue token that expired starts the list again, behind what was looked at. An API server that knows no selectable
    fields (Kubernetes before 1.31) sends the trackers of all repositories.
    """
    selector = f"spec.repositoryRef.name={repository}"
    try:
        return await _listed(kubernetes, namespace, repository, selector, at_most, begin, see)
    except ApiInvalid:
        return await _listed(kubernetes, namespace, repository, None, at_most, begin, see)


async def _listed(
    kubernetes: Kubernetes,
    namespace: str,
    repository: str,
    selector: str | None,
    at_most: int,
    begin: Begin | None,
    see: Callable[[Document], None],
) -> LivePage:
    found: dict[str, LiveTracker] = {}
    after, token = (begin.after, begin.token or None) if begin else ("", None)
    restarted = False
    while True:
        try:
            page = await kubernetes.list_page(
                TRACKERS, namespace, limit=min(PAGE, at_most), continue_token=token, field_selector=selector
            )
        except (ApiGone, ApiInvalid):
            # It expired, or it is of an API server that was restored since.
            if token is None or restarted:
                raise
            restarted, token = True, None
            continue
        # The API server lists in the order of names, so that what was looked at is skipped by its last name.
        for one, document in _live(page, repository):
            if one.name > after:
                found[one.name] = one
                see(document)
        after = max([after, *(str(_map(item, "metadata").get("name", "")) for item in page.items)])
        token = page.continue_token
        if token is None:
            return LivePage(trackers=tuple(found.values()), then=None)
        if len(found) + min(PAGE, at_most) > at_most:
            return LivePage(trackers=tuple(found.values()), then=Begin(after=after, token=token))
        await asyncio.sleep(0)


def live_tracker(document: Document, repository: str) -> LiveTracker | None:
    """Return a tracker that was read; None where its attempt is over, or it is of another repository."""
    spec, status = _map(document, "spec"), _map(document, "status")
    attempt = spec.get("attempt", 1)
    over = status.get("attempt") == attempt and status.get("state") in TERMINAL_STATES
    if _map(spec, "repositoryRef").get("name") != repository or not isinstance(attempt, int) or over:
        return None
    metadata = _map(document, "metadata")
    return LiveTracker(name=str(metadata.get("name")), uid=str(metadata.get("uid", "")), attempt=attempt)


def _live(page: Page, repository: str) -> Iterator[tuple[LiveTracker, Document]]:
    yield from ((found, item) for item in page.items if (found := live_tracker(item, repository)) is not None)


def _map(document: Document, name: str) -> Document:
    value = document.get(name)
    return value if isinstance(value, dict) else {}
