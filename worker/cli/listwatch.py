"""`pilotage get -w`: a list, then a row for each change of it."""

import asyncio
from collections.abc import AsyncIterator, Callable

from crds.api.ports import ApiGone, ApiUnavailable, Document
from worker.cli.session import TRACKERS, Session

PAUSE_SECONDS = 1.0


async def changes(
    session: Session, *, everywhere: bool, selector: str | None, wanted: Callable[[Document], bool], since: str
) -> AsyncIterator[Document]:
    """Yield each tracker as it changes after a resourceVersion, for as long as somebody looks.

    A watch that the API server ends, or forgets, begins again with a list; what changed in between is yielded then.
    """
    namespace = None if everywhere else session.namespace
    seen: dict[str, str] = {}
    version = since
    while True:
        try:
            if not version:
                page = await session.page(TRACKERS, everywhere=everywhere, selector=selector)
                for one in page.items:
                    if wanted(one) and seen.get(_uid(one)) != _version(one):
                        seen[_uid(one)] = _version(one)
                        yield one
                version = page.resource_version
            watch = session.kubernetes.watch(TRACKERS, namespace, resource_version=version, label_selector=selector)
            async with watch as events:
                async for event in events:
                    version = _version(event.object) or version
                    if event.type in ("ADDED", "MODIFIED") and wanted(event.object):
                        seen[_uid(event.object)] = version
                        yield event.object
        except ApiGone:
            version = ""
        except ApiUnavailable:
            # It restarts, or the connection was cut: watching goes on where it stopped.
            await asyncio.sleep(PAUSE_SECONDS)


def _uid(document: Document) -> str:
    return str(document["metadata"].get("uid", ""))


def _version(document: Document) -> str:
    return str(document["metadata"].get("resourceVersion", ""))
