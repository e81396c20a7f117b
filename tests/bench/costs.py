"""What a promotion costs in addition to time: requests to the API server, processor time, and bytes that stay."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from crds.rules.status_budget import size_of
from deploy.local.environment.resources import kubectl
from tests.bench.rows import Row, median, rounded
from tests.bench.stage import Stage
from tests.bench.usage import Usage, grouped

_SAMPLE = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<value>[0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_OURS = "pilotage.dev"
_LASTING = frozenset({"WATCH", "CONNECT"})
"""Verbs of requests that last: a watch begins again by itself, whatever is promoted."""


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Requests that the API server has answered until now: our kinds, Secrets, events and namespaces."""

    total: int
    writes: int
    """Writes of a status."""
    conflicts: int
    """Those of them that were refused because the object had changed."""
    by_kind: Mapping[str, int]

    def since(self, earlier: "Requests") -> "Requests":
        """Return what came in between."""
        kinds = Counter(self.by_kind)
        kinds.subtract(earlier.by_kind)
        return Requests(
            total=self.total - earlier.total,
            writes=self.writes - earlier.writes,
            conflicts=self.conflicts - earlier.conflicts,
            by_kind={name: count for name, count in kinds.most_common() if count},
        )


def read_requests(metrics: str) -> Requests:
    """Count requests in the API server's metrics."""
    kinds: Counter[str] = Counter()
    writes = conflicts = 0
    for sample in _SAMPLE.finditer(metrics):
        labels, count = dict(_LABEL.findall(sample["labels"])), int(float(sample["value"]))
        ours = labels.get("group") == _OURS or labels.get("resource") in ("secrets", "events", "namespaces")
        if not ours or labels.get("verb") in _LASTING:
            continue
        kinds[f"{labels['verb']} {labels['resource']}"] += count
        if labels.get("subresource") == "status":
            writes += count
            conflicts += count if labels.get("code") == "409" else 0
    return Requests(total=sum(kinds.values()), writes=writes, conflicts=conflicts, by_kind=dict(kinds))


async def measure_costs(
    stage: Stage, repositories: Sequence[str], work: Callable[[], Awaitable[list[Row]]]
) -> list[Row]:
    """Return the rows of the work, which promotes one hop of each repository, and what it cost."""
    before, used = await _requests(stage), stage.usage()
    rows = await work()
    between, after = (await _requests(stage)).since(before), stage.usage()
    hops = len(repositories)
    sizes = [size_of(one) for one in await stage.trackers()]
    histories = [
        (await one.describe()).raw_description.workflow_execution_info.history_size_bytes
        for one in [stage.promotion(name) for name in await _promotions(stage)]
    ]
    return [
        *rows,
        Row(
            name="Kubernetes requests per hop",
            value=rounded(between.total / hops),
            target=40,
            detail={"of": dict(list(between.by_kind.items())[:8]), "hops": hops},
        ),
        Row(
            name="conflicts per status write",
            value=rounded(between.conflicts / max(between.writes, 1)),
            target=0.1,
            detail={"writes": between.writes, "conflicts": between.conflicts},
        ),
        Row(
            name="processor seconds of the worker per hop",
            value=rounded(_seconds(used, after)["worker"] / hops),
            target=0.4,
            unit="s",
            detail={name: rounded(value / hops) for name, value in _seconds(used, after).items()},
        ),
        Row(
            name="bytes of a finished tracker",
            value=float(max(sizes)),
            target=8000,
            unit="B",
            detail={"p50": median(sizes)},
        ),
        Row(
            name="bytes of a promotion's history",
            value=float(median(histories)),
            unit="B",
            detail={"max": max(histories), "promotions": len(histories)},
        ),
    ]


def _seconds(before: Usage, after: Usage) -> dict[str, float]:
    spent = {name: used - before.cpu_seconds.get(name, 0.0) for name, used in after.cpu_seconds.items()}
    return grouped(spent, ("worker", "watcher", "temporal", "kube-apiserver", "etcd", "sandbox"))


async def _requests(stage: Stage) -> Requests:
    def read() -> str:
        return kubectl(stage.environment.kubeconfig, "get", "--raw", "/metrics", report=lambda line: None)

    return read_requests(await asyncio.to_thread(read))


async def _promotions(stage: Stage) -> list[str]:
    return [
        one["status"]["workflow"]["id"]
        for one in await stage.trackers()
        if one.get("status", {}).get("workflow", {}).get("id")
    ]
