"""Delivery by Git: the files of a wave in one commit, which Argo CD picks up by itself."""

from typing import Any

import httpx
import pytest

from deploy.local.demo.hosts import GITHUB, HOSTS, at_host
from deploy.local.sandbox.seed import GITHUB_TOKEN
from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA, PREVIOUS_SHA, StoryShop
from tests.e2e.components.test_waves import results

CONFIGURED = "c0ffee0000000000000000000000000000000001"
KUSTOMIZATION = """# what staging runs
images:
  - name: ghcr.io/acme/{component}   # built by CI
    newTag: "{tag}"
"""
EACH = {
    "file": "staging/${component.name}/kustomization.yaml",
    "yamlPath": "images[name=ghcr.io/acme/${component.name}].newTag",
    "value": "${artifact.tag}",
}
API = {"file": "staging/api/kustomization.yaml", "kustomizeImage": "ghcr.io/acme/api"}


def configured(story: OpenStory, name: str, *, automated: bool = True, host: str = GITHUB) -> StoryShop:
    """Prepare a shop at a host, whose staging is configured by files of acme/<name>-config."""
    shop = story("components", name).changes("services/api/main.py", "site/index.html")
    shop.documents = at_host(shop.documents, host)
    tags = {"api": f"sha-{PREVIOUS_SHA}", "site": f"v-{PREVIOUS_SHA[:8]}"}
    [commit] = shop.seed["github"]["repos"][f"acme/{name}-config"]["commits"]
    commit["files"] = {
        f"staging/{component}/kustomization.yaml": KUSTOMIZATION.format(component=component, tag=tag)
        for component, tag in tags.items()
    }
    for component in tags:
        app = shop.app(f"{component}-staging")
        app.pop("sources", None)
        app.pop("revisions", None)
        app |= {"revision": CONFIGURED, "automated": automated}
        app["source"] = {
            "repoURL": f"https://github.example.com/acme/{name}-config.git",
            "path": f"staging/{component}",
            "targetRevision": "main",
        }
    shop.documents.insert(1, config_repository(shop, host))
    return shop


def config_repository(shop: StoryShop, host: str) -> dict[str, Any]:
    """Declare the repository of configuration, with the provider of the application's."""
    provider = shop.document("GitRepository", "web")["spec"]["scmProviderRef"]
    block = {"owner": "acme", "name": "{name}"} if host == GITHUB else HOSTS[host].repository
    named = {key: text.format(name=f"{shop.name}-config") for key, text in block.items()}
    return {
        "apiVersion": "pilotage.dev/v1alpha1",
        "kind": "GitRepository",
        "metadata": {"name": "config", "namespace": shop.namespace},
        "spec": {"scmProviderRef": provider, host: named},
    }


def write(*edits: dict[str, str], **fields: object) -> dict[str, Any]:
    """Declare a write through files."""
    git = {"repositoryRef": {"name": "config"}, "branch": "main", "via": "Commit", "edits": list(edits), **fields}
    return {"git": git}


def config(shop: StoryShop, path: str) -> Any:
    """Ask the host about the configuration."""
    headers = {"Authorization": f"Bearer {GITHUB_TOKEN}", "Accept": "application/vnd.github.raw+json"}
    url = f"{shop.environment.sandbox_url}/github/repos/acme/{shop.name}-config/{path}"
    with httpx.Client(trust_env=False, headers=headers) as client:
        answer = client.get(url).raise_for_status()
    return answer.json() if path.startswith("commits") else answer.text


def commits(shop: StoryShop) -> list[dict[str, Any]]:
    """Return the commits of the configuration's main branch, newest first."""
    return list(config(shop, "commits?sha=main"))


