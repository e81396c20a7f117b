"""Applications, revisions and credentials as the Argo CD stand-in keeps them."""

import asyncio
import copy
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.sandbox.argocd_images import running_images
from deploy.local.sandbox.clock import Clock, timestamp
from deploy.local.sandbox.github_state import GitHubState, Repository
from deploy.local.sandbox.replies import Json

_FULL_SHA = re.compile(r"[0-9a-f]{40}")
_REPOSITORY_IN_URL = re.compile(r"[:/]([^/:]+/[^/]+?)(?:\.git)?/?$")
CONTROL_PLANE_NAMESPACE = "argocd"


@dataclass(kw_only=True)
class Revision:
    """What is special about one revision: how its sync fails, the images it brings, the health it ends in."""

    fails: str | None = None
    images: list[str] | None = None
    health: str = "Healthy"


@dataclass(frozen=True, kw_only=True)
class Live:
    """What was applied last: revisions by source, the sources as they were, the images."""

    revisions: tuple[str, ...]
    sources: tuple[Json, ...]
    images: tuple[str, ...]


@dataclass(kw_only=True)
class Application:
    """One Application object as the API shows it (`body`), and what only the stand-in knows."""

    body: Json
    base_images: list[str] = field(default_factory=list)
    live: Live | None = None
    health: str | None = None
    out_of_sync: bool = False
    sync_seconds: float | None = None
    reconcile_seconds: float | None = None
    progressing_seconds: float = 0.0
    healthy_at: float = 0.0
    terminating: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def project(self) -> str:
        return str(self.body["spec"].get("project", "default"))

    @property
    def status(self) -> Json:
        status: Json = self.body["status"]
        return status

    @property
    def sources(self) -> list[Json]:
        spec = self.body["spec"]
        return list(spec["sources"]) if spec.get("sources") else [spec["source"]]

    @property
    def multi_source(self) -> bool:
        return bool(self.body["spec"].get("sources"))

    @property
    def automated(self) -> bool:
        automated = (self.body["spec"].get("syncPolicy") or {}).get("automated")
        return automated is not None and automated.get("enabled") is not False

    def by_revision(self, revisions: Sequence[str]) -> Json:
        """Name revisions the way the API does: `revisions` for several sources, else `revision`."""
        return {"revisions": list(revisions)} if self.multi_source else {"revision": revisions[0]}

    def by_source(self) -> Json:
        return copy.deepcopy({"sources": self.sources} if self.multi_source else {"source": self.sources[0]})


@dataclass(kw_only=True)
class Account:
    """A token's owner; `projects` maps a project (or `*`) to the verbs allowed on its applications."""

    subject: str
    projects: dict[str, list[str]]
    issued_at: float = 0.0

    def may(self, verb: str, project: str) -> bool:
        return any(verb in self.projects.get(name, []) or "*" in self.projects.get(name, []) for name in (project, "*"))


