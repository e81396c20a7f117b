"""One team's shop: its namespace, its samples, its part of the stand-ins' world, and what came of it."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.local.demo.hosts import GITHUB, at_host
from deploy.local.demo.world import TRACKER, SandboxClient
from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.binaries import find
from deploy.local.environment.processes import ROOT
from providers.jenkins.wire import KEY_PARAMETER
from tests.e2e.cluster import Cluster, Document
from tests.e2e.samples import at_jenkins, sample_documents, world

DEADLINE_SECONDS = 90.0
LOOK_SECONDS = 0.3
COMMAND_SECONDS = 120.0
DECLARED = ("ScmProvider", "TestRunner", "ArgoCDInstance", "GitRepository", "Environment", "PromotionPolicy")

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen], holds: Callable[[Seen], object], what: str, seconds: float) -> Seen:
    """Look until it holds; the last look is part of the failure."""
    deadline = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s; last seen: {seen}"
        time.sleep(LOOK_SECONDS)
    return seen


class Shop:
    """Everything of it has its own name, so that shops disturb neither each other nor what came before."""

    def __init__(
        self,
        name: str,
        environment: LocalEnvironment,
        cluster: Cluster,
        *,
        as_shipped: bool = False,
        host: str = GITHUB,
    ) -> None:
        """`as_shipped` keeps the CI systems that the samples name; else all tests run at Jenkins."""
        self.name = name
        self.host = host
        self.namespace = f"shop-{name}"
        self.environment = environment
        self.cluster = cluster
        self.sandbox = SandboxClient(environment.sandbox_url)
        self._made_at = time.time()
        self.documents = sample_documents(
            namespace=self.namespace, repository=name, sandbox_url=environment.sandbox_url
        )
        if not as_shipped:
            self.documents = at_jenkins(self.documents, name)
        self.documents = at_host(self.documents, host)

    def document(self, kind: str, name: str) -> Document:
        """Return a sample, to be changed before it is applied or to be applied again."""
        return next(one for one in self.documents if one["kind"] == kind and one["metadata"]["name"] == name)

    def open(self, *, merged: bool = True, **jobs: Document) -> "Shop":
        """Seed the stand-ins, and create the namespace; `e2e={"result": "FAILURE"}` scripts how a job goes."""
        self.sandbox.post("/_seed", world(self.name, merged=merged, host=self.host))
        for job, outcome in jobs.items():
            self.job(job, **outcome)
        self.cluster.apply(next(one for one in self.documents if one["kind"] == "Namespace"))
        return self

    def close(self) -> None:
        """Delete what costs calls as long as it is there, which later tests would pay for: what waits or is listed."""
        # Other connections are checked when they go, and else every ten minutes: they cost less where they are.
        for kind in ("PullRequestTracker", "GitRepository"):
            for one in self.cluster.list(kind, self.namespace):
                self.cluster.delete(kind, self.namespace, one["metadata"]["name"])

    def apply(self, kind: str, name: str) -> None:
        """Apply one sample as it is now."""
        self.cluster.apply(self.document(kind, name))

    def apply_all(self, *but: str) -> "Shop":
        """Apply every sample, the tracker last; `but` names what is left out, as `TestRunner/jenkins`."""
        for one in self.documents:
            if f"{one['kind']}/{one['metadata']['name']}" not in but:
                self.cluster.apply(one)
        return self

    def write_samples(self, path: Path) -> Path:
        """Write the samples to a file for kubectl."""
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": self.documents}))
        return path

    def status(self, tracker: str = TRACKER) -> Document:
        """Return the tracker's status."""
        found = self.cluster.get("PullRequestTracker", self.namespace, tracker)
        return dict(found.get("status") or {})

    def until(
        self,
        holds: Callable[[Document], object],
        what: str,
        *,
        tracker: str = TRACKER,
        seconds: float = DEADLINE_SECONDS,
    ) -> Document:
        """Wait for the tracker's status to be as wanted."""
        return until(lambda: self.status(tracker), holds, f"{self.name}/{tracker}: {what}", seconds)

    def until_state(self, state: str, *, tracker: str = TRACKER, seconds: float = DEADLINE_SECONDS) -> Document:
        """Wait for a state."""
        return self.until(lambda seen: seen.get("state") == state, state, tracker=tracker, seconds=seconds)

    def until_waiting(
        self, what: str, *texts: str, tracker: str = TRACKER, seconds: float = DEADLINE_SECONDS
    ) -> Document:
        """Wait until the tracker waits for `what` and shows each of the texts about it; return `waitingFor`."""

        def waits(status: Document) -> bool:
            waiting = status.get("waitingFor") or {}
            text = json.dumps(waiting)
            return waiting.get("what") == what and all(part in text for part in texts)

        wanted = f"waitingFor {what} with {texts}"
        return dict(self.until(waits, wanted, tracker=tracker, seconds=seconds)["waitingFor"])

    def until_presented(self, state: str, number: int = 412) -> Document:
        """Wait until the pull request shows it: its presentation comes after the status, its comment last of all.

        Returns the pull request as the host has it.
        """

        def presented(pull: Document) -> bool:
            return any(f"Pilotage: {state}" in body for body in pull["comments"])

        return until(lambda: self.pull(number), presented, f"{self.name}#{number} shows {state}", DEADLINE_SECONDS)

    def conditions(self, kind: str, name: str) -> dict[str, Document]:
        """Return an object's conditions by type."""
        status = self.cluster.get(kind, self.namespace, name).get("status") or {}
        return {one["type"]: one for one in status.get("conditions", ())}

    def pilotage(self, *arguments: str, code: int = 0) -> str:
        """Run the command line in this namespace and return what it printed."""
        return self._run([sys.executable, "-m", "worker", "-n", self.namespace, *arguments], code)

    def kubectl(self, *arguments: str, code: int = 0) -> str:
        """Run kubectl in this namespace and return what it printed, errors included."""
        config = f"--kubeconfig={self.environment.kubeconfig}"
        return self._run([str(find("kubectl")), config, "-n", self.namespace, *arguments], code)

    def temporal(self, *arguments: str) -> str:
        """Run the temporal command line."""
        return self._run([str(find("temporal")), *arguments, "--address", self.environment.temporal_address], 0)

    def _run(self, command: list[str], code: int) -> str:
        variables = {**os.environ, **self.environment.shared_environment()}
        done = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        assert done.returncode == code, f"{command[1:]}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def job(self, job: str, **outcome: Any) -> None:
        """Script how the next builds of a job go, or how a running one ends."""
        self.sandbox.post("/_jenkins/result", {"job": f"{self.name}/{job}", **outcome})

    def deploy(self, place: str, revision: str) -> None:
        """Deploy as the team's own pipeline does."""
        self.sandbox.post("/_argocd/deploy", {"app": f"{self.name}-{place}", "revision": revision})

    def script(self, system: str, match: str, action: str, **more: Any) -> int:
        """Let calls of this shop go wrong; returns the rule's number."""
        rule = {"system": system, "match": match, "action": action, **more}
        return int(self.sandbox.post("/_script", rule)["id"])

    def unscript(self, number: int) -> None:
        """Take a rule back."""
        with httpx.Client(base_url=self.environment.sandbox_url, trust_env=False) as client:
            client.delete("/_script", params={"id": number}).raise_for_status()

    def builds(self, job: str) -> list[Document]:
        """Return a job's builds, oldest first."""
        return list(self.sandbox.state()["jenkins"]["jobs"][f"{self.name}/{job}"])

    def running(self) -> dict[str, Any]:
        """Return what each application runs, by environment."""
        apps = self.sandbox.state()["argocd"]
        return {place: apps[f"{self.name}-{place}"]["live"][0] for place in ("dev", "staging", "prod")}

    def pull(self, number: int = 412) -> Document:
        """Return a pull request as the host has it."""
        return dict(self.sandbox.state()["github"][f"acme/{self.name}"]["pulls"][str(number)])

    def repository(self) -> Document:
        """Return the repository as the host has it."""
        return dict(self.sandbox.state()["github"][f"acme/{self.name}"])

    def journal(self, system: str) -> list[Document]:
        """Return what a system was asked about this shop, and not about one before it, of a test that is repeated."""
        marks = {"jenkins": f"/job/{self.name}/", "argocd": f"/{self.name}-"}
        asked = self.sandbox.journal(system, marks.get(system, f"/{self.name}/"))
        return [entry for entry in asked if entry["time"] >= self._made_at]

    def triggers(self) -> Counter[str]:
        """Count the triggers that Jenkins accepted, by promotion key."""
        return Counter(
            str({**(entry.get("query") or {}), **(entry["body"] or {})}[KEY_PARAMETER])
            for entry in self.journal("jenkins")
            if entry["method"] == "POST" and entry["path"].endswith("/buildWithParameters") and entry["accepted"]
        )

    def runs(self) -> Counter[str]:
        """Count the runs at all CI systems, by promotion key."""
        seen, name = self.sandbox.state(), f"acme/{self.name}"
        given = [
            build["parameters"] for path, job in seen["jenkins"]["jobs"].items() for build in job if self._own(path)
        ]
        given += [run["inputs"] for run in seen["github"][name]["runs"]]
        given += [pipeline["variables"] for pipeline in seen["gitlab"].get(name, ())]
        return Counter(str(one.get(KEY_PARAMETER) or one.get(KEY_PARAMETER.lower())) for one in given)

    def _own(self, job: str) -> bool:
        return job.startswith(f"{self.name}/")

    def patches(self) -> list[tuple[str, str]]:
        """Return (environment, revision) of each write that Argo CD accepted, in order."""
        written = []
        for entry in self.journal("argocd"):
            if entry["method"] == "PATCH" and entry["accepted"]:
                application = entry["path"].rpartition("/")[2]
                written.append((application.removeprefix(f"{self.name}-"), _revision(entry["body"])))
        return written


def _revision(body: Any) -> str:
    """Find the target revision in an application patch, which travels as text inside JSON."""
    patch = body.get("patch") if isinstance(body, dict) else None
    changes = json.loads(patch) if isinstance(patch, str) else patch
    if isinstance(changes, list):
        changes = {"changes": changes}
    return _find(changes, "targetRevision") or ""


def _find(value: Any, name: str) -> str | None:
    if isinstance(value, dict):
        if str(value.get("path", "")).endswith(name) and value.get("op") in ("replace", "add"):
            return str(value["value"])
        if name in value:
            return str(value[name])
        return next((found for item in value.values() if (found := _find(item, name))), None)
    if isinstance(value, list):
        return next((found for item in value if (found := _find(item, name))), None)
    return None
