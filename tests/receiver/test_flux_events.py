"""Events of Flux become commit statuses, on real parts: signed, durable before they are accepted, posted in order."""

import hashlib
import hmac
import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from deploy.local.demo.world import SandboxClient
from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.sandbox.seed import (
    AZURE_DEVOPS_TOKEN,
    BITBUCKET_CLOUD_TOKEN,
    BITBUCKET_DATA_CENTER_TOKEN,
    GITEA_TOKEN,
    GITHUB_TOKEN,
    GITLAB_TOKEN,
    MERGE_SHA,
)
from tests.activities.flux.events import KUSTOMIZE, document, sent_on
from tests.e2e.cluster import Cluster, Document
from tests.e2e.samples import world
from tests.e2e.shop import until

NAMESPACE = "flux-system"
SIGNING = "a-key-that-signs-events"
NAME = "fluxed"
TYPES = {
    "github": ("http://{host}/acme/{name}", GITHUB_TOKEN, "github"),
    "gitlab": ("http://{host}/acme/{name}.git", GITLAB_TOKEN, "gitlab"),
    "gitea": ("http://{host}/gitea/acme/{name}", GITEA_TOKEN, "gitea"),
    "bitbucket": ("http://{host}/acme/{name}", BITBUCKET_CLOUD_TOKEN, "bitbucketCloud"),
    "bitbucketserver": (
        "http://{host}/bitbucketDataCenter/scm/ACME/{name}.git",
        BITBUCKET_DATA_CENTER_TOKEN,
        "bitbucketDataCenter",
    ),
    "azuredevops": ("http://{host}/azureDevOps/umbrella/acme/_git/{name}", AZURE_DEVOPS_TOKEN, "azureDevOps"),
}


class Place:
    """A receiver with a CommitStatus for each type of Provider."""

    def __init__(self, environment: LocalEnvironment, cluster: Cluster) -> None:
        self.environment = environment
        self.cluster = cluster
        self.sandbox = SandboxClient(environment.sandbox_url)

    @property
    def receiver(self) -> str:
        return self.environment.http_url("receiver-1")

    def declare(self) -> None:
        """Seed the hosts, and apply a Provider and a CommitStatus for each of them."""
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._secret("cluster-dev", {"token": SIGNING})
        for kind, (_, token, _) in TYPES.items():
            # A repository of its own: at another host the same commit would show the statuses of this one.
            self.sandbox.post("/_seed", world(f"{NAME}-{kind}"))
            self._secret(kind, {"token": token})
            self.apply("Provider", kind, self.provider(kind))
            self.apply("CommitStatus", kind, subscription(kind))

    def provider(self, kind: str) -> Document:
        """Return the spec of a Provider of some type."""
        host = self.environment.sandbox_url.removeprefix("http://")
        address = TYPES[kind][0].format(host=host, name=f"{NAME}-{kind}")
        return {"type": kind, "address": address, "secretRef": {"name": kind}}

    def apply(self, kind: str, name: str, spec: Document) -> None:
        self.cluster.apply(
            {
                "apiVersion": "pilotage.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": spec,
            }
        )

    def _secret(self, name: str, data: dict[str, str]) -> None:
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"pilotage.dev/credential": "true"}}
        self.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

    def send(self, body: Document | bytes, *, path: str = "", key: str = SIGNING) -> httpx.Response:
        """Send an event as a `generic-hmac` Provider of Flux does."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = hmac.new(key.encode(), data, hashlib.sha256).hexdigest()
        headers = {"X-Signature": f"sha256={signature}", "Content-Type": "application/json"}
        where = f"{self.receiver}{path or f'/flux/{NAMESPACE}/cluster-dev'}"
        return httpx.post(where, content=data, headers=headers, trust_env=False)

    def until_subscribed(self, name: str) -> None:
        """Send events of an object, each another one, until the receiver knows what posts them."""
        numbers = itertools.count(1)
        until(
            lambda: self.send(about(name, at="00:00:00", message=f"begins {next(numbers)}")).json()["reason"],
            lambda reason: reason == "1 commit status",
            "the subscription",
            30,
        )

    def send_until_accepted(self, body: Document) -> int:
        """Send an event as Flux does where no one answers, or 503 is: again."""
        deadline = time.monotonic() + 90
        while True:
            with suppress(httpx.TransportError):
                if (code := self.send(body).status_code) != 503:
                    return code
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def accepted(self, system: str, context: str) -> dict[str, list[str]]:
        """Return what a host took of contexts that begin so, by the name of the object, in order."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.sandbox.journal(system):
            if one["method"] == "POST" and one["accepted"]:
                body = one["body"]
                if str(body.get("context", "")).startswith(context):
                    found[body["context"].rpartition("/")[2]].append(body["description"])
        return found

    def status(self, kind: str, name: str) -> Document:
        return dict(self.cluster.get(kind, NAMESPACE, name).get("status") or {})

    def posts(self, system: str) -> list[Document]:
        """Return the bodies of statuses that were sent to a host, in order."""
        sent = [one for one in self.sandbox.journal(system) if one["method"] == "POST"]
        return [one["body"] for one in sent if "/status" in one["path"] or "/builds" in one["path"]]


