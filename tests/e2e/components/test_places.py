"""What an Environment declares: which applications, where they are served, and how they are written."""

import copy
from typing import Any

import pytest

from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA, PREVIOUS_SHA, StoryShop
from tests.e2e.components.test_waves import results

OWNED = [{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "sites", "uid": "1"}]


REQUIREMENTS = {
    "isin": {"key": "size", "operator": "In", "values": ["small"]},
    "isnotin": {"key": "size", "operator": "NotIn", "values": ["large"]},
    "exists": {"key": "open", "operator": "Exists"},
    "existsnot": {"key": "closed", "operator": "DoesNotExist"},
}
"""Which of two applications each meets: one that is small and open, not one that is large and closed."""


def test_only_applications_that_meet_every_requirement_are_written(story: OpenStory) -> None:
    shop = story("waves", "selected")
    apps, region = shop.seed["argocd"]["apps"], shop.app("region-1")
    deployments = shop.document("Environment", "prod")["spec"]["deployments"]
    regions = deployments.pop()
    for way, requirement in REQUIREMENTS.items():
        tier = {"tier": f"{shop.name}-{way}"}
        apps[f"{shop.name}-{way}-1"] = {**region, "labels": {**tier, "size": "small", "open": "yes"}}
        apps[f"{shop.name}-{way}-2"] = {**region, "labels": {**tier, "size": "large", "closed": "yes"}}
        selector = {"matchLabels": tier, "matchExpressions": [requirement]}
        deployments.append({**regions, "name": way, "argocd": {**regions["argocd"], "selector": selector}})
    status = shop.begin().until_state("Completed")
    assert sorted(results(status)) == sorted(["canary", *(f"{way}-1" for way in REQUIREMENTS)])
    left = {way: shop.live(f"{way}-2")["live"][0] for way in REQUIREMENTS}
    assert left == dict.fromkeys(REQUIREMENTS, PREVIOUS_SHA)


def test_the_write_of_the_environment_replaces_an_image_of_what_an_owner_allows(story: OpenStory) -> None:
    shop = story("components", "images").changes("services/api/main.py")
    shop.app("api-staging")["owner_references"] = OWNED
    staging = shop.document("Environment", "staging")
    api = staging["spec"]["deployments"][0]
    staging["spec"] |= {"deployments": [api], "write": api.pop("write")}
    assert "OwnedBy ApplicationSet/sites" in shop.begin().until_state("PromotionFailed")["message"]
    staging["spec"]["write"]["argocd"]["allowManaged"] = True
    shop.apply("Environment", "staging")
    shop.pilotage("retry", "web-412")
    shop.until_state("Completed")
    [first] = shop.live("api-staging")["sources"]
    assert first["kustomize"]["images"] == [f"ghcr.io/acme/api:sha-{MERGE_SHA}"]


def test_the_write_of_the_environment_sets_a_parameter(story: OpenStory) -> None:
    shop = story("components", "parameters").changes("site/index.html")
    staging = shop.document("Environment", "staging")
    site = staging["spec"]["deployments"][1]
    staging["spec"] |= {"deployments": [site], "write": site.pop("write")}
    shop.begin().until_state("Completed")
    _, second = shop.live("site-staging")["sources"]
    assert {"name": "image.tag", "value": f"v-{MERGE_SHA[:8]}"} in second["helm"]["parameters"]


def test_a_deployment_of_another_repository_is_left_alone(story: OpenStory) -> None:
    shop = story("waves", "neighbours")
    shop.seed["argocd"]["apps"]["neighbours-other"] = copy.deepcopy(shop.app("region-1")) | {"labels": {}}
    repository = copy.deepcopy(shop.document("GitRepository", "web"))
    repository["metadata"]["name"] = "other"
    shop.documents.insert(1, repository)
    deployments = shop.document("Environment", "prod")["spec"]["deployments"]
    other = copy.deepcopy(deployments[0])
    other |= {"name": "other", "repositoryRef": {"name": "other"}}
    other["argocd"]["application"] = "neighbours-other"
    deployments.append(other)
    status = shop.begin().until_state("Completed")
    assert "other" not in results(status)
    assert shop.live("other")["live"][0] == PREVIOUS_SHA


