"""What a look for drift costs: 5,000 monitors of one Argo CD that answers over its real adapter.

`python -m tests.bench.drifting` looks in a process of its own, whose memory is what a worker needs on top of its code.
"""

import asyncio
import json
import re
import resource
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import httpx

from activities.drift.looks import DriftLooks
from activities.models.drift import InstanceRef, LookForDriftInput
from crds.api.ports import ApiResource, Document, Kubernetes, Page
from crds.fields import format_time
from providers.argocd.wire import read_fingerprints
from providers.documents import document
from tests.activities.cluster import shop
from tests.activities.fakes import FakeOpener
from tests.bench.rows import Row
from tests.providers.hosts import FakeHost, argocd

MONITORS, PROJECTS, LOOKS = 5_000, 2, 5
REVISION = "a" * 40
FIELDS_BYTES = 900
"""What one application has in the fields that are asked for: images and addresses for the most part."""


def listed(number: int) -> dict[str, Any]:
    """Return an application as a list with fields shows it."""
    images = [f"registry.example/team-{number % 50}/web:sha-{REVISION}", "registry.example/proxy:v1.2.3"]
    return {
        "metadata": {"name": f"web-{number}", "namespace": "argocd"},
        "status": {
            "sync": {"status": "Synced"},
            "health": {"status": "Healthy"},
            "summary": {"images": images, "externalURLs": ["https://web.example/" + "x" * (FIELDS_BYTES - 400)]},
            "operationState": {"phase": "Succeeded", "finishedAt": "2026-01-01T12:00:00Z"},
        },
    }


def monitor(number: int, seen: str) -> Document:
    """Return a monitor that reports that all is in place."""
    now = format_time(datetime.now(UTC))
    spec = {
        "trackerRef": {"name": f"web-{number}"},
        "environment": "staging",
        "deployment": "web",
        "application": f"web-{number}",
        "project": f"shop-{number % PROJECTS}",
        "instanceRef": {"name": "argocd"},
        "repositoryRef": {"name": "web"},
        "revision": REVISION,
        "promotedAt": now,
    }
    status = {"observedGeneration": 1, "drifted": False, "since": now, "lastCheckedAt": now, "seen": seen}
    name = f"staging-web-{number:06d}"
    metadata = {"name": name, "namespace": "shop", "uid": name, "generation": 1, "resourceVersion": str(number + 1)}
    return {
        "apiVersion": "pilotage.dev/v1alpha1",
        "kind": "DriftMonitor",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


@dataclass
class Monitors:
    """An API server with many monitors, each page of which is made as it is asked for."""

    others: Any = field(default_factory=shop)
    seen: dict[int, str] = field(default_factory=dict)

    async def get(self, kind: ApiResource, namespace: str | None, name: str) -> Document:
        return cast("Document", await self.others.get(kind, namespace, name))

    async def list_page(
        self, _kind: ApiResource, _namespace: str | None, *, limit: int, continue_token: str | None
    ) -> Page:
        begin = int(continue_token or 0)
        end = min(begin + limit, MONITORS)
        items = tuple(monitor(number, self.seen[number]) for number in range(begin, end))
        return Page(items=items, resource_version="1", continue_token=str(end) if end < MONITORS else None)


async def look() -> dict[str, object]:
    """Look at all monitors a few times; return what it took."""
    host, monitors = FakeHost(), Monitors()
    for project in range(PROJECTS):
        body = {"items": [listed(number) for number in range(MONITORS) if number % PROJECTS == project]}
        for one, digest in read_fingerprints(document(body)):
            monitors.seen[int(one.name.removeprefix("web-"))] = digest
        content = json.dumps(body).encode()
        host.on("GET", rf"/api/v1/applications\?.*projects=shop-{project}\b.*", httpx.Response(200, content=content))
    first = httpx.Response(
        200, json={"metadata": {"name": "web-0", "namespace": "argocd"}, "spec": {"project": "shop-0"}}
    )
    host.on("GET", r"/api/v1/applications/.*", first)
    looks = DriftLooks(cast("Kubernetes", monitors), FakeOpener(argocd=argocd(host.http())))
    request = LookForDriftInput(instance=InstanceRef(namespace="shop", name="argocd", uid="uid-argocd"))
    began = time.monotonic()
    found = [await looks.look(request) for _ in range(LOOKS)]
    seconds = (time.monotonic() - began) / LOOKS
    lists = sum(re.search(r"/applications\?", path) is not None for path in host.paths())
    return {
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": round(seconds, 2),
        "lists_per_project_and_look": lists / LOOKS / PROJECTS,
        "monitors": found[-1].monitors,
        "readings": sum(len(one.readings) for one in found),
    }


async def measure_drift() -> list[Row]:
    """Return the rows, measured in a process of their own."""
    command = (sys.executable, "-m", "tests.bench.drifting")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:])} ended with {process.returncode}")
    # Log lines come before it.
    found = json.loads(output.splitlines()[-1])
    return [
        Row(
            name=f"list calls per project and look for drift at {MONITORS:,} monitors",
            value=found["lists_per_project_and_look"],
            target=1,
            detail=found,
        ),
        Row(
            name=f"memory of a process that looks at {MONITORS:,} monitors",
            value=round(found["peak_mb"]),
            target=700,
            unit="MB",
            detail=found,
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(look())))
