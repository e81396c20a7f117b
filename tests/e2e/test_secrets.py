"""No credential is anywhere where people or machines read: not even one that a host echoes in its errors."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.client import Client

from deploy.local.sandbox.seed import ARGOCD_TOKEN, GITHUB_TOKEN, JENKINS_TOKEN, JENKINS_USER
from tests.e2e.cluster import CORE
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import DECLARED, Shop

BASIC = base64.b64encode(f"{JENKINS_USER}:{JENKINS_TOKEN}".encode()).decode()
TOKENS = (GITHUB_TOKEN, JENKINS_TOKEN, ARGOCD_TOKEN, BASIC)
PROCESSES = ("worker-1", "worker-2", "watcher-1")
ECHO = f"refused: Authorization: Bearer {GITHUB_TOKEN} {ARGOCD_TOKEN}; token={JENKINS_TOKEN}; Basic {BASIC}"


@pytest.fixture(scope="module")
def promoted(new_shop: OpenShop) -> Shop:
    """A shop promoted to prod although every host first echoed the credentials that it was sent."""
    opened = new_shop("secrets").open(integration={"result": ["FAILURE", "SUCCESS"]})
    echo: dict[str, Any] = {"status": 500, "body": {"message": ECHO}}
    opened.script("github", "GET /github/.*repos/acme/secrets/pulls/412", "status", times=3, **echo)
    opened.script("github", "POST /github/.*repos/acme/secrets/statuses/", "status", times=1, **echo)
    opened.script("argocd", "GET /argocd/.*/secrets-dev", "status", times=3, **echo)
    opened.script("argocd", "PATCH /argocd/.*/secrets-staging", "status", times=1, **echo)
    refused = {"status": 403, "body": ECHO}
    opened.script("jenkins", "POST /jenkins/job/secrets/job/e2e/", "status", times=1, **refused)
    opened.script("jenkins", "GET /jenkins/job/secrets/job/integration/", "status", times=2, **refused)
    opened.apply_all().until_waiting("PromoteCommand")
    opened.pilotage("promote", "web-412", "--reason", "all is well")
    opened.until_state("Completed")
    opened.until_presented("Completed")
    return opened


def test_histories_hold_no_token(promoted: Shop) -> None:
    histories = asyncio.run(_histories(promoted))
    texts = [text for history in histories for text in _texts(history)]
    # The search is proved by what must be found.
    assert any("web-412" in text for text in texts)
    assert any("refused" in text for text in texts)
    assert _leaks(texts) == []


def test_resources_and_events_hold_no_token(promoted: Shop) -> None:
    kinds = (*DECLARED, "PullRequestTracker", "PromotionCommand", "Event")
    texts = [json.dumps(promoted.cluster.list(kind, promoted.namespace)) for kind in kinds]
    assert all('"metadata"' in text for text in texts)
    assert "Secret" in CORE
    assert _leaks(texts) == []


def test_logs_hold_no_token(promoted: Shop) -> None:
    names = (*PROCESSES, "temporal-1")
    texts = [promoted.environment.log(name).read_text(errors="replace") for name in names]
    assert any("web-412" in text for text in texts)
    assert _leaks(texts) == []


def test_the_pull_request_shows_no_token(promoted: Shop) -> None:
    seen = promoted.sandbox.state()["github"]["acme/secrets"]
    assert seen["pulls"]["412"]["comments"]
    assert seen["statuses"]
    assert _leaks([json.dumps(seen)]) == []


def test_metrics_hold_no_token(promoted: Shop) -> None:
    with httpx.Client(trust_env=False) as client:
        texts = [client.get(f"{promoted.environment.http_url(name)}/metrics").text for name in PROCESSES]
    assert any("scm_calls_total" in text for text in texts)
    assert _leaks(texts) == []


def test_the_command_line_shows_no_token(promoted: Shop) -> None:
    texts = [promoted.pilotage("why", "web-412"), promoted.pilotage("show", "web-412", "-o", "yaml")]
    assert all("web-412" in text for text in texts)
    assert _leaks(texts) == []


def _leaks(texts: list[str]) -> list[str]:
    """Return each place where a token stands, with what surrounds it."""
    return [text[max(0, at - 60) : at + 80] for text in texts for token in TOKENS if (at := text.find(token)) >= 0]


async def _histories(shop: Shop) -> list[dict[str, Any]]:
    """Read the history of every run of every workflow of the shop."""
    client = await Client.connect(shop.environment.temporal_address)
    found = []
    async for execution in client.list_workflows():
        if f"/{shop.namespace}/" in execution.id:
            history = await client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
            found += [MessageToDict(event) for event in history.events]
    return found


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in an event, payloads decoded."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode(errors="replace")
        except ValueError:
            # Not base64: the text itself was looked at.
            return
