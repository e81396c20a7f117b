"""What trackers, policies and cluster-scoped providers declare decides which way a change goes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from crds.rules.secrets import CONSENT_LABEL
from deploy.local.sandbox import seed
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import Shop
from tests.providers.apps import github_app


def _targets(status: dict[str, Any]) -> list[str]:
    return [record["target"] for record in status["promotions"]]


def test_a_tracker_begins_in_the_environment_that_it_names(shop: OpenShop) -> None:
    opened = shop("later").open()
    opened.document("PullRequestTracker", "web-412")["spec"]["environment"] = "staging"
    opened.apply_all().until_waiting("Sync", "staging")
    opened.deploy("staging", MERGE_SHA)
    opened.until_waiting("PromoteCommand")
    opened.pilotage("promote", "web-412")
    assert _targets(opened.until_state("Completed")) == ["prod"]


def test_a_policy_is_followed_by_the_repositories_that_it_names_and_one_without_by_all_others(shop: OpenShop) -> None:
    opened = shop("chosen").open()
    other = copy.deepcopy(opened.document("GitRepository", "web"))
    other["metadata"]["name"] = "other"
    opened.document("PromotionPolicy", "dev-to-staging")["spec"]["repositoryRefs"] = [{"name": "other"}]
    direct = copy.deepcopy(opened.document("PromotionPolicy", "staging-to-prod"))
    direct["metadata"]["name"] = "direct"
    direct["spec"] |= {"sourceEnvironment": "dev", "autoPromote": True, "tests": []}
    del direct["spec"]["repositoryRefs"]
    opened.documents[-1:-1] = [other, direct]
    assert _targets(opened.apply_all().until_state("Completed")) == ["prod"]


def _labels(shop: Shop) -> dict[str, Any]:
    return {"matchLabels": {"team": shop.name}}


def _expressions(shop: Shop) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "team", "operator": "In", "values": [shop.name]}]}


@pytest.mark.parametrize(
    ("name", "refused", "allowed"),
    [
        ("by-label", lambda _: {"matchLabels": {"team": "another"}}, _labels),
        (
            "by-expression",
            lambda shop: {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": [shop.name]}]},
            _expressions,
        ),
    ],
)
def test_a_provider_of_the_cluster_serves_the_namespaces_that_it_allows(
    shop: OpenShop, name: str, refused: Callable[[Shop], object], allowed: Callable[[Shop], object]
) -> None:
    opened = shop(name).open()
    app = github_app("pilotage")
    opened.sandbox.post("/_seed", {"github": {"app": app.known}})
    opened.document("Namespace", opened.namespace)["metadata"]["labels"] = {"team": opened.name}
    opened.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pilotage"}})
    secret = {"name": f"{name}-app", "namespace": "pilotage", "labels": {CONSENT_LABEL: "true"}}
    opened.cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"privateKey": app.private_key}}
    )
    provider = opened.document("ScmProvider", "github")
    provider["kind"] = "ClusterScmProvider"
    provider["metadata"] = {"name": name}
    provider["spec"]["github"] |= {"appID": seed.GITHUB_APP_ID, "installationID": seed.GITHUB_INSTALLATION_ID}
    # The Secret of the namespace's webhooks is none of the cluster's.
    del provider["spec"]["webhookSecretRef"]
    provider["spec"] |= {"secretRef": {"name": f"{name}-app"}, "allowedNamespaces": refused(opened)}
    repository = opened.document("GitRepository", "web")
    repository["spec"]["scmProviderRef"] = {"kind": "ClusterScmProvider", "name": name}
    opened.apply_all().until_waiting("Reference", f"ClusterScmProvider/{name}")
    provider["spec"]["allowedNamespaces"] = allowed(opened)
    opened.cluster.apply(provider)
    opened.until_waiting("PromoteCommand")
    mints = [one for one in opened.sandbox.journal() if one["path"].endswith("/access_tokens")]
    assert mints, "the App of the cluster's provider was used"
    # What stays is checked again and again, by calls that other tests count.
    opened.close()
    opened.cluster.delete("ClusterScmProvider", "", name)


@pytest.mark.parametrize(
    ("name", "gates", "missing"),
    [
        ("gate-missing", {"tests": [{"name": "security"}]}, "security"),
        ("gate-runner", {"tests": [{"name": "integration", "runnerRef": {"name": "spare"}}]}, "runnerRef"),
        ("gate-job", {"tests": [{"name": "integration", "job": "gates/integration"}]}, "job"),
        ("gate-people", {"people": True}, "autoPromote"),
        (
            "gate-of-web",
            {"tests": [{"name": "security", "repositoryRefs": [{"name": "web"}]}]},
            "security",
        ),
    ],
)
def test_a_policy_without_a_gate_of_its_target_is_followed_only_once_the_gate_is_gone(
    shop: OpenShop, name: str, gates: dict[str, Any], missing: str
) -> None:
    opened = shop(name).open()
    staging = opened.document("Environment", "staging")
    staging["spec"]["gates"] = gates
    opened.apply_all().until_waiting("Policy", missing)
    assert opened.triggers() == {}
    if "repositoryRefs" in str(gates):
        # The same gate for the changes of another repository.
        gates["tests"][0]["repositoryRefs"] = [{"name": "other"}]
    else:
        del staging["spec"]["gates"]
    opened.apply("Environment", "staging")
    opened.until_waiting("PromoteCommand")
