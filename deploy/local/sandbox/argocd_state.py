"""Applications, revisions and credentials as the Argo CD stand-in keeps them."""

import asyncio
import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.sandbox.argocd_images import running_images
from deploy.local.sandbox.clock import Clock
from deploy.local.sandbox.clone_urls import names_in
from deploy.local.sandbox.github_state import GitHubState, Repository
from deploy.local.sandbox.replies import Json

_FULL_SHA = re.compile(r"[0-9a-f]{40}")
CONTROL_PLANE_NAMESPACE = "argocd"


def application_key(namespace: str, name: str) -> str:
    """Return the key of an application; no namespace means the control plane's."""
    return name if namespace in ("", CONTROL_PLANE_NAMESPACE) else f"{namespace}/{name}"


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
    partly_applied: bool = False
    leftover: list[str] = field(default_factory=list)
    """Names of what syncs without prune left behind."""
    scaled_to_zero: bool = False
    """No pods, hence no images in the summary."""
    other_images: list[str] = field(default_factory=list)
    """Images of other pods, such as a finished Job's."""
    sync_windows: list[Json] = field(default_factory=list)
    """`{kind, schedule, duration, manualSync?, active?}`"""
    terminating: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"]["namespace"])

    @property
    def key(self) -> str:
        """What the stand-in keeps it under: `namespace/name` outside the control plane's namespace."""
        return application_key(self.namespace, self.name)

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

    @property
    def listed_images(self) -> list[str]:
        """What the pods of the moment run, as `status.summary.images` lists it: sorted, each once."""
        own = list(self.live.images) if self.live is not None and not self.scaled_to_zero else []
        return sorted({*own, *self.other_images}) if self.other_images else own

    @property
    def auto_prunes(self) -> bool:
        return self.automated and bool(self.body["spec"]["syncPolicy"]["automated"].get("prune"))

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
        """By their key."""
        self.revisions: dict[str, Revision] = {}
        self.tokens: dict[str, Account] = {}
        self.users: dict[str, str] = {}
        self.streams: set[asyncio.Queue[Json]] = set()
        self.resource_version = 660
        self._github = github

    def changed(self, application: Application, kind: str = "MODIFIED") -> None:
        """Give the object a new resourceVersion and send it to all streams."""
        self.resource_version += 1
        application.body["metadata"]["resourceVersion"] = str(self.resource_version)
        if self.streams:
            event: Json = {"type": kind, "application": copy.deepcopy(application.body)}
            for stream in self.streams:
                stream.put_nowait(event)

    def repository_of(self, source: Mapping[str, Any]) -> Repository | None:
        """Find the repository of a source by its clone URL, at whatever host."""
        found = (self._github.repository(name) for name in names_in(str(source.get("repoURL", ""))))
        return next((repository for repository in found if repository is not None), None)

    def resolve(self, source: Mapping[str, Any], wanted: str | None = None) -> str | None:
        """Turn a target revision into what would be deployed; None for a commit or branch that does not exist."""
        target = wanted or str(source.get("targetRevision") or "HEAD")
        if source.get("chart"):
            return target
        if target in self.revisions or (_FULL_SHA.fullmatch(target) and self._github.revision_is_known(target)):
            return target
        repository = self.repository_of(source)
        return repository.graph.resolve(target) if repository is not None else None

    def images(self, application: Application, sources: Sequence[Json], revisions: Sequence[str]) -> list[str]:
        """Work out what runs after a sync of these sources to these revisions."""
        trees = [self._tree(source, revision) for source, revision in zip(sources, revisions, strict=True)]
        special = next((found.images for sha in revisions if (found := self.revisions.get(sha)) and found.images), None)
        return running_images(special or application.base_images, sources, trees, revisions[0])

    def manifests(self, source: Mapping[str, Any], revision: str) -> Json:
        """Return the files below the source's path; empty where the stand-in knows no files of it."""
        path = str(source.get("path", "")).strip("/")
        prefix = "" if path in ("", ".") else f"{path}/"
        return {name: text for name, text in self._tree(source, revision).items() if name.startswith(prefix)}

    def summary(self) -> Json:
        return {
            name: {
                "project": application.project,
                "sources": application.sources,
                "live": list(application.live.revisions) if application.live else None,
                "images": application.listed_images,
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