def test_the_argo_cd_and_the_project_that_a_deployment_names_are_asked(story: OpenStory) -> None:
    shop = story("waves", "served")
    dev = shop.document("Environment", "dev")["spec"]["deployments"][0]["argocd"]
    project = dev["project"]
    dev |= {"instanceRef": {"name": "spare"}, "project": "elsewhere"}
    shop.begin().until_waiting("Reference", "ArgoCDInstance", "spare")
    spare = copy.deepcopy(shop.document("ArgoCDInstance", "argocd"))
    spare["metadata"]["name"] = "spare"
    shop.cluster.apply(spare)
    shop.until_waiting("Sync", "403")
    dev["project"] = project
    shop.apply("Environment", "dev")
    status = shop.until_state("Completed")
    assert {one["result"] for one in status["promotions"]} == {"Promoted"}


def test_servers_are_called_where_their_resources_declare(story: OpenStory) -> None:
    shop = story("waves", "addresses")
    argocd, jenkins = shop.document("ArgoCDInstance", "argocd"), shop.document("TestRunner", "jenkins")
    server, url = argocd["spec"]["server"], jenkins["spec"]["jenkins"]["url"]
    # Nothing listens on the discard port.
    argocd["spec"]["server"] = jenkins["spec"]["jenkins"]["url"] = "http://127.0.0.1:9"
    shop.begin().until_waiting("Sync", "127.0.0.1:9")
    argocd["spec"]["server"] = server
    shop.apply("ArgoCDInstance", "argocd")
    shop.until_waiting("Verdict", "127.0.0.1:9")
    jenkins["spec"]["jenkins"]["url"] = url
    shop.apply("TestRunner", "jenkins")
    status = shop.until_state("Completed")
    assert {one["result"] for one in status["promotions"]} == {"Promoted"}


@pytest.mark.parametrize(
    ("second", "third"),
    [({"name": "second"}, {"name": "third"}), ({"path": "more"}, {"path": "most"}), ({"position": 2}, {"position": 3})],
    ids=["name", "path", "position"],
)
def test_only_the_source_that_is_named_is_written(
    story: OpenStory, second: dict[str, Any], third: dict[str, Any]
) -> None:
    [field] = second
    shop = story("waves", f"sourceby{field}")
    app = shop.app("canary")
    first = app.pop("source")
    app["sources"] = [first, {**first, "path": "more", "name": "second"}, {**first, "path": "most", "name": "third"}]
    app["revisions"] = [app.pop("revision")] * len(app["sources"])
    declare_writes(shop, environment={"source": second}, deployment={"source": third})
    shop.begin().until_state("Completed")
    written = {name: [one["targetRevision"] for one in shop.live(name)["sources"]] for name in ("canary", "own")}
    assert written == {
        "canary": [PREVIOUS_SHA, MERGE_SHA, PREVIOUS_SHA],
        "own": [PREVIOUS_SHA, PREVIOUS_SHA, MERGE_SHA],
    }


@pytest.mark.parametrize("prune", [True, False])
def test_a_sync_deletes_what_the_change_removed_only_where_that_is_wanted(story: OpenStory, *, prune: bool) -> None:
    shop = story("waves", f"prune{prune}".lower())
    declare_writes(shop, environment={"prune": prune}, deployment={"prune": not prune})
    shop.begin().until_state("Completed")
    for name, wanted in (("canary", prune), ("own", not prune)):
        [sync] = [one["body"] for one in shop.journal("argocd") if one["path"].endswith(f"-{name}/sync")]
        assert bool(sync.get("prune")) is wanted, name


def declare_writes(shop: StoryShop, *, environment: dict[str, Any], deployment: dict[str, Any]) -> None:
    """Have the canary be written as the Environment declares, and a copy of it as its own deployment does."""
    shop.seed["argocd"]["apps"][f"{shop.name}-own"] = shop.app("canary")
    spec = shop.document("Environment", "prod")["spec"]
    canary = spec["deployments"][0]
    own = {**canary, "name": "own", "write": {"argocd": {"set": "TargetRevision", **deployment}}}
    own["argocd"] = {**canary["argocd"], "application": f"{shop.name}-own"}
    spec |= {"write": {"argocd": {"set": "TargetRevision", **environment}}, "deployments": [canary, own]}
