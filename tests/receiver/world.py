"""A receiver with everything of its own but the servers: mirrors that tests fill, Secrets, and pokes that are kept."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from crds.api.ports import ApiNotFound, ApiResource, Document, SecretData, resource_of
from crds.api.reflector import Key, Reflector
from crds.rules.secrets import CONSENT_LABEL
from crds.v1alpha1.kinds import BY_KIND
from tests.watcher.fakes import FakeKubernetes
from worker.health import Health, HealthServer
from worker.receiver.again import Again
from worker.receiver.bodies import BodyPlaces
from worker.receiver.deliveries import Rates
from worker.receiver.index import Index, Target
from worker.receiver.metrics import ReceiverMetrics
from worker.receiver.mirrors import Mirrors
from worker.receiver.pokes import Pokes
from worker.receiver.routes import HookRoutes
from worker.receiver.secrets import SECRET_KEY, WebhookSecrets

SECRET = "a-secret-of-webhooks"
KEY = "0123456789abcdef0123456789abcdef"
RUN_URL = "https://ci.example.com/job/web/job/integration/7"
WEBHOOK = "/hooks/shop/GitRepository/web"
GITHUB = {"domain": "https://github.example.com/api/v3"}
NO_STATUS: Mapping[str, Any] = {}


class FakeCluster(FakeKubernetes):
    """Hold Secrets as well, and count how often one is read."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[tuple[str, str], SecretData] = {}
        self.reads = 0
        self.asked: list[str] = []
        self.away: Exception | None = None
        self.hangs = False
        self.hidden: Exception | None = None
        """What is answered instead of an object."""

    def put_secret(self, name: str, data: Mapping[str, str], *, namespace: str = "shop", consents: bool = True) -> None:
        labels = {CONSENT_LABEL: "true"} if consents else {}
        values = {key: value.encode() for key, value in data.items()}
        self.secrets[namespace, name] = SecretData(data=values, labels=labels, annotations={})

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        if self.hidden is not None:
            raise self.hidden
        return await super().get(resource, namespace, name)

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        self.reads += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away is not None:
            raise self.away
        self.asked.append(name)
        if (namespace, name) not in self.secrets:
            raise ApiNotFound(f"secrets {name} not found", status=404, object_name=name)
        return self.secrets[namespace, name]


@dataclass(kw_only=True)
class World:
    """What a test changes and looks at."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    poked: list[Target] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    gap: timedelta = timedelta(milliseconds=20)
    after: tuple[timedelta, ...] = (timedelta(minutes=1),)
    rates: Rates = field(default_factory=Rates)
    url: str = ""
    ready: bool = True
    places: BodyPlaces = field(default_factory=lambda: BodyPlaces(in_all=1, each=1))
    """Of the routes that are served."""

    def __post_init__(self) -> None:
        self.mirrors = Mirrors(self.cluster)
        self.metrics = ReceiverMetrics(self.registry)
        self.pokes = Pokes(self.send, gap=self.gap, on_sent=self.metrics.poked)
        self.index = Index(self.mirrors, self.pokes.add)
        self.again = Again(self.index, self.pokes.add, after=self.after)

    async def send(self, target: Target) -> bool:
        """Poke a workflow."""
        self.poked.append(target)
        return True

    def apply(self, document: Document) -> None:
        """Declare an object, or change it; what is shown of it is what the watch would bring."""
        kind = BY_KIND[document["kind"]]
        resource = resource_of(kind.definition)
        self.cluster.put(resource, document)
        self._mirror(resource.plural)._store(_key(document), document)

    def remove(self, kind: str, name: str, *, namespace: str = "shop") -> None:
        """Delete an object."""
        self._mirror(BY_KIND[kind].definition.plural)._forget(Key(namespace, name))

    def _mirror(self, plural: str) -> Reflector[Any]:
        return next(mirror for mirror in self.mirrors._all if mirror.resource.plural == plural)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["World"]:
        """Serve on a port of this machine."""
        routes = HookRoutes(
            secrets=WebhookSecrets(self.cluster, self.mirrors, system_namespace="pilotage"),
            index=self.index,
            pokes=self.pokes,
            again=self.again,
            metrics=self.metrics,
            rates=self.rates,
            ready=lambda: self.ready,
        )
        self.places = routes._places
        server = HealthServer(
            Health(), host="127.0.0.1", port=0, registry=self.registry, routes=routes.routes(), sdk_metrics_url=""
        )
        async with server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self
            self.again.close()
            await self.pokes.close()

    async def post(self, path: str, body: Any, headers: Mapping[str, str] = NO_STATUS) -> tuple[int, str]:
        """Send a body, as JSON unless it is bytes; return code and reason."""
        data = body if not isinstance(body, dict | list) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **headers}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=data, headers=given) as response,
        ):
            return response.status, (await response.json())["reason"]

    async def github(
        self, event: str, body: Document, *, path: str = WEBHOOK, delivery: str = "d-1", secret: str = SECRET
    ) -> tuple[int, str]:
        """Send what GitHub sends."""
        data = json.dumps(body).encode()
        return await self.post(path, data, github_headers(data, event=event, delivery=delivery, secret=secret))

    async def jenkins(self, body: Document, *, secret: str = SECRET) -> tuple[int, str]:
        """Send what Jenkins sends."""
        return await self.post("/hooks/shop/TestRunner/jenkins", body, {"Authorization": f"Bearer {secret}"})


def _key(document: Document) -> Key:
    metadata = document["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def github_headers(
    body: bytes, *, event: str = "pull_request", delivery: str = "d-1", secret: str = SECRET
) -> dict[str, str]:
    """Sign as GitHub does."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery}


