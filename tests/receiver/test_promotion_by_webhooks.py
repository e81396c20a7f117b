"""Promotions whose polls are hours apart: what they see, they see because a webhook came, or an event of Flux."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from deploy.local.demo.evidence import read_runs
from deploy.local.environment.assembly import PIECES, LocalEnvironment
from deploy.local.sandbox.seed import MERGE_SHA, WEBHOOK_SECRET
from tests.activities.flux.events import KUSTOMIZE, document, sent_on
from tests.e2e.cluster import Cluster, Document
from tests.e2e.components import stories
from tests.e2e.components.stories import StoryShop
from tests.e2e.components.test_git import CONFIGURED, KUSTOMIZATION, commits
from tests.e2e.shop import Shop, until
from tests.receiver.world import github_headers, pull_request

HOURS = 4 * 3600.0
SLOW = ("poll_initial", "poll_maximum", "merge_initial", "merge_maximum", "observe_initial", "observe_maximum")
TIMINGS = {
    **dict.fromkeys(SLOW, HOURS),
    "reference_initial": 0.5,
    "reference_maximum": 2.0,
    "listing_lag": 2.0,
}
NAME = "hooked"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with an open pull request, whose systems send webhooks."""
    with LocalEnvironment(
        tmp_path_factory.mktemp("receiver"),
        temporal_in_memory=True,
        process_environment={"PILOTAGE_TIMINGS": json.dumps(TIMINGS)},
        sandbox_arguments=("--run-seconds", "2"),
    ) as environment:
        environment.start(*PIECES, workers=1, watchers=1, receivers=1)
        with closing(Cluster(environment.kubernetes)) as cluster:
            opened = Shop(NAME, environment, cluster).open(merged=False)
            opened.apply_all()
            opened.until_state("AwaitingMerge")
            yield opened


def address(shop: Shop, resource: str) -> str:
    return f"{shop.environment.http_url('receiver-1')}/hooks/{shop.namespace}/{resource}"


def post(shop: Shop, body: Document, *, secret: str, delivery: str) -> int:
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **github_headers(data, secret=secret, delivery=delivery)}
    return httpx.post(address(shop, "GitRepository/web"), content=data, headers=headers, trust_env=False).status_code


def pokes(shop: Shop) -> int:
    """Count the pokes in the histories of the promotion that the receiver sent: a watcher sends others."""
    signals = [
        event.workflow_execution_signaled_event_attributes
        for event in history(shop)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]
    sender = f"{shop.environment.pid('receiver-1')}@"
    return sum(signal.signal_name == "poke" and signal.identity.startswith(sender) for signal in signals)


def history(shop: Shop) -> list[HistoryEvent]:
    async def read() -> list[HistoryEvent]:
        client = await Client.connect(shop.environment.temporal_address)
        return [event for run in await read_runs(client, shop.status()["workflow"]["id"]) for event in run]

    return asyncio.run(read())


def test_only_a_delivery_that_is_proved_and_new_becomes_a_signal(shop: Shop) -> None:
    event = pull_request(full_name=f"acme/{shop.name}", action="labeled")
    before = pokes(shop)
    assert [post(shop, event, secret=f"{WEBHOOK_SECRET}!", delivery=f"bad-{number}") for number in range(3)] == [
        401
    ] * 3
    assert pokes(shop) == before
    # Whatever a refused one had become would have come before this one.
    assert [post(shop, event, secret=WEBHOOK_SECRET, delivery="good") for _ in range(3)] == [202] * 3
    until(lambda: pokes(shop), lambda seen: seen > before, "the poke", 20)
    assert post(shop, pull_request(full_name=f"acme/{shop.name}"), secret=WEBHOOK_SECRET, delivery="another") == 202
    assert until(lambda: pokes(shop), lambda seen: seen > before + 1, "the second poke", 20) == before + 2


