"""What the rows on real servers promote: repositories of their own, each from `dev` to `prod` by three tests a hop."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.local.demo.world import NAMESPACE, SAMPLES, SAMPLES_SANDBOX
from deploy.local.sandbox.seed import ARGOCD_TOKEN, GITHUB_TOKEN, JENKINS_TOKEN, JENKINS_USER, PROJECT
from tests.worlds.ticking import TESTS

SOURCE, MIDDLE, TARGET = "dev", "staging", "prod"
NEVER_SECONDS = 3600.0
"""Duration of builds that the benchmark itself ends."""
MERGED = 2
"""How many pull requests of each repository are merged already, where a scene names no other number."""
_API = "pilotage.dev/v1alpha1"
_OWNER = "acme"
_DEPLOYMENTS_PER_ENVIRONMENT = 100


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The world of one environment.

    Some pull requests of each repository are merged, and the first one runs in `dev`; with `open_pulls` each has
    that many open ones instead. The first `long` repositories go to `prod` through `staging`. Another tenant's scene
    may stand next to it, under names and in a namespace of its own.
    """

    repositories: int
    long: int = 0
    open_pulls: int = 0
    merged_pulls: int = MERGED
    run_seconds: float = NEVER_SECONDS
    namespace: str = NAMESPACE
    prefix: str = "app"
    neighbour: "Scene | None" = None

    def __post_init__(self) -> None:
        if self.repositories > _DEPLOYMENTS_PER_ENVIRONMENT:
            raise ValueError(f"an Environment holds at most {_DEPLOYMENTS_PER_ENVIRONMENT} deployments")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{number}" for number in range(1, self.repositories + 1))

    def road(self, name: str) -> tuple[str, ...]:
        """Return the environments that a repository's changes move through."""
        return (SOURCE, MIDDLE, TARGET) if name in self.names[: self.long] else (SOURCE, TARGET)

    def merge_sha(self, name: str, number: int) -> str:
        """Return the commit that merging a pull request produced."""
        return _sha(self.names.index(name), number, "d")

    def seed(self) -> dict[str, Any]:
        """Return the sandbox's world."""
        projects = {PROJECT: ["get", "sync", "update", "override"]}
        seed: dict[str, Any] = {
            "options": {"run_seconds": self.run_seconds, "jenkins_queue_seconds": 0.0},
            "github": {
                "tokens": {GITHUB_TOKEN: {"login": "pilotage-bot", "limit": 100_000_000}},
                "repos": {f"{_OWNER}/{name}": self._repository(index) for index, name in enumerate(self.names)},
            },
            "jenkins": {
                "users": {JENKINS_USER: {"token": JENKINS_TOKEN}},
                "jobs": {
                    job_of(name, test): {"parameters": list(_PARAMETERS)} for name in self.names for test in TESTS
                },
            },
            "argocd": {
                "tokens": {ARGOCD_TOKEN: {"subject": "pilotage", "projects": projects}},
                "apps": {
                    application(name, stage): self._application(index, name, stage)
                    for index, name in enumerate(self.names)
                    for stage in self.road(name)
                },
            },
        }
        if self.neighbour is not None:
            theirs = self.neighbour.seed()
            for system, what in (("github", "repos"), ("jenkins", "jobs"), ("argocd", "apps")):
                seed[system][what] |= theirs[system][what]
        return seed

    def _repository(self, index: int) -> dict[str, Any]:
        merged = 0 if self.open_pulls else self.merged_pulls
        root = _sha(index, 0, "d")
        commits: list[dict[str, Any]] = [{"sha": root, "message": "First", "files": {"README.md": "x"}}]
        pulls: list[dict[str, Any]] = []
        branches = {"main": _sha(index, merged, "d")}
        for number in range(1, (self.open_pulls or merged) + 1):
            head, base, merge = _sha(index, number, "a"), _sha(index, number - 1, "d"), _sha(index, number, "d")
            base = root if self.open_pulls else base
            commits.append({"sha": head, "parents": [base], "message": f"Change {number}", "files": {"a": str(number)}})
            branches[f"change-{number}"] = head
            pull: dict[str, Any] = {"number": number, "title": f"Change {number}", "author": "ada", "files": ["a"]}
            pull |= {"head": {"ref": f"change-{number}", "sha": head}, "base": {"ref": "main", "sha": base}}
            if not self.open_pulls:
                commits.append({"sha": merge, "parents": [base, head], "message": f"Merge {number}"})
                pull |= {"merged": True, "merge_sha": merge}
            pulls.append(pull)
        return {"commits": commits, "branches": branches, "pulls": pulls}

    def _application(self, index: int, name: str, stage: str) -> dict[str, Any]:
        arrived = stage == SOURCE and not self.open_pulls
        revision = _sha(index, 1 if arrived else 0, "d")
        return {
            "project": PROJECT,
            "revision": revision,
            "source": {
                "repoURL": f"https://github.example.com/{_OWNER}/{name}.git",
                "path": "deploy",
                "targetRevision": revision,
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": f"{name}-{stage}"},
        }

    def manifests(self, sandbox_url: str) -> str:
        """Return all resources but the trackers."""
        shared = [(SAMPLES / name).read_text() for name in ("00-namespace.yaml", "10-credentials.yaml")]
        shared.append((SAMPLES / "20-systems.yaml").read_text().replace(SAMPLES_SANDBOX, sandbox_url))
        ours = re.sub(
            rf"^  (name|namespace): {NAMESPACE}$", rf"  \1: {self.namespace}", "\n---\n".join(shared), flags=re.M
        )
        theirs = [self.neighbour.manifests(sandbox_url)] if self.neighbour is not None else []
        return "\n---\n".join([ours, *map(json.dumps, self._resources()), *theirs])

    def resource(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Return a resource of this tenant."""
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec}

    def tracker(self, repository: str, number: int = 1) -> dict[str, Any]:
        """Return the tracker of a pull request."""
        spec = {"repositoryRef": {"name": repository}, "number": number, "environment": SOURCE}
        return self.resource("PullRequestTracker", f"{repository}-{number}", spec)

    def _resources(self) -> Iterator[dict[str, Any]]:
        for stage in (SOURCE, MIDDLE, TARGET):
            deployments = [self._deployment(name, stage) for name in self.names if stage in self.road(name)]
            spec: dict[str, Any] = {"deployments": deployments}
            if stage != SOURCE:
                spec["write"] = {"argocd": {"set": "TargetRevision"}}
            if stage == TARGET:
                spec["final"] = True
            if deployments:
                yield self.resource("Environment", stage, spec)
        for name in self.names:
            host = {"scmProviderRef": {"name": "github"}, "github": {"owner": _OWNER, "name": name}}
            yield self.resource("GitRepository", name, host)
            for source, target in itertools.pairwise(self.road(name)):
                yield self.resource("PromotionPolicy", f"{name}-{source}", self._policy(name, source, target))

    def _deployment(self, name: str, stage: str) -> dict[str, Any]:
        argocd = {"instanceRef": {"name": "argocd"}, "project": PROJECT, "application": application(name, stage)}
        return {"name": name, "repositoryRef": {"name": name}, "argocd": argocd}

    def _policy(self, name: str, source: str, target: str) -> dict[str, Any]:
        parameters = {"REVISION": "${revision}", "PR": "${pullRequest.number}", "ENV": "${sourceEnvironment}"}
        tests = [
            {"name": test, "runnerRef": {"name": "jenkins"}, "job": job_of(name, test), "parameters": parameters}
            | {"required": True, "timeout": "2h"}
            for test in TESTS
        ]
        spec = {"sourceEnvironment": source, "targetEnvironment": target, "repositoryRefs": [{"name": name}]}
        return {**spec, "autoPromote": True, "timeout": "2h", "tests": tests}


_PARAMETERS = ("REVISION", "PR", "ENV", "PROMOTION_KEY")


def job_of(repository: str, test: str) -> str:
    """Return the Jenkins job of a test."""
    return f"{repository}/{test}"


def application(repository: str, stage: str) -> str:
    """Return the name of the Argo CD application."""
    return f"{repository}-{stage}"


def host_path(repository: str) -> str:
    """Return what the SCM host's addresses of a repository hold."""
    return f"/repos/{_OWNER}/{repository}/"


def _sha(repository: int, number: int, ending: str) -> str:
    return f"{repository:04x}{number:08x}".ljust(39, "0") + ending