def test_a_wave_is_one_commit_and_arrives_when_it_runs_healthy(story: OpenStory) -> None:
    shop = configured(story, "committed")
    staging = shop.document("Environment", "staging")["spec"]
    staging["write"] = write(EACH)
    for deployment in staging["deployments"]:
        del deployment["write"]
    # The reply to the first commit is lost: its retry must find it.
    lost = {"method": "POST", "path": "/graphql", "body": f"{shop.name}-config"}
    shop.sandbox.post("/_script", {"system": "github", "match": lost, "action": "accept_then_drop", "times": 1})
    status = shop.begin().until_state("Completed")
    assert results(status) == {"api-staging": "Promoted", "site-staging": "Promoted"}
    newest, first = commits(shop)
    assert first["sha"] == CONFIGURED
    assert newest["commit"]["message"].count("Pilotage-Key: ") == 1
    for component, tag in (("api", f"sha-{MERGE_SHA}"), ("site", f"v-{MERGE_SHA[:8]}")):
        written = config(shop, f"contents/staging/{component}/kustomization.yaml")
        assert written == KUSTOMIZATION.format(component=component, tag=tag)
    # Argo CD was asked to look, and to do nothing.
    assert {one["method"] for one in shop.journal("argocd")} == {"GET"}


def test_a_file_that_is_missing_is_named_and_what_no_one_syncs_is_awaited(story: OpenStory) -> None:
    shop = configured(story, "missingfile", automated=False).changes("services/api/main.py")
    api = shop.document("Environment", "staging")["spec"]["deployments"][0]
    api["write"] = write({**API, "file": "staging/api/none.yaml"})
    status = shop.begin().until_state("PromotionFailed")
    assert "staging/api/none.yaml does not exist in branch main of GitRepository config" in status["message"]
    api["write"] = write(API)
    shop.apply("Environment", "staging")
    shop.pilotage("retry", "web-412")
    waiting = shop.until_waiting("Delivery", "Argo CD has not synced what is in Git")
    assert waiting["observed"].startswith("api: runs ")
    assert waiting["unblockWith"].startswith(f"sync application {shop.name}-api-staging")
    newest = commits(shop)[0]
    assert "Pilotage-Key: " in newest["commit"]["message"]
    shop.sandbox.post("/_argocd/deploy", {"app": f"{shop.name}-api-staging", "revision": newest["sha"]})
    assert results(shop.until_state("Completed")) == {"api-staging": "Promoted"}


def pulls(shop: StoryShop) -> dict[int, dict[str, Any]]:
    """Return the pull requests of the configuration."""
    found = shop.sandbox.state()["github"][f"acme/{shop.name}-config"]["pulls"]
    return {int(number): pull for number, pull in found.items()}


def test_a_pull_request_waits_for_a_person_who_may_also_close_it(story: OpenStory) -> None:
    shop = configured(story, "proposed").changes("services/api/main.py")
    staging = shop.document("Environment", "staging")["spec"]
    # Enough for the first look on a busy machine, and to arrive once it is merged; it stands still in between.
    staging["deliveryTimeout"] = "15s"
    staging["deployments"][0]["write"] = write(API, via="PullRequest")
    waiting = shop.begin().until_waiting("Delivery", "waits to be merged")
    assert f"/acme/{shop.name}-config/pull/1" in waiting["observed"]
    repository = f"acme/{shop.name}-config"
    statuses = shop.sandbox.state()["github"][repository]["statuses"][pulls(shop)[1]["head_sha"]]
    assert [(one["context"], one["state"]) for one in statuses] == [("pilotage/dev/integration", "success")]
    shop.sandbox.post("/_github/close", {"repo": repository, "number": 1})
    assert "was closed without being merged" in shop.until_state("PromotionFailed")["message"]
    shop.pilotage("retry", "web-412")
    shop.until_waiting("Delivery", f"{repository}/pull/2 waits to be merged")
    shop.sandbox.post("/_github/merge", {"repo": repository, "number": 2})
    assert results(shop.until_state("Completed")) == {"api-staging": "Promoted"}


@pytest.mark.parametrize("host", [GITHUB, "gitlab"])
def test_a_pull_request_is_merged_as_the_environment_declares(story: OpenStory, host: str) -> None:
    shop = configured(story, f"merged{host}", host=host)
    staging = shop.document("Environment", "staging")["spec"]
    staging["write"] = write(EACH, via="PullRequest", autoMerge=True, mergeMethod="Squash")
    for deployment in staging["deployments"]:
        del deployment["write"]
    assert results(shop.begin().until_state("Completed")) == {"api-staging": "Promoted", "site-staging": "Promoted"}
    newest, first = commits(shop)
    assert (first["sha"], len(newest["parents"])) == (CONFIGURED, 1)
    assert newest["commit"]["message"].count("Pilotage-Key: ") == 1
    assert [pull["merged"] for pull in pulls(shop).values()] == [True]
