"""The application controller's part: picks up operations, runs them, and compares again later.

Its loops are deliberately separate, as in the real one: an operation ends before health and sync were compared again,
so that for a moment `Succeeded` stands next to stale health.
"""

import asyncio
import copy
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from deploy.local.sandbox.argocd_compare import compare
from deploy.local.sandbox.argocd_pruning import left_behind, resources
from deploy.local.sandbox.argocd_state import Application, ArgoCDState, Live, record_history
from deploy.local.sandbox.argocd_windows import can_sync
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.replies import Json

_REFRESH = "argocd.argoproj.io/refresh"
_TICK_SECONDS = 0.05
_UNKNOWN_REVISION = (
    "ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: "
    "code = Unknown desc = failed to initialize repository resources: rpc error: code = Internal desc = Failed to "
    "checkout revision {revision}: `git fetch origin {revision} --tags --force --prune` failed exit status 128: fatal: "
    "remote error: upload-pack: not our ref {revision}"
)
_FAILED = "one or more synchronization tasks completed unsuccessfully, reason: {reason}"


class ArgoCDController:
    """Run one task per operation or pending comparison."""

    def __init__(self, state: ArgoCDState, options: Options) -> None:
        self._state = state
        self._options = options
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def start(self, application: Application, operation: Json) -> None:
        """Accept an operation: set it, forget the last one's state, run it soon."""
        application.body["operation"] = operation
        application.status.pop("operationState", None)
        application.terminating.clear()
        self._state.changed(application)
        self._spawn(self._run(application))

    def terminate(self, application: Application) -> None:
        application.terminating.set()
        application.status["operationState"]["phase"] = "Terminating"
        application.status["operationState"]["message"] = "operation is terminating"
        self._state.changed(application)

    def compare_soon(self, application: Application) -> None:
        self._spawn(self._compare_later(application, self._lag(application)))

    async def refresh(self, application: Application, kind: str) -> None:
        """Compare now, as `?refresh=` asks; returns when the annotation is gone."""
        application.body["metadata"]["annotations"].update({_REFRESH: kind, "argocd.argoproj.io/hydrate": kind})
        self._state.changed(application)
        await asyncio.sleep(self._options.argocd_reconcile_seconds)
        self.compare(application)

    def compare(self, application: Application) -> None:
        """Compare at once, and start what auto-sync wants."""
        application.body["metadata"]["annotations"].pop(_REFRESH, None)
        compare(self._state, application)
        self._state.changed(application)
        self._auto_sync(application)

    def deploy(self, application: Application, revisions: list[str], images: list[str] | None) -> None:
        """Put revisions live as if somebody else's pipeline had written and synced them."""
        live = Live(
            revisions=tuple(revisions),
            sources=tuple(copy.deepcopy(application.sources)),
            images=tuple(self._state.images(application, application.sources, revisions) if images is None else images),
        )
        application.leftover = []
        self._go_live(application, live, user={"username": "ci"}, started=timestamp(self._state.clock.now()))
        self.compare(application)

    async def _compare_later(self, application: Application, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._state.applications.get(application.key) is application:
            self.compare(application)

    async def _run(self, application: Application) -> None:
        await asyncio.sleep(self._options.argocd_pickup_seconds)
        operation = copy.deepcopy(application.body["operation"])
        started = timestamp(self._state.clock.now())
        running: Json = {"operation": operation, "phase": "Running", "startedAt": started}
        application.status["operationState"] = running
        self._state.changed(application)
        sync = operation["sync"]
        given = sync.get("revisions") or [sync.get("revision")]
        wanted = [self._state.resolve(source, sha) for source, sha in zip(application.sources, given, strict=False)]
        known = [sha for sha in wanted if sha is not None]
        result: Json = {**application.by_revision([sha or "" for sha in given]), **application.by_source()}
        if len(known) < len(wanted):
            await self._work(application, self._duration(application))
            running["syncResult"] = result
            self._finish(application, "Error", _UNKNOWN_REVISION.format(revision=given[0]))
            return
        result.update(application.by_revision(known))
        fails = next((found.fails for sha in known if (found := self._state.revisions.get(sha)) and found.fails), None)
        if fails is not None:
            running.update({"syncResult": result, "message": "waiting for healthy state of /ConfigMap/web"})
            application.partly_applied = True
            self.compare(application)
        await self._work(application, self._duration(application))
        running["syncResult"] = result
        message, hook = _applied(application, known), "Running" if fails is None else "Succeeded"
        result["resources"] = [self._resource(application, "Synced", message, hook)]
        if application.terminating.is_set():
            self._finish(application, "Failed", "Operation terminated")
        elif fails is not None:
            result["resources"].append(self._resource(application, "SyncFailed", fails, "Failed", name="bad"))
            self._finish(application, "Failed", _FAILED.format(reason=fails))
        else:
            if not sync.get("dryRun"):
                sources = sync.get("sources") or [sync.get("source") or application.sources[0]]
                live = Live(
                    revisions=tuple(known),
                    sources=tuple(sources),
                    images=tuple(self._state.images(application, sources, known)),
                )
                result["resources"] += self._prune(application, live, prune=bool(sync.get("prune")))
                self._go_live(application, live, user=dict(operation.get("initiatedBy") or {}), started=started)
            self._finish(application, "Succeeded", "successfully synced (all tasks run)")

    def _prune(self, application: Application, live: Live, *, prune: bool) -> list[Json]:
        """Delete what is wanted no more, or leave it and report that; the operation succeeds either way."""
        left = left_behind(self._state, application, live)
        application.leftover = [] if prune else left
        outcome = {"status": "Pruned", "message": "pruned"}
        if not prune:
            outcome = {"status": "PruneSkipped", "message": "ignored (requires pruning)"}
        return resources(application, left, **outcome, hookPhase="Succeeded", syncPhase="Sync")

    async def _work(self, application: Application, seconds: float) -> None:
        """Take a while, unless somebody terminates the operation."""
        with suppress(TimeoutError):
            await asyncio.wait_for(application.terminating.wait(), seconds)

    def _finish(self, application: Application, phase: str, message: str) -> None:
        application.status["operationState"].update(
            {
                "phase": phase,
                "message": message,
                "finishedAt": timestamp(self._state.clock.now()),
            }
        )
        del application.body["operation"]
        application.terminating.clear()
        self._state.changed(application)
        self.compare_soon(application)

    def _go_live(self, application: Application, live: Live, *, user: Json, started: str) -> None:
        now = self._state.clock.now()
        application.out_of_sync = application.partly_applied = False
        application.healthy_at = now + application.progressing_seconds
        application.live = live
        record_history(application, now=timestamp(now), started=started, user=user)
        if application.progressing_seconds:
            self._spawn(self._compare_later(application, application.progressing_seconds + _TICK_SECONDS))

    def _auto_sync(self, application: Application) -> None:
        """Sync an automated application once per wanted state; a failed try is not repeated, as without selfHeal."""
        status = application.status
        if not application.automated or status["sync"]["status"] != "OutOfSync" or "operation" in application.body:
            return
        if not can_sync(application.sync_windows, manual=False):
            return
        wanted = {name: value for name, value in status["sync"].items() if name in ("revision", "revisions")}
        last = status.get("operationState") or {}
        tried = {name: value for name, value in (last.get("syncResult") or {}).items() if name in wanted}
        if tried == wanted and last["syncResult"].get("sources", last["syncResult"].get("source")) in (
            application.sources,
            application.sources[0],
        ):
            return
        prune = {"prune": True} if application.auto_prunes else {}
        self.start(
            application,
            {
                "sync": {**wanted, **prune, **application.by_source()},
                "initiatedBy": {"automated": True},
                "retry": {"limit": 5},
            },
        )

    def _resource(self, application: Application, status: str, message: str, phase: str, *, name: str = "web") -> Json:
        return {
            "group": "",
            "version": "v1",
            "kind": "ConfigMap",
            "name": name,
            "status": status,
            "message": message,
            "namespace": application.body["spec"]["destination"].get("namespace", ""),
            "hookPhase": phase,
            "syncPhase": "Sync",
        }

    def _duration(self, application: Application) -> float:
        return self._options.argocd_sync_seconds if application.sync_seconds is None else application.sync_seconds

    def _lag(self, application: Application) -> float:
        return (
            self._options.argocd_reconcile_seconds
            if application.reconcile_seconds is None
            else application.reconcile_seconds
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _applied(application: Application, revisions: Sequence[str]) -> str:
    if application.live is None:
        return "configmap/web created"
    return f"configmap/web {'unchanged' if application.live.revisions == tuple(revisions) else 'configured'}"
