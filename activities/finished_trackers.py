"""Remove trackers that ended long ago, once their records are exported."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from activities.failures import failure_from
from activities.models.failures import BriefFailure
from activities.models.repository_sync import TidyRepositoryResult
from activities.record_sinks import RecordLine, RecordSink
from crds.api.live_trackers import TRACKERS, live_tracker
from crds.api.ports import ApiConflict, ApiError, ApiInvalid, ApiNotFound, Document, EventTarget, Kubernetes
from crds.api.publishing import status_of
from crds.v1alpha1.git_repository import GitRepository

PAGE = 100
TRIED_AT_ONCE = 50
"""Trackers that one look tries to remove; those behind them have their turn at the next one."""


class FinishedTrackers:
    """Export and remove what ended."""

    def __init__(self, kubernetes: Kubernetes, sink: RecordSink, clock: Callable[[], datetime]) -> None:
        self._kubernetes = kubernetes
        self._sink = sink
        self._clock = clock

    async def tidy(self, declared: GitRepository, *, after: str) -> TidyRepositoryResult:
        """Remove what is due, and return whether anything is left that the repository is looked at for.

        Only what comes `after` a name has its turn: one that cannot be removed keeps no other from it.
        """
        kept = removed = 0
        failures: list[BriefFailure] = []
        tried: list[str] = []
        async for document in self._trackers(declared):
            name = str(document["metadata"]["name"])
            has_turn = name > after and len(tried) < TRIED_AT_ONCE
            if not (has_turn and self._is_due(declared, document)):
                kept += 1
                continue
            tried.append(name)
            try:
                gone = await self._remove(declared, document)
                removed, kept = removed + gone, kept + (not gone)
            except (ApiError, OSError) as error:
                kept += 1
                found = failure_from(error)
                failures.append(BriefFailure(kind=found.kind, message=found.message, object=name))
        return TidyRepositoryResult(
            needed=bool(kept) or declared.spec.discovery is not None,
            removed=removed,
            failures=tuple(failures),
            tried_to=tried[-1] if len(tried) == TRIED_AT_ONCE else "",
        )

    def _is_due(self, declared: GitRepository, document: Document) -> bool:
        return is_due(document, declared.metadata.name, declared.spec.ttl_after_finished, self._clock())

    async def _trackers(self, declared: GitRepository) -> AsyncIterator[Document]:
        namespace, name, token = declared.metadata.namespace, declared.metadata.name, None
        selector: str | None = f"spec.repositoryRef.name={name}"
        while True:
            try:
                page = await self._kubernetes.list_page(
                    TRACKERS, namespace, limit=PAGE, continue_token=token, field_selector=selector
                )
            except ApiInvalid:
                # Kubernetes before 1.31 knows no selectable fields.
                if selector is None or token is not None:
                    raise
                selector = None
                continue
            for document in page.items:
                if document["spec"]["repositoryRef"]["name"] == name:
                    yield document
            token = page.continue_token
            if token is None:
                return

    async def _remove(self, declared: GitRepository, document: Document) -> bool:
        """Export a tracker and remove it; False where it changed meanwhile: a person may have restarted it."""
        metadata = document["metadata"]
        if lines := record_lines(declared, document):
            await self._sink.write(lines)
        try:
            await self._kubernetes.delete(
                TRACKERS,
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except ApiNotFound:
            return True
        except ApiConflict:
            return False
        return True


def is_due(document: Document, repository: str, ttl: timedelta, now: datetime) -> bool:
    """Return whether a tracker's attempt ended so long ago; one that is being deleted is left to that."""
    if document["metadata"].get("deletionTimestamp") or live_tracker(document, repository) is not None:
        return False
    since = status_of(document).get("stateSince")
    if not isinstance(since, str):
        return False
    try:
        return now - datetime.fromisoformat(since) >= ttl
    except ValueError:
        return False


def record_lines(declared: GitRepository, document: Mapping[str, Any]) -> tuple[RecordLine, ...]:
    """Build the lines of a tracker's records, to be kept with its repository."""
    about = EventTarget(
        api_version=declared.api_version,
        kind=declared.kind,
        namespace=declared.metadata.namespace or "",
        name=declared.metadata.name,
        uid=declared.metadata.uid or "",
    )
    return tuple(RecordLine(key=key, about=about, record=record) for key, record in tracker_records(document).items())


def tracker_records(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Build a record for each promotion of a tracker, and one for its end, by keys that stay the same."""
    metadata, spec, status = document["metadata"], document["spec"], status_of(document)
    tracker = {
        "namespace": metadata["namespace"],
        "tracker": metadata["name"],
        "number": spec["number"],
        "attempt": spec.get("attempt", 1),
    }
    end = {
        name: status[name] for name in ("state", "reason", "stateSince", "environment", "revision") if name in status
    }
    records = [{"end": end}, *({"promotion": one} for one in status.get("promotions") or ())]
    return {f"{metadata['uid']}/{tracker['attempt']}/{index}": {**tracker, **one} for index, one in enumerate(records)}