FAILURES = [
    {"system": "github", "match": {"method": "POST"}, "action": "status", "status": 429, "probability": 0.05,
     "headers": {"Retry-After": "1"}},
    {"system": "github", "match": {"method": "POST"}, "action": "status", "status": 500, "probability": 0.1},
    {"system": "github", "match": {"method": "POST"}, "action": "hang", "seconds": 3, "probability": 0.02},
]  # fmt: skip


class Killing(Thread):
    """Kill the receiver and the worker, one after the other, until ended; both run then."""

    def __init__(self, environment: LocalEnvironment, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self._environment = environment
        self._chance = chance
        self._over = Event()

    def run(self) -> None:
        while not self._over.wait(self._chance.uniform(4, 8)):
            name = self._chance.choice(("receiver-1", "worker-1"))
            self._environment.kill(name)
            self._environment.restart(name)

    def end(self) -> None:
        self._over.set()
        self.join(60)
        assert not self.is_alive()


def subscription(kind: str) -> Document:
    """Return the spec of a CommitStatus with all fields of the draft that Flux discussed, and a link."""
    return {
        "providerRef": {"name": kind},
        "eventSeverity": "info",
        "eventSources": [{"kind": "Kustomization", "name": kind, "namespace": NAMESPACE}],
        "prefix": "dev",
        "targetURL": "https://ui.example.com/flux",
    }


def about(name: str, at: str = "10:00:00", **changes: Any) -> Document:
    """Return the event of a Kustomization of some name, as notification-controller sends it on."""
    involved = {**document()["involvedObject"], "name": name, "namespace": NAMESPACE}
    metadata = {f"{KUSTOMIZE}/revision": f"main@sha1:{MERGE_SHA}", f"{KUSTOMIZE}/commit_status": "update"}
    return sent_on(document(involvedObject=involved, metadata=metadata, timestamp=f"2026-01-31T{at}Z", **changes))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with LocalEnvironment(
        tmp_path_factory.mktemp("flux"),
        temporal_in_memory=True,
        # How soon an attempt counts as lost whose worker was killed.
        process_environment={"PILOTAGE_TIMINGS": json.dumps({"activity_start_to_close": 8.0})},
    ) as environment:
        environment.start(*PIECES, workers=1, watchers=1, receivers=1)
        with closing(Cluster(environment.kubernetes)) as cluster:
            made = Place(environment, cluster)
            made.declare()
            yield made


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_an_event_becomes_a_status_at_every_type_of_host(place: Place, kind: str) -> None:
    system = TYPES[kind][2]
    message = f"Applied revision of {kind}"
    until(lambda: place.status("Provider", kind), lambda seen: ready(seen) == "True", f"{kind} is ready", 60)
    answer = place.send(about(kind, message=message))
    assert answer.status_code == 202, answer.text
    shown = until(lambda: place.posts(system), bool, f"a status at {system}", 30)
    text = json.dumps(shown[-1])
    assert message in text
    assert "https://ui.example.com/flux" in text
    posted = until(
        lambda: place.status("CommitStatus", kind), lambda seen: "lastSuccess" in seen, "the last success", 30
    )
    assert posted["lastSuccess"]["context"] == f"dev/kustomization/{NAMESPACE}/{kind}"
    assert posted["lastSuccess"]["commit"] == MERGE_SHA
    assert ready(posted) == "True"


def test_an_older_success_leaves_the_newer_failure(place: Place) -> None:
    place.apply(
        "CommitStatus",
        "order",
        {**subscription("github"), "eventSources": [{"kind": "Kustomization", "name": "order"}]},
    )
    before = len(place.posts("github"))
    place.until_subscribed("order")
    until(lambda: place.posts("github"), lambda seen: len(seen) > before, "the first event", 30)
    failed = about("order", at="10:01:00", severity="error", reason="BuildFailed", message="it failed")
    assert place.send(failed).status_code == 202
    until(lambda: place.posts("github"), lambda seen: "it failed" in json.dumps(seen[-1]), "the failure", 30)
    assert place.send(about("order", at="10:00:00", message="it worked")).status_code == 202
    # What came later is posted after whatever the older one had become.
    assert place.send(about("order", at="10:02:00", severity="error", reason="X", message="again")).status_code == 202
    shown = until(lambda: place.posts("github"), lambda seen: "again" in json.dumps(seen[-1]), "the next", 30)
    assert [one["description"] for one in shown[before + 1 :]] == ["it failed", "again"]


def test_what_cannot_be_accepted_is_answered_with_a_reason(place: Place) -> None:
    good = about("unsubscribed")
    assert place.send(good, key="another").status_code == 401
    assert place.send(good, path="/flux/events").status_code == 401
    assert place.send(good, path="/").status_code == 401
    assert place.send(good, path=f"/flux/{NAMESPACE}/no-such-secret").status_code == 401
    assert place.send(b"{").status_code == 400
    assert place.send({"involvedObject": 7}).json()["reason"] == "involvedObject must be an object"
    assert place.send(b" " * (3 * 1024 * 1024 + 1)).status_code == 413
    assert place.send({}).status_code == 202


def test_an_event_that_was_accepted_is_a_repetition(place: Place) -> None:
    event = about("repeated")
    assert place.send(event).status_code == 202
    again = place.send(event)
    assert again.status_code == 429
    assert again.headers["X-RateLimit-Limit"] == "1"
    assert again.headers["Retry-After"] == again.headers["X-RateLimit-Reset"]
    assert place.send(about("repeated", at="10:00:01")).status_code == 202


def test_an_event_without_a_commit_shows_on_its_commit_status(place: Place) -> None:
    place.apply(
        "CommitStatus",
        "helm",
        {"providerRef": {"name": "github"}, "eventSources": [{"kind": "HelmRelease", "name": "*"}]},
    )
    involved = {"kind": "HelmRelease", "name": "db", "namespace": NAMESPACE, "apiVersion": "helm.toolkit.fluxcd.io/v2"}
    event = document(involvedObject=involved, metadata={}, timestamp="2026-01-31T11:00:00Z")

    def last_error() -> str:
        place.send({**event, "message": str(len(place.posts("github")))})
        return str((place.status("CommitStatus", "helm").get("lastError") or {}).get("message", ""))

    assert "event.toolkit.fluxcd.io/commit" in until(last_error, bool, "the last error", 40)


def ready(status: Document) -> str:
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    return str(conditions.get("Ready", ""))


def test_no_event_is_lost_or_overtaken_while_hosts_fail_and_processes_die(place: Place) -> None:
    contexts, each = 50, 20
    place.apply("Provider", "storm", {**place.provider("github"), "timeout": "1s"})
    names = [f"storm-{number}" for number in range(contexts)]
    sources = [{"kind": "Kustomization", "name": name} for name in names]
    place.apply("CommitStatus", "storm", {"providerRef": {"name": "storm"}, "prefix": "storm", "eventSources": sources})
    place.until_subscribed(names[0])
    chance = random.Random(13)
    events = [
        about(
            name,
            at=f"09:{minute:02}:00",
            message=f"{name} at {minute}",
            severity=chance.choice(("info", "error")),
            reason="Reconciled",
        )
        for name in names
        for minute in range(each)
    ]
    chance.shuffle(events)
    place.sandbox.post("/_script", FAILURES)
    killing = Killing(place.environment, chance)
    killing.start()
    with ThreadPoolExecutor(16) as senders:
        assert set(senders.map(place.send_until_accepted, events)) <= {202, 429}
    killing.end()
    shown = until(
        lambda: place.accepted("github", "storm/"),
        lambda seen: all(seen[name] and seen[name][-1].endswith(f" at {each - 1}") for name in names),
        "the newest event of each context",
        180,
    )
    httpx.delete(f"{place.environment.sandbox_url}/_script", trust_env=False)
    for name in names:
        written = [int(text.rpartition(" ")[2]) for text in shown[name] if " at " in text]
        assert written == sorted(written), name
        assert len(written) - len(set(written)) <= 1, name
