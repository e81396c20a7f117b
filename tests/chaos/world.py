"""What a chaos run promotes: many repositories, each with pull requests that stand on one another, and their places."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.demo.world import NAMESPACE, SAMPLES, SAMPLES_SANDBOX
from deploy.local.sandbox.seed import ARGOCD_TOKEN, GITHUB_TOKEN, JENKINS_TOKEN, JENKINS_USER, PROJECT

MOST_REPOSITORIES = 20
LEAST_PULLS = 3
STAGES = ("dev", "staging", "prod")
# One repository in three takes the long road; the others go from dev to prod at once.
LONG_ROAD_EVERY = 3
JOBS: Mapping[str, tuple[str, ...]] = {"dev": ("integration", "e2e"), "staging": ("smoke",)}
"""Required jobs by source environment."""
QUEUE_SECONDS, RUN_SECONDS, LIST_LAG_SECONDS = 0.2, 1.0, 2.0
LOST_REPLIES = 0.10
REFUSALS: Mapping[int, float] = {429: 0.017, 500: 0.017, 502: 0.017}
"""Share of all calls answered with each status: 5 % together."""
# One pull request in ten fails a required test for good: only what a newer change carries along may bring it on.
FAILING_EVERY, FAILING_OFFSET = 10, 2
_API = "pilotage.dev/v1alpha1"
_OWNER = "acme"
_PARAMETERS = ("REVISION", "PR", "ENV", "PROMOTION_KEY")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One pull request: `number` is also its place in the repository's straight line of merges, from 1."""

    repository: str
    number: int

    @property
    def tracker(self) -> str:
        return f"{self.repository}-{self.number}"