def test_a_merge_its_tests_and_its_deployments_are_seen_by_webhooks_alone(shop: Shop) -> None:
    for system, resource, of in (
        ("github", "GitRepository/web", f"acme/{shop.name}"),
        ("jenkins", "TestRunner/jenkins", shop.name),
        ("argocd", "ArgoCDInstance/argocd", f"{shop.name}-"),
    ):
        target = {"system": system, "url": address(shop, resource), "secret": WEBHOOK_SECRET, "of": of}
        shop.sandbox.post("/_webhooks", target)
    shop.sandbox.post("/_github/merge", {"repo": f"acme/{shop.name}", "number": 412, "sha": MERGE_SHA})
    shop.until_state("AwaitingSync", seconds=30)
    shop.deploy("dev", MERGE_SHA)
    shop.until_waiting("PromoteCommand", seconds=60)
    shop.pilotage("promote", "web-412")
    shop.until_state("Completed", seconds=60)
    assert shop.running()["prod"] == MERGE_SHA


@pytest.fixture
def reconciled(shop: Shop) -> Iterator[StoryShop]:
    """The samples of a shop whose places are brought by Flux, each in a cluster of its own."""
    story = StoryShop("flux", "fluxshop", shop.environment, shop.cluster).changes("services/api/main.py")
    tags = {"dev": f"sha-{stories.MERGE_SHA}", "staging": f"sha-{stories.PREVIOUS_SHA}"}
    [commit] = story.seed["github"]["repos"][f"acme/{story.name}-config"]["commits"]
    commit["files"] = {
        f"{place}/api/kustomization.yaml": KUSTOMIZATION.format(component="api", tag=tag) for place, tag in tags.items()
    }
    story.document("Secret", "jenkins-token")["stringData"]["webhookSecret"] = WEBHOOK_SECRET
    with closing(story):
        yield story


def report(shop: StoryShop, place: str, revision: str, minute: int, **changes: object) -> tuple[int, str]:
    """Send what the cluster of a place reports of its Kustomization; return the answer."""
    involved = {**document()["involvedObject"], "name": "api", "namespace": "apps"}
    metadata = {f"{KUSTOMIZE}/revision": f"main@sha1:{revision}", f"{KUSTOMIZE}/commit_status": "update"}
    event = sent_on(document(involvedObject=involved, metadata=metadata, timestamp=f"2026-01-31T10:{minute:02}:00Z"))
    body = json.dumps(event | changes).encode()
    key = shop.document("Secret", f"cluster-{place}")["stringData"]["token"]
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    where = f"{shop.environment.http_url('receiver-1')}/flux/{shop.namespace}/cluster-{place}"
    answer = httpx.post(where, content=body, headers={"X-Signature": f"sha256={digest}"}, trust_env=False)
    return answer.status_code, answer.json()["reason"]


def test_a_change_goes_from_place_to_place_by_what_flux_reports(shop: Shop, reconciled: StoryShop) -> None:
    story = reconciled
    story.sandbox.post("/_seed", story.seed)
    story.apply_all("PullRequestTracker/web-412")
    hook = f"{story.environment.http_url('receiver-1')}/hooks/{story.namespace}/TestRunner/jenkins"
    story.sandbox.post("/_webhooks", {"system": "jenkins", "url": hook, "secret": WEBHOOK_SECRET, "of": story.name})
    # Both clusters report before there is any tracker.
    for place in ("dev", "staging"):
        until(
            lambda place=place: report(story, place, CONFIGURED, 0),  # type: ignore[misc]
            lambda answer: answer == (202, "0 commit statuses, 1 Environment"),
            f"{place} is known to the receiver",
            30,
        )
    story.apply("PullRequestTracker", "web-412")
    until(lambda: len(commits(story)), lambda seen: seen == 2, "the commit that promotes", 90)
    written = commits(story)[0]["sha"]
    ill = {"severity": "error", "reason": "HealthCheckFailed", "message": "Deployment/api is not ready"}
    assert report(story, "staging", written, 1, **ill)[0] == 202
    waiting = story.until_waiting("Delivery", "HealthCheckFailed: Deployment/api is not ready", seconds=30)
    assert waiting["unblockWith"].startswith("fix Kustomization apps/api as its message shows: pilotage ")
    # An older success changes nothing.
    assert report(story, "staging", CONFIGURED, 0, message="late")[0] == 202
    assert report(story, "staging", written, 2)[0] == 202
    status = story.until_state("Completed", seconds=30)
    assert [(one["application"], one["result"]) for one in status["promotions"][-1]["applications"]] == [
        ("apps/api", "Promoted")
    ]
