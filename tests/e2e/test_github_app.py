"""A GitHub App instead of a token: proved, used for everything, and fixed without a restart."""

import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.local.sandbox import seed
from tests.e2e.cluster import Document
from tests.e2e.conftest import OpenShop
from tests.e2e.counting import until_counted
from tests.e2e.shop import Shop, until
from tests.providers.apps import GitHubApp, github_app


@pytest.fixture
def opened(new_shop: OpenShop) -> Iterator[Shop]:
    """A shop whose provider names an App that the host knows."""
    with closing(new_shop("app").open()) as shop:
        shop.sandbox.post("/_seed", {"github": {"app": github_app("pilotage").known}})
        github = shop.document("ScmProvider", "github")["spec"]["github"]
        github |= {"appID": seed.GITHUB_APP_ID, "installationID": seed.GITHUB_INSTALLATION_ID}
        shop.document("GitRepository", "web")["spec"]["github"]["statusesAs"] = "CheckRuns"
        yield shop


def test_a_promotion_by_an_app_shows_a_wrong_key_goes_on_with_the_right_one_and_is_presented(opened: Shop) -> None:
    before = len(opened.sandbox.journal())
    _give_key(opened, github_app("stranger"))
    opened.apply_all()
    refused = _ready(opened, "ScmProvider", "github", "False")
    assert refused["reason"] == "Unauthorized"
    opened.until_waiting("Reference", "access_tokens", "401")

    _give_key(opened, github_app("pilotage"))
    opened.apply("Secret", "github-token")
    opened.until_waiting("PromoteCommand")
    assert _ready(opened, "ScmProvider", "github", "True")["status"] == "True"
    assert _ready(opened, "GitRepository", "web", "True")["status"] == "True"
    opened.pilotage("promote", "web-412")
    opened.until_state("Completed")
    assert "promoted/prod" in opened.until_presented("Completed")["labels"]
    repository = opened.sandbox.state()["github"][f"acme/{opened.name}"]
    shown = {run["name"]: (run["status"], run["conclusion"]) for run in repository["check_runs"]}
    assert shown == {f"pilotage/{name}": ("completed", "success") for name in ("dev", "staging", "prod")}
    assert repository["statuses"] == {}
    # Once by each of two workers and not for each call: what is minted is kept.
    journal = opened.sandbox.journal()[before:]
    mints = [one for one in journal if one["path"].endswith("/access_tokens") and one["status"] == 201]
    assert 1 <= len(mints) <= 4
    assert len(opened.journal("github")) > len(mints)
    _reveals_no_secret(opened)
    # Refused ones and those for tokens too: whatever GitHub was asked otherwise than by the token of the other shops.
    until_counted(opened, lambda: [one for one in opened.sandbox.journal()[before:] if _is_of_app(one)])


def _is_of_app(call: Document) -> bool:
    of_token = hashlib.sha256(f"Bearer {seed.GITHUB_TOKEN}".encode()).hexdigest()
    # Runs of workflows are counted as calls to a CI system.
    return call["system"] == "github" and call["auth_sha256"] != of_token and "/actions/" not in call["path"]


def _give_key(shop: Shop, app: GitHubApp) -> None:
    shop.document("Secret", "github-token")["stringData"] = {"privateKey": app.private_key, "token": ""}


def _ready(shop: Shop, kind: str, name: str, status: str) -> Document:
    return until(
        lambda: shop.conditions(kind, name).get("Ready", {}),
        lambda seen: seen.get("status") == status,
        f"{kind} {name} is Ready={status}",
        90,
    )


def _reveals_no_secret(shop: Shop) -> None:
    line = github_app("pilotage").private_key.splitlines()[1]
    texts = [shop.environment.log(name).read_text(errors="replace") for name in ("worker-1", "worker-2", "watcher-1")]
    texts += [str(shop.cluster.list(kind, shop.namespace)) for kind in ("ScmProvider", "PullRequestTracker", "Event")]
    assert any("web-412" in text for text in texts)
    assert not [text for text in texts if line in text or "ghs_" in text]
