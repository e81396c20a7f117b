"""What a short command costs: `pilotage get` against `kubectl get`, of an API server with one hundred trackers."""

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from crds.group import API_VERSION
from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.binaries import find
from deploy.local.environment.resources import kubectl
from tests.bench.rows import Row, median, rounded
from tests.bench.stage import Report

TRACKERS, SAMPLES = 100, 7


async def measure_commands(environment: LocalEnvironment, report: Report) -> list[Row]:
    """Return the processor time that a list of trackers takes, loading the program included."""
    return await asyncio.to_thread(_measure, environment, report)


def _measure(environment: LocalEnvironment, report: Report) -> list[Row]:
    kubectl(environment.kubeconfig, "apply", "-f", "-", stdin=_trackers(), report=report)
    variables = {**os.environ, "KUBECONFIG": str(environment.kubeconfig)}
    ours = [str(Path(sys.executable).parent / "pilotage"), "get", "-n", "default"]
    theirs = [str(find("kubectl")), "get", "prt", "-n", "default"]
    taken = {name: _seconds(command, variables) for name, command in (("pilotage", ours), ("kubectl", theirs))}
    return [
        Row(
            name="processor time of `pilotage get`",
            value=rounded(median(taken["pilotage"])),
            target=0.35,
            unit="s",
            detail={"kubectl get": rounded(median(taken["kubectl"])), "trackers": TRACKERS},
        )
    ]


def _seconds(command: Sequence[str], variables: dict[str, str]) -> list[float]:
    """Return the processor time of each run; the first one, which may compile modules, is left out."""
    found = []
    for _ in range(SAMPLES + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return found[1:]


def _trackers() -> str:
    trackers = [
        {
            "apiVersion": API_VERSION,
            "kind": "PullRequestTracker",
            "metadata": {"name": f"web-{number}", "namespace": "default"},
            "spec": {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"},
        }
        for number in range(1, TRACKERS + 1)
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": trackers})