@dataclass(frozen=True, kw_only=True)
class World:
    """The repositories and changes of one run, from their number alone."""

    promotions: int

    @property
    def repositories(self) -> tuple[str, ...]:
        count = max(1, min(MOST_REPOSITORIES, self.promotions // LEAST_PULLS))
        return tuple(f"app{number}" for number in range(1, count + 1))

    def changes(self) -> Iterator[Change]:
        """Yield all changes in the order in which they are merged: one of each repository, then the next."""
        for index in range(self.promotions):
            number, repository = divmod(index, len(self.repositories))
            yield Change(repository=self.repositories[repository], number=number + 1)

    def stages(self, repository: str) -> tuple[str, ...]:
        """Return the environments that a repository's changes move through."""
        long_road = self.repositories.index(repository) % LONG_ROAD_EVERY == 0
        return STAGES if long_road else (STAGES[0], STAGES[-1])

    def source(self, repository: str, stage: str) -> str | None:
        """Return the environment that a stage is promoted from; None for the first, and for a repository without it."""
        return {target: source for source, target in itertools.pairwise(self.stages(repository))}.get(stage)

    def pulls(self, repository: str) -> int:
        """Return how many changes a repository has."""
        return sum(change.repository == repository for change in self.changes())

    def fails(self, change: Change) -> bool:
        """Return whether a required test of the change never passes; never so for a repository's last one."""
        return change.number % FAILING_EVERY == FAILING_OFFSET and change.number < self.pulls(change.repository)

    def merge_sha(self, change: Change) -> str:
        """Return the commit that merging produces."""
        return _sha(self.repositories.index(change.repository), change.number, "d")

    def position(self, revision: str) -> tuple[str, int] | None:
        """Return the repository and the place in its line of a merge commit; 0 is the line's start."""
        if len(revision) != 40 or not revision.endswith("d"):
            return None
        return self.repositories[int(revision[4:8], 16)], int(revision[:4], 16)

    def seed(self) -> dict[str, Any]:
        """Return the sandbox's world before anything is merged."""
        return {
            "options": {
                "list_lag_seconds": LIST_LAG_SECONDS,
                "run_seconds": RUN_SECONDS,
                "jenkins_queue_seconds": QUEUE_SECONDS,
            },
            "github": {
                "tokens": {GITHUB_TOKEN: {"login": "pilotage-bot", "limit": 100_000_000}},
                "repos": {f"{_OWNER}/{name}": self._repository(name) for name in self.repositories},
            },
            "jenkins": {"users": {JENKINS_USER: {"token": JENKINS_TOKEN}}, "jobs": self._jobs()},
            "argocd": {
                "tokens": {
                    ARGOCD_TOKEN: {"subject": "pilotage", "projects": {PROJECT: ["get", "sync", "update", "override"]}}
                },
                "apps": {
                    f"{name}-{stage}": self._application(name, stage)
                    for name in self.repositories
                    for stage in self.stages(name)
                },
            },
        }

    def _repository(self, name: str) -> dict[str, Any]:
        index = self.repositories.index(name)
        root = _sha(index, 0, "d")
        heads = {number: _sha(index, number, "a") for number in range(1, self.pulls(name) + 1)}
        pulls = [
            {"number": number, "title": f"Change {number}", "author": "ada", "files": [f"{number}.txt"]}
            | {"head": {"ref": f"change-{number}", "sha": head}, "base": {"ref": "main", "sha": root}}
            for number, head in heads.items()
        ]
        commits = [{"sha": root, "message": "First", "files": {"README.md": name}}]
        commits += [
            {"sha": head, "parents": [root], "message": f"Change {number}", "files": {f"{number}.txt": "new"}}
            for number, head in heads.items()
        ]
        branches = {"main": root} | {f"change-{number}": head for number, head in heads.items()}
        return {"commits": commits, "branches": branches, "pulls": pulls}

    def _jobs(self) -> dict[str, Any]:
        failing: dict[str, dict[str, str]] = {name: {} for name in self.repositories}
        for change in self.changes():
            if self.fails(change):
                failing[change.repository][str(change.number)] = "FAILURE"
        jobs: dict[str, Any] = {}
        for name in self.repositories:
            for job in (job for jobs_of_stage in JOBS.values() for job in jobs_of_stage):
                jobs[f"{name}/{job}"] = {"parameters": list(_PARAMETERS)}
            outcome = {"parameter": "PR", "values": failing[name], "default": "SUCCESS"}
            jobs[f"{name}/{JOBS['dev'][0]}"]["result"] = outcome
        return jobs

    def _application(self, name: str, stage: str) -> dict[str, Any]:
        root = _sha(self.repositories.index(name), 0, "d")
        repository = f"https://github.example.com/{_OWNER}/{name}.git"
        return {
            "project": PROJECT,
            "revision": root,
            "source": {"repoURL": repository, "path": "deploy", "targetRevision": root},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": f"{name}-{stage}"},
        }

    def manifests(self, sandbox_url: str) -> str:
        """Return all resources but the trackers."""
        shared = [(SAMPLES / name).read_text() for name in ("00-namespace.yaml", "10-credentials.yaml")]
        shared.append((SAMPLES / "20-systems.yaml").read_text().replace(SAMPLES_SANDBOX, sandbox_url))
        ours = [self._environment(stage) for stage in STAGES]
        for name in self.repositories:
            spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": _OWNER, "name": name}}
            ours.append(_resource("GitRepository", name, spec))
            ours += [self._policy(name, source, target) for source, target in itertools.pairwise(self.stages(name))]
        return "\n---\n".join([*shared, *map(json.dumps, ours)])

    def _environment(self, stage: str) -> dict[str, Any]:
        deployments = [
            {
                "name": name,
                "repositoryRef": {"name": name},
                "argocd": {"instanceRef": {"name": "argocd"}, "project": PROJECT, "application": f"{name}-{stage}"},
            }
            for name in self.repositories
            if stage in self.stages(name)
        ]
        spec: dict[str, Any] = {"deployments": deployments}
        if stage != STAGES[0]:
            spec["write"] = {"argocd": {"set": "TargetRevision"}}
        if stage == STAGES[-1]:
            spec["final"] = True
        return _resource("Environment", stage, spec)

    def _policy(self, name: str, source: str, target: str) -> dict[str, Any]:
        tests = [
            {
                "name": job,
                "runnerRef": {"name": "jenkins"},
                "job": f"{name}/{job}",
                "parameters": {"REVISION": "${revision}", "PR": "${pullRequest.number}", "ENV": "${sourceEnvironment}"},
                "required": True,
                "timeout": "30m",
            }
            for job in JOBS[source]
        ]
        spec = {"sourceEnvironment": source, "targetEnvironment": target, "repositoryRefs": [{"name": name}]}
        return _resource("PromotionPolicy", f"{name}-{source}", {**spec, "autoPromote": True, "tests": tests})


def tracker(change: Change) -> dict[str, Any]:
    """Return the tracker of a change."""
    spec = {"repositoryRef": {"name": change.repository}, "number": change.number, "environment": STAGES[0]}
    return _resource("PullRequestTracker", change.tracker, spec)


def faults(seed: int) -> list[dict[str, Any]]:
    """Return the script that the stand-ins follow from beginning to end."""
    lost = {"action": "accept_then_drop", "probability": LOST_REPLIES}
    rules: list[dict[str, Any]] = [
        {**lost, "system": "jenkins", "match": "POST /buildWithParameters"},
        {**lost, "system": "argocd", "match": "PATCH /applications/"},
        {**lost, "system": "argocd", "match": "POST /sync"},
    ]
    rules += [
        # A limit without a time would keep everybody from the host for a minute each.
        {"action": "status", "status": status, "probability": share, "body": {"message": "chaos"}, "headers": named}
        for status, share in REFUSALS.items()
        for named in ({"Retry-After": "1"} if status == 429 else {},)
    ]
    return [{**rule, "random_seed": seed + number} for number, rule in enumerate(rules)]


def full_name(repository: str) -> str:
    """Return a repository's name at the host."""
    return f"{_OWNER}/{repository}"


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": _API, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def _sha(repository: int, number: int, ending: str) -> str:
    # The number first, so that the short forms that people see differ.
    return f"{number:04x}{repository:04x}".ljust(39, "0") + ending
