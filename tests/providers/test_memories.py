"""What a host answered through one credential and route is believed for these alone.

Who names a proxy, or whom to trust, may forge every answer of the host that a neighbour calls as well.
"""

import json
import ssl
from dataclasses import replace

import httpx
import pytest

from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.github.options import GitHubOptions
from providers.github_actions.options import GitHubActionsOptions
from providers.http import HttpClients, HttpOptions
from providers.models import Credential, Proxy
from providers.models import Route as HttpRoute
from providers.registry import Access, open_scm_host, open_test_runs
from tests.providers.hosts import IDENTITY, TOKEN, UNUSED, FakeHost, answer

FORGING = "token-of-a-neighbour"
OURS = Credential(data={"token": TOKEN})
THEIRS = Credential(
    data={"token": FORGING}, route=HttpRoute(ca_pem="their CA", proxy=Proxy(address="http://proxy.example.com:3128"))
)
SHORT = "abcdef123456"
REAL, FORGED = SHORT + "1" * 28, SHORT + "e" * 28


class RoutedClients(HttpClients):
    """Clients of routes whose authorities no one reads."""

    async def _trust(self, route: HttpRoute) -> ssl.SSLContext:
        return UNUSED


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def clients(host: FakeHost) -> HttpClients:
    return RoutedClients(HttpOptions(transport=httpx.MockTransport(host.handle)))


def forged(request: httpx.Request) -> bool:
    """Return whether a request goes through the neighbour's proxy."""
    return FORGING in request.headers["authorization"]


def test_a_memory_is_of_one_credential_and_one_route(clients: HttpClients) -> None:
    mine = clients.memory(list, OURS, "https://host")
    assert clients.memory(list, replace(OURS), "https://host") is mine
    for other in (THEIRS, replace(OURS, route=THEIRS.route), replace(THEIRS, route=OURS.route)):
        assert clients.memory(list, other, "https://host") is not mine


async def test_a_branch_that_a_neighbours_proxy_names_is_not_where_our_tests_run(
    host: FakeHost, clients: HttpClients
) -> None:
    host.on("GET", "/repos/acme/web", lambda asked: answer({"default_branch": "evil" if forged(asked) else "main"}))
    host.on("POST", ".*/dispatches", answer({"workflow_run_id": 5, "html_url": "https://host/5"}))
    host.on("GET", ".*/runs.*", answer({"workflow_runs": []}))
    options = GitHubActionsOptions(repository=GitHubOptions(domain="", owner="acme", repository="web"))
    for credential in (THEIRS, OURS):
        await open_test_runs(options, Access(http=clients, credential=credential)).create("e2e.yml", "key", {})
    assert json.loads(host.requests[-1].content)["ref"] == "main"


async def test_a_commit_that_a_neighbours_proxy_names_is_not_what_was_merged(
    host: FakeHost, clients: HttpClients
) -> None:
    end = {"branch": {"name": "main"}, "repository": {"full_name": "acme/web"}}
    pull = {
        "id": 7,
        "state": "MERGED",
        "title": "Fix rounding",
        "source": {"commit": {"hash": "f" * 12}, **end},
        "destination": end,
        "merge_commit": {"hash": SHORT},
    }
    host.on("GET", ".*/pullrequests/7", answer(pull))
    host.on("GET", ".*/commit/.*", lambda asked: answer({"hash": FORGED if forged(asked) else REAL}))
    options = BitbucketCloudOptions(workspace="acme", repository="web")
    found = [
        (await open_scm_host(options, Access(http=clients, credential=one), IDENTITY).pull_requests.get(7)).merge_sha
        for one in (THEIRS, OURS)
    ]
    assert found == [FORGED, REAL]