class ArgoCDState:
    """All that the Argo CD stand-in remembers."""

    def __init__(self, clock: Clock, github: GitHubState) -> None:
        self.clock = clock
        self.applications: dict[str, Application] = {}
        self.revisions: dict[str, Revision] = {}
        self.tokens: dict[str, Account] = {}
        self.users: dict[str, str] = {}
        self.streams: set[asyncio.Queue[Json]] = set()
        self.resource_version = 660
        self._github = github

    def load(self, seed: Mapping[str, Any]) -> None:
        """Merge a seed's `argocd` part; a named application is replaced as a whole."""
        for token, wanted in (seed.get("tokens") or {}).items():
            self.tokens[token] = Account(issued_at=self.clock.now(), **wanted)
        self.users.update(seed.get("users") or {})
        for sha, wanted in (seed.get("revisions") or {}).items():
            self.revisions[sha] = Revision(**wanted)
        for name, wanted in (seed.get("apps") or {}).items():
            self._load_application(name, dict(wanted))

    def changed(self, application: Application, kind: str = "MODIFIED") -> None:
        """Give the object a new resourceVersion and tell all streams."""
        self.resource_version += 1
        application.body["metadata"]["resourceVersion"] = str(self.resource_version)
        if self.streams:
            event: Json = {"type": kind, "application": copy.deepcopy(application.body)}
            for stream in self.streams:
                stream.put_nowait(event)

    def repository_of(self, source: Mapping[str, Any]) -> Repository | None:
        match = _REPOSITORY_IN_URL.search(str(source.get("repoURL", "")))
        return self._github.repository(match[1]) if match else None

    def resolve(self, source: Mapping[str, Any], wanted: str | None = None) -> str | None:
        """Turn a target revision into what would be deployed; None for a commit or branch that does not exist."""
        target = wanted or str(source.get("targetRevision") or "HEAD")
        if source.get("chart"):
            return target
        if target in self.revisions or (_FULL_SHA.fullmatch(target) and self._github.revision_is_known(target)):
            return target
        repository = self.repository_of(source)
        return repository.graph.resolve(target) if repository is not None else None

    def images(self, application: Application, revisions: Sequence[str]) -> list[str]:
        """Work out what runs after a sync to these revisions."""
        sources = application.sources
        trees = [self._tree(source, revision) for source, revision in zip(sources, revisions, strict=True)]
        special = next((found.images for sha in revisions if (found := self.revisions.get(sha)) and found.images), None)
        return running_images(special or application.base_images, sources, trees, revisions[0])

    def summary(self) -> Json:
        return {
            name: {
                "project": application.project,
                "sources": application.sources,
                "live": list(application.live.revisions) if application.live else None,
                "images": list(application.live.images) if application.live else [],
                "sync": application.status["sync"]["status"],
                "health": application.status["health"]["status"],
                "phase": (application.status.get("operationState") or {}).get("phase"),
                "operation": "operation" in application.body,
            }
            for name, application in self.applications.items()
        }

    def _tree(self, source: Mapping[str, Any], revision: str) -> Mapping[str, str]:
        repository = self.repository_of(source)
        commit = repository.graph.commits.get(revision) if repository is not None else None
        return commit.tree if commit is not None else {}

    def _load_application(self, name: str, wanted: Json) -> None:
        """Build an Application; `revision` (or `revisions`) is what already runs, absent when never synced."""
        now = timestamp(self.clock.now())
        spec: Json = {}
        if "sources" in wanted:
            spec["sources"] = wanted.pop("sources")
        else:
            spec["source"] = wanted.pop("source")
        spec["destination"] = wanted.pop("destination", {"server": "https://kubernetes.default.svc", "namespace": name})
        spec["project"] = wanted.pop("project", "default")
        if wanted.pop("automated", False):
            spec["syncPolicy"] = {"automated": {}}
        spec.update(wanted.pop("spec", {}))
        metadata: Json = {
            "name": name,
            "namespace": CONTROL_PLANE_NAMESPACE,
            "uid": str(uuid.uuid4()),
            "resourceVersion": "0",
            "generation": 1,
            "creationTimestamp": now,
            "labels": wanted.pop("labels", {}),
            "annotations": wanted.pop("annotations", {}),
        }
        if owners := wanted.pop("owner_references", None):
            metadata["ownerReferences"] = owners
        live = wanted.pop("revisions", None) or [wanted.pop("revision", None)]
        application = Application(
            body={
                "metadata": metadata,
                "spec": spec,
                "status": {
                    "sync": {"status": "Unknown"},
                    "health": {"status": "Missing", "lastTransitionTime": now},
                    "summary": {},
                    "sourceType": wanted.pop("source_type", "Directory"),
                    "controllerNamespace": CONTROL_PLANE_NAMESPACE,
                },
            },
            base_images=wanted.pop("images", []),
            **wanted,
        )
        self.applications[name] = application
        if live[0] is not None:
            application.live = Live(
                revisions=tuple(live),
                sources=tuple(copy.deepcopy(application.sources)),
                images=tuple(self.images(application, live)),
            )
            record_history(application, now=now, started=now, user={"username": "admin"})
        compare(self, application)
        self.changed(application, "ADDED")


def record_history(application: Application, *, now: str, started: str, user: Json) -> None:
    """Append what is live to the history, which keeps the last ten."""
    history: list[Json] = application.status.setdefault("history", [])
    live = application.live
    if live is not None:
        history.append(
            {
                **application.by_revision(live.revisions),
                "deployedAt": now,
                "deployStartedAt": started,
                "id": history[-1]["id"] + 1 if history else 0,
                **application.by_source(),
                "initiatedBy": user,
            }
        )
    del history[:-10]


def compare(state: ArgoCDState, application: Application) -> None:
    """Compare wanted with live once: sync, health, images, resources, reconciledAt."""
    now, status, live = state.clock.now(), application.status, application.live
    sources = application.sources
    wanted = [state.resolve(source) for source in sources]
    known = [sha for sha in wanted if sha is not None]
    sync: Json = {
        "comparedTo": {**application.by_source(), "destination": dict(application.body["spec"]["destination"])}
    }
    status.pop("conditions", None)
    if len(known) < len(wanted):
        message = (
            f"Failed to load target state: failed to generate manifest for source 1 of {len(sources)}: rpc error: "
            f"code = Unknown desc = unable to resolve '{sources[0].get('targetRevision')}' to a commit SHA"
        )
        status["conditions"] = [{"type": "ComparisonError", "message": message, "lastTransitionTime": timestamp(now)}]
        sync.update({"status": "Unknown", **application.by_revision([sha or "" for sha in wanted])})
    else:
        same = live is not None and live.revisions == tuple(known) and _manifests(live.sources) == _manifests(sources)
        sync.update(
            {
                "status": "Synced" if same and not application.out_of_sync else "OutOfSync",
                **application.by_revision(known),
            }
        )
    status["sync"] = sync
    health = _health(state, application, now)
    if status["health"]["status"] != health:
        status["health"] = {"status": health, "lastTransitionTime": timestamp(now)}
    status["summary"] = {"images": list(live.images)} if live is not None and live.images else {}
    resource: Json = {
        "version": "v1",
        "kind": "ConfigMap",
        "namespace": application.body["spec"]["destination"].get("namespace", ""),
        "name": application.name.partition("-")[0],
        "status": sync["status"],
    }
    if live is None:
        resource["health"] = {"status": "Missing"}
    status["resources"] = [resource]
    status["reconciledAt"] = timestamp(now)


def _health(state: ArgoCDState, application: Application, now: float) -> str:
    if application.live is None:
        return "Missing"
    if application.health is not None:
        return application.health
    if now < application.healthy_at:
        return "Progressing"
    return next((found.health for sha in application.live.revisions if (found := state.revisions.get(sha))), "Healthy")


def _manifests(sources: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return what of the sources shapes the manifests, without the target revision, which is compared resolved."""
    return [{name: value for name, value in source.items() if name != "targetRevision"} for source in sources]
