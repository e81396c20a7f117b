"""Events of Flux at the receiver: how soon they are accepted while the host is slow, how many, and what is posted."""

import asyncio
import hashlib
import hmac
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.local.demo.world import NAMESPACE
from deploy.local.environment.coroutines import to_the_end
from deploy.local.environment.resources import kubectl
from deploy.local.sandbox.seed import GITHUB_TOKEN
from tests.bench.rows import AT_LEAST, Row, rounded, spread
from tests.bench.stage import LOOK_SECONDS, Stage
from worker.receiver.flux_senders import TOKEN_KEY

RATE, SECONDS = 100, 10
"""Events per second, and for how long."""
CONTEXTS = 50
AT_ONCE = 32
"""Senders that send as fast as they are answered."""
BURST = 100
"""Events of one context, as fast as they are accepted."""
HOST_SECONDS = 0.3
"""How long the host takes for each status."""
ACCEPT_TARGET_MILLISECONDS = 250.0
_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
_CLUSTER, _KEY = "cluster", "a-key-of-the-benchmark"
_CONSENT = {"pilotage.dev/credential": "true"}
_SETTLED_SECONDS = 120.0


async def measure_storm(stage: Stage) -> list[Row]:
    """Send the storm, then as fast as is accepted, then one burst; each time wait until the host shows the newest."""
    await _declare(stage)
    sender = _Sender(stage)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        await sender.until_known(client)
        storm = await sender.storm(client)
        posted = await sender.until_shown()
        began, used = time.monotonic(), stage.usage()
        fast = await sender.as_fast_as_accepted(client, RATE * SECONDS)
        lasted, spent = time.monotonic() - began, stage.usage()
        await sender.until_shown()
        before = len(await sender.posts())
        burst = await sender.as_fast_as_accepted(client, BURST, contexts=1)
        await sender.until_shown()
        writes = len(await sender.posts()) - before
    late = [1000 * seconds for seconds, _ in storm]
    return [
        Row(
            name=f"event of Flux accepted at {RATE}/s while the host takes {1000 * HOST_SECONDS:.0f} ms, p99",
            value=rounded(_percentile(late, 0.99)),
            target=ACCEPT_TARGET_MILLISECONDS,
            unit="ms",
            detail={"measured_ms": spread(late), "codes": _codes(storm)},
        ),
        Row(name="event of Flux accepted, p50", value=rounded(_percentile(late, 0.5)), unit="ms"),
        Row(
            name="events of Flux accepted",
            value=rounded(len(fast) / lasted),
            target=RATE,
            bound=AT_LEAST,
            unit="per s",
            detail={
                "senders": AT_ONCE,
                "codes": _codes(fast),
                "cpu_ms_per_event": {
                    name: rounded(1000 * (seconds - used.cpu_seconds[name]) / len(fast))
                    for name, seconds in spent.cpu_seconds.items()
                    if seconds > used.cpu_seconds[name]
                },
            },
        ),
        Row(name="commit statuses posted", value=rounded(posted), unit="per s", detail={"contexts": CONTEXTS}),
        Row(name=f"writes per burst of {BURST} events of one context", value=writes, detail={"codes": _codes(burst)}),
    ]


