"""A cluster in memory for the command line: objects by kind, namespace and name."""

import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from crds.api.ports import (
    WATCH_TIMEOUT,
    ApiConflict,
    ApiError,
    ApiNotFound,
    ApiResource,
    Document,
    Page,
    SecretData,
    WatchEvent,
)
from crds.group import API_VERSION
from worker.cli.options import ClusterTarget
from worker.cli.session import Cluster

Answerer = Callable[[Document], dict[str, Any] | None]


class FakeCluster:
    """Implement what the command line uses of crds.api.ports.Kubernetes."""

    def __init__(self) -> None:
        self.default_namespace = "shop"
        self.user = "alice@example.com"
        self.objects: dict[tuple[str, str, str], Document] = {}
        self.secrets: dict[tuple[str, str], SecretData] = {}
        self.created: list[Document] = []
        self.judged: list[Document] = []
        """What was created as a dry run."""
        self.selectors: list[str | None] = []
        """Label selectors of the lists."""
        self.watches: list[Sequence[WatchEvent] | BaseException] = []
        """What each watch shows, or fails with; the next one first."""
        self.watched: list[str] = []
        """Versions from which watches began."""
        self.targets: list[ClusterTarget] = []
        self.failure: ApiError | None = None
        self.answer_command: Answerer = lambda _command: {"accepted": True, "message": "the promotion goes on"}
        """Called on each read of a PromotionCommand without an answer; None leaves it unanswered."""

    def add(self, kind: str, name: str, *, namespace: str = "shop", **content: Any) -> None:
        """Put an object there."""
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-21T08:00:00Z"}
        document = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **copy.deepcopy(content)}
        self.objects[kind, namespace, name] = document

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        self._fail()
        key = (resource.kind, namespace or "", name)
        if key not in self.objects:
            raise ApiNotFound(
                f'{resource.plural}.pilotage.dev "{name}" not found', status=404, reason="NotFound", object_name=name
            )
        document = self.objects[key]
        if resource.kind == "PromotionCommand" and "status" not in document:
            answer = self.answer_command(document)
            if answer is not None:
                document["status"] = answer
        return document

    async def list_all(
        self, resource: ApiResource, namespace: str | None = None, *, label_selector: str | None = None
    ) -> Page:
        self._fail()
        self.selectors.append(label_selector)
        items = [
            document
            for (kind, place, _), document in self.objects.items()
            if kind == resource.kind and namespace in (None, place)
        ]
        return Page(items=tuple(items), resource_version="1")

    @asynccontextmanager
    async def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,  # noqa: ASYNC109 as the port has it
        label_selector: str | None = None,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        self.watched.append(resource_version)
        found = self.watches.pop(0)
        if isinstance(found, BaseException):
            raise found

        async def events() -> AsyncIterator[WatchEvent]:
            for event in found:
                yield event

        yield events()

    async def create(
        self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any], *, dry_run: bool = False
    ) -> Document:
        self._fail()
        if resource.kind == "SelfSubjectReview":
            return {"status": {"userInfo": {"username": self.user}}}
        if resource.kind == "SelfSubjectAccessReview":
            return {"status": {"allowed": True}}
        created = copy.deepcopy(dict(document))
        metadata = created["metadata"]
        if "generateName" in metadata:
            metadata["name"] = f"{metadata['generateName']}x7f2q"
        if (resource.kind, namespace or "", metadata["name"]) in self.objects:
            raise ApiConflict(f"{metadata['name']} already exists", status=409, reason="AlreadyExists")
        if dry_run:
            self.judged.append(created)
            return created
        metadata["uid"] = f"uid-of-{metadata['name']}"
        self.objects[resource.kind, namespace or "", metadata["name"]] = created
        self.created.append(created)
        return copy.deepcopy(created)

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        self._fail()
        if (namespace, name) not in self.secrets:
            raise ApiNotFound(f'secrets "{name}" not found', status=404, reason="NotFound", object_name=name)
        return self.secrets[namespace, name]

    @asynccontextmanager
    async def open(self, target: ClusterTarget) -> AsyncIterator[Cluster]:
        """Stand in for worker.cli.session.connect."""
        self.targets.append(target)
        self._fail()
        yield cast("Cluster", self)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
