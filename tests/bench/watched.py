"""What a whole worker needs while 5,000 applications are watched, on real servers with a stand-in of Argo CD."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activities.drift.monitors import monitor_name
from crds.api.ports import Document, resource_of
from crds.fields import format_time
from crds.v1alpha1.drift_monitor import DriftMonitor, MonitorLabel
from deploy.local.demo.world import NAMESPACE
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.sandbox.seed import PROJECT
from tests.bench.drifting import MONITORS
from tests.bench.rows import Row
from tests.bench.scene import SOURCE, Scene, application
from tests.bench.stage import Report, Stage

TIMINGS = {"drift_interval": 20.0}
SCENE = Scene(repositories=1)
LOOKS = 4
"""After the one that all monitors were written at."""
LIMIT_SECONDS = 900.0
_AT_ONCE = 16
_SEEDED = 1000
_KIND = resource_of(DriftMonitor.definition)


async def measure_watched(stage: Stage, report: Report) -> list[Row]:
    """Return the row: the worker's memory at its greatest."""
    await _seed(stage)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def make(number: int) -> None:
        async with gate:
            await stage.kubernetes.create(_KIND, NAMESPACE, _monitor(stage.scene, number))

    await asyncio.gather(*map(make, range(MONITORS)))
    report(f"{MONITORS} monitors are there; waiting until each shows that all is in place")
    deadline = time.monotonic() + LIMIT_SECONDS
    while (written := await _written(stage)) < MONITORS:
        if time.monotonic() > deadline:
            raise LocalEnvironmentError(f"{written} of {MONITORS} monitors show something after {LIMIT_SECONDS:.0f} s")
        await asyncio.sleep(2)
    seen = len(await stage.calls(_is_list))
    await stage.await_calls(_is_list, count=seen + LOOKS, limit_seconds=LIMIT_SECONDS)
    peaks = {name: _peak_megabytes(stage.environment.pid(name)) for name in ("worker-1", "watcher-1")}
    return [
        Row(
            name=f"memory of a whole worker at {MONITORS:,} monitors, at its greatest",
            value=round(peaks["worker-1"]),
            target=700,
            unit="MB",
            detail={"watcher_mb": round(peaks["watcher-1"]), "looks": len(await stage.calls(_is_list))},
        )
    ]


async def _seed(stage: Stage) -> None:
    """Give the stand-in an application for each monitor, alike to that of the scene."""
    [name] = stage.scene.names
    alike: dict[str, Any] = stage.scene.seed()["argocd"]["apps"][application(name, SOURCE)]
    for begin in range(0, MONITORS, _SEEDED):
        apps = {_watched(number): alike for number in range(begin, min(begin + _SEEDED, MONITORS))}
        await asyncio.to_thread(stage.sandbox.post, "/_seed", {"argocd": {"apps": apps}})


def _watched(number: int) -> str:
    return f"watched-{number}"


def _monitor(scene: Scene, number: int) -> Document:
    [name] = scene.names
    spec: dict[str, Any] = {
        "trackerRef": {"name": f"{name}-1"},
        "environment": SOURCE,
        # As one of the applications that a selector of it found.
        "deployment": f"{name}/{_watched(number)}",
        "application": _watched(number),
        "project": PROJECT,
        "instanceRef": {"name": "argocd"},
        "repositoryRef": {"name": name},
        "revision": scene.merge_sha(name, 1),
        "promotedAt": format_time(datetime.now(UTC)),
    }
    document = scene.resource("DriftMonitor", monitor_name(SOURCE, spec["deployment"], spec["application"]), spec)
    document["metadata"]["labels"] = {MonitorLabel.TRACKER.value: "watched"}
    return document


async def _written(stage: Stage) -> int:
    page = await stage.kubernetes.list_all(_KIND, NAMESPACE)
    return sum((one.get("status") or {}).get("drifted") is False for one in page.items)


def _is_list(call: Any) -> bool:
    return bool(call["system"] == "argocd" and call["path"].endswith("/applications"))


def _peak_megabytes(pid: int) -> float:
    # proc_pid_status(5): the resident set at its greatest, in kB.
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000