class _Sender:
    """Signs events of one cluster, and knows which one of each context was accepted last."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._repository = stage.scene.names[0]
        self._commit = stage.scene.merge_sha(self._repository, 1)
        self._url = f"{stage.environment.http_url('receiver-1')}/flux/{NAMESPACE}/{_CLUSTER}"
        self._numbers = itertools.count(1)
        self._newest: dict[str, int] = {}
        self._origin = datetime.now(UTC)

    async def until_known(self, client: httpx.AsyncClient) -> None:
        """Send until the receiver knows the CommitStatus."""
        async with asyncio.timeout(30):
            while True:
                code, reason = await self._send(client, "context-0")
                if (code, reason) == (202, "1 commit status"):
                    return
                await asyncio.sleep(0.2)

    async def storm(self, client: httpx.AsyncClient) -> list[tuple[float, int]]:
        """Send at a steady rate, whatever the answers take; return how long each took, and its code."""
        began = time.monotonic()
        tasks: list[asyncio.Task[tuple[float, int]]] = []
        for number in range(RATE * SECONDS):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(self._timed(client, f"context-{number % CONTEXTS}")))
        return await asyncio.gather(*tasks)

    async def as_fast_as_accepted(
        self, client: httpx.AsyncClient, events: int, contexts: int = CONTEXTS
    ) -> list[tuple[float, int]]:
        """Send with so many senders at once."""
        names = iter([f"context-{number % contexts}" for number in range(events)])

        async def one_after_the_other(own: Iterator[str]) -> list[tuple[float, int]]:
            return [await self._timed(client, name) for name in own]

        return list(itertools.chain(*await asyncio.gather(*(one_after_the_other(names) for _ in range(AT_ONCE)))))

    async def until_shown(self) -> float:
        """Wait until the host shows the newest event of each context; return the statuses that it took a second."""
        deadline = time.monotonic() + _SETTLED_SECONDS
        while True:
            posts = await self.posts()
            shown = {one["body"]["context"]: one["body"]["description"] for one in posts}
            missing = [name for name, number in self._newest.items() if shown.get(_context(name)) != _message(number)]
            if not missing:
                times = [one["time"] for one in posts]
                return len(posts) / max(float(times[-1] - times[0]), HOST_SECONDS)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} contexts do not show their newest event: {missing[:3]}")
            await asyncio.sleep(10 * LOOK_SECONDS)

    async def posts(self) -> Sequence[Mapping[str, Any]]:
        """Return the statuses that the host took, in order."""
        path = f"/repos/acme/{self._repository}/statuses/"
        return await self._stage.calls(
            lambda one: one["accepted"] and one["method"] == "POST" and path in f"{one['path']}"
        )

    async def _timed(self, client: httpx.AsyncClient, name: str) -> tuple[float, int]:
        began = time.monotonic()
        code, _ = await self._send(client, name)
        return time.monotonic() - began, code

    async def _send(self, client: httpx.AsyncClient, name: str) -> tuple[int, str]:
        number = next(self._numbers)
        body = json.dumps(_event(name, number, self._commit, self._origin)).encode()
        digest = hmac.new(_KEY.encode(), body, hashlib.sha256).hexdigest()
        answer = await client.post(self._url, content=body, headers={"X-Signature": f"sha256={digest}"})
        if answer.status_code == httpx.codes.ACCEPTED:
            self._newest[name] = max(number, self._newest.get(name, 0))
        return answer.status_code, answer.json()["reason"]


def _event(name: str, number: int, commit: str, origin: datetime) -> dict[str, Any]:
    at = origin + timedelta(milliseconds=number)
    return {
        "involvedObject": {
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "name": name,
            "apiVersion": f"{_KUSTOMIZE}/v1",
        },
        "severity": "info" if number % 2 else "error",
        "timestamp": at.isoformat(),
        "message": _message(number),
        "reason": "ReconciliationSucceeded" if number % 2 else "HealthCheckFailed",
        # By bare keys, as notification-controller sends an event on.
        "metadata": {"revision": f"main@sha1:{commit}", "commit_status": "update"},
        "reportingController": "kustomize-controller",
    }


def _message(number: int) -> str:
    return f"event {number}"


def _context(name: str) -> str:
    return f"bench/kustomization/{NAMESPACE}/{name}"


async def _declare(stage: Stage) -> None:
    """Apply what the events are matched with, and have the host take its time."""
    host = stage.environment.sandbox_url
    provider = {
        "type": "github",
        "address": f"{host}/acme/{stage.scene.names[0]}",
        "secretRef": {"name": "flux-github"},
    }
    subscription = {
        "providerRef": {"name": "flux"},
        "prefix": "bench",
        "eventSources": [{"kind": "Kustomization", "name": "*"}],
    }
    items = [
        _secret(_CLUSTER, _KEY),
        _secret("flux-github", GITHUB_TOKEN),
        _object("Provider", "flux", provider),
        _object("CommitStatus", "flux", subscription),
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    arguments = ("apply", "-f", "-")
    config = stage.environment.kubeconfig
    await asyncio.to_thread(lambda: kubectl(config, *arguments, stdin=text, report=lambda _line: None))
    await to_the_end(lambda: stage.environment.start(receivers=1))
    rule = {"system": "github", "match": {"method": "POST"}, "action": "delay", "seconds": HOST_SECONDS}
    await asyncio.to_thread(stage.sandbox.post, "/_script", rule)


def _secret(name: str, token: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": _CONSENT}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {TOKEN_KEY: token}}


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "pilotage.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": dict(spec)}


def _codes(answers: Sequence[tuple[float, int]]) -> dict[str, int]:
    return {str(code): count for code, count in Counter(code for _, code in answers).items()}


def _percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
