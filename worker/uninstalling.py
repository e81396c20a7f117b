"""Release what Pilotage holds in a cluster before it is uninstalled: `pilotage release-finalizers`.

The finalizer of a tracker is taken off by watchers. Once none runs, a tracker could never be deleted, nor its
namespace.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

from crds.api.ports import (
    ABOUT_ONE_OBJECT,
    ApiConflict,
    ApiError,
    ApiNotFound,
    ApiResource,
    Document,
    Kubernetes,
    resource_of,
)
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from worker.watcher.entries import FINALIZER

DEPLOYMENTS = ApiResource(group="apps", version="v1", plural="deployments", kind="Deployment", namespaced=True)
PODS = ApiResource(group="", version="v1", plural="pods", kind="Pod", namespaced=True)
TRACKERS = resource_of(PullRequestTracker.definition)
STOP_WITHIN = timedelta(minutes=5)
"""Longer than a pod is given to stop."""
LOOK = timedelta(seconds=1)
_PAGE = 500
# Kubernetes keeps a pod that was evicted, for people to look at.
_NOT_OVER = "status.phase!=Succeeded,status.phase!=Failed"


class StillRunning(Exception):
    """Watchers run, which put the finalizer back. The text names what to look at."""


async def release_finalizers(kubernetes: Kubernetes, *, namespaces: Sequence[str] = ()) -> int:
    """Take the finalizer off every tracker of some namespaces, or of all; return how many had it. Safe to repeat.

    Raises StillRunning where one gets it back, and ApiError; one that is refused keeps no other from being released.
    """
    released: set[str] = set()
    while held := [one async for one in _held(kubernetes, namespaces)]:
        refusal: ApiError | None = None
        for one in held:
            metadata = one["metadata"]
            if metadata["uid"] in released:
                raise StillRunning(
                    f"tracker {metadata['namespace']}/{metadata['name']} has the finalizer again, so a watcher still "
                    "runs: stop the watchers first, as `--stop namespace/deployment` does, and run this again"
                )
            # One that changes meanwhile is left for the next look.
            try:
                if await _release(kubernetes, one):
                    released.add(metadata["uid"])
            except ABOUT_ONE_OBJECT as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal
    return len(released)


async def stop_watchers(
    kubernetes: Kubernetes, namespace: str, name: str, *, within: timedelta = STOP_WITHIN, look: timedelta = LOOK
) -> None:
    """Scale the Deployment of the watchers to nothing, and wait until no pod of it is left; one that is gone is fine.

    Raises StillRunning, ApiError.
    """
    try:
        deployment = await kubernetes.merge(DEPLOYMENTS, namespace, name, {"spec": {"replicas": 0}})
        async with asyncio.timeout(within.total_seconds()):
            # A Deployment does not count pods that are being stopped, whose watchers work until they get the signal.
            while _runs(deployment) or await _has_pods(kubernetes, deployment):
                await asyncio.sleep(look.total_seconds())
                deployment = await kubernetes.get(DEPLOYMENTS, namespace, name)
    except ApiNotFound:
        return
    except TimeoutError:
        raise StillRunning(
            f"Deployment {namespace}/{name} still has pods after {within.total_seconds():.0f} s, which would put the "
            "finalizers back: look at its pods, and run this again once they are gone"
        ) from None


def _runs(deployment: Document) -> bool:
    # Before the controller has seen the change, its status shows the Deployment as it was.
    seen, changed = deployment.get("status") or {}, deployment["metadata"]["generation"]
    return bool(seen.get("replicas") or seen.get("observedGeneration", 0) < changed)


async def _has_pods(kubernetes: Kubernetes, deployment: Document) -> bool:
    labels = deployment["spec"]["selector"]["matchLabels"]
    page = await kubernetes.list_page(
        PODS,
        deployment["metadata"]["namespace"],
        limit=1,
        label_selector=",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        field_selector=_NOT_OVER,
    )
    return bool(page.items)


async def _held(kubernetes: Kubernetes, namespaces: Sequence[str]) -> AsyncIterator[Document]:
    for namespace in namespaces or (None,):
        token: str | None = None
        while token is None or token:
            page = await kubernetes.list_page(TRACKERS, namespace, limit=_PAGE, continue_token=token)
            for one in page.items:
                if FINALIZER in (one["metadata"].get("finalizers") or ()):
                    yield one
            token = page.continue_token or ""


async def _release(kubernetes: Kubernetes, tracker: Document) -> bool:
    metadata = tracker["metadata"]
    left = [name for name in metadata["finalizers"] if name != FINALIZER]
    # Compare-and-set: another's finalizer may have come meanwhile.
    changes = {"metadata": {"finalizers": left, "resourceVersion": metadata["resourceVersion"]}}
    try:
        await kubernetes.merge(TRACKERS, metadata["namespace"], metadata["name"], changes)
    except (ApiNotFound, ApiConflict):
        return False
    return True


def watchers_named(text: str) -> tuple[str, str]:
    """Read `namespace/name` of a Deployment. Raises ValueError."""
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise ValueError(f"`{text[:80]}`: namespace/name of the watchers' Deployment is wanted")
    return namespace, name


async def uninstall(
    kubernetes: Kubernetes, *, namespaces: Sequence[str], watchers: str | None, report: Callable[[str], None]
) -> None:
    """Stop the watchers, where they are named, and release every tracker. Raises StillRunning, ApiError, ValueError."""
    if watchers:
        await stop_watchers(kubernetes, *watchers_named(watchers))
        report(f"no watcher of Deployment {watchers} runs")
    released = await release_finalizers(kubernetes, namespaces=namespaces)
    report(f"{released} tracker{'' if released == 1 else 's'} released")