def shop() -> World:
    """Return a world in which pull request 412 of a repository at GitHub waits for its merge."""
    world = World()
    world.cluster.put_secret("github-token", {"token": "t-1234567", SECRET_KEY: SECRET})
    world.cluster.put_secret("jenkins-token", {"username": "ci", "token": "t-7654321", SECRET_KEY: SECRET})
    world.cluster.put_secret("argocd-token", {"token": "t-1111111", SECRET_KEY: SECRET})
    world.apply(declared("ScmProvider", "github", {"github": GITHUB, "secretRef": {"name": "github-token"}}))
    world.apply(repository("web"))
    jenkins = {"jenkins": {"url": "https://ci.example.com"}, "secretRef": {"name": "jenkins-token"}}
    world.apply(declared("TestRunner", "jenkins", jenkins))
    world.apply(declared("TestRunner", "actions", {"githubActions": {"repositoryRef": {"name": "web"}}}))
    argocd = {"server": "https://argocd.example.com", "secretRef": {"name": "argocd-token"}}
    world.apply(declared("ArgoCDInstance", "argocd", argocd))
    world.apply(environment("dev", "web-dev"))
    world.apply(tracker(412))
    return world


def declared(kind: str, name: str, spec: Document, *, namespace: str = "shop") -> Document:
    """Return an object of one of our kinds."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1}
    return {"kind": kind, "metadata": metadata, "spec": spec}


def repository(name: str, *, namespace: str = "shop", provider: Document | None = None) -> Document:
    """Return a GitRepository that is `acme/<name>` at GitHub."""
    spec = {"scmProviderRef": provider or {"name": "github"}, "github": {"owner": "acme", "name": name}}
    return declared("GitRepository", name, spec, namespace=namespace)


def repository_at(host: str) -> Document:
    """Return a GitRepository that is `acme/web` at some host."""
    where: Document = {
        "github": {"owner": "acme", "name": "web"},
        "gitlab": {"namespace": "acme", "name": "web"},
        "gitea": {"owner": "acme", "name": "web"},
        "forgejo": {"owner": "acme", "name": "web"},
        "bitbucketCloud": {"owner": "acme", "name": "web"},
        "bitbucketDataCenter": {"project": "acme", "name": "web"},
        "azureDevOps": {"project": "acme", "name": "web"},
    }
    return declared("GitRepository", "web", {"scmProviderRef": {"name": "host"}, host: where[host]})


def provider_at(host: str) -> Document:
    """Return an ScmProvider of some host."""
    block: Document = {"organization": "acme"} if host == "azureDevOps" else {"domain": "https://scm.example.com"}
    return declared("ScmProvider", "host", {host: block, "secretRef": {"name": "github-token"}})


def environment(name: str, application: str | None) -> Document:
    """Return an Environment with one deployment, by a selector where no application is named."""
    named: Document = {"application": application} if application else {"selector": {"matchLabels": {"app": "web"}}}
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", **named}
    deployment = {"name": "web", "repositoryRef": {"name": "web"}, "argocd": argocd}
    return declared("Environment", name, {"deployments": [deployment]})


def tracker(
    number: int, *, status: Mapping[str, Any] = NO_STATUS, namespace: str = "shop", repository: str = "web"
) -> Document:
    """Return a tracker."""
    spec = {"repositoryRef": {"name": repository}, "number": number, "environment": "dev", "attempt": 1}
    made = declared("PullRequestTracker", f"{repository}-{number}", spec, namespace=namespace)
    return {**made, "status": {"attempt": 1, **status}}


def waiting_for_run(
    *, runner: str = "jenkins", state: str = "Running", key: str = KEY, url: str = f"{RUN_URL}/"
) -> Document:
    """Return a status with one test."""
    test = {"name": "integration", "runner": runner, "required": True, "state": state, "key": key, "url": url}
    return {"state": "Testing", "pullRequest": {"state": "Merged"}, "tests": [test]}


def pull_request(number: int = 412, *, action: str = "closed", full_name: str = "acme/web") -> Document:
    """Return what GitHub sends about a pull request."""
    return {
        "action": action,
        "number": number,
        "pull_request": {"number": number, "merged": True},
        "repository": {"full_name": full_name},
    }


def build(*, phase: str = "FINALIZED", key: str = KEY, url: str = f"{RUN_URL}/") -> Document:
    """Return what Jenkins' Notification plugin sends about a build."""
    parameters = {"PROMOTION_KEY": key} if key else {}
    built = {"full_url": url, "number": 7, "phase": phase, "status": "SUCCESS", "parameters": parameters}
    return {"name": "integration", "url": "job/web/job/integration/", "build": built}
