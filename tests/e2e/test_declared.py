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


GATES = {
    "misses `security`": {"tests": [{"name": "security"}]},
    "runnerRef.name": {"tests": [{"name": "integration", "runnerRef": {"name": "spare"}}]},
    "].job": {"tests": [{"name": "integration", "job": "elsewhere/integration"}]},
    "spec.autoPromote": {"people": True},
}
"""Gates that the policies of the samples do not have, by what is shown of a policy without."""


def test_a_policy_without_a_gate_of_its_target_is_followed_only_once_the_gate_is_gone(shop: OpenShop) -> None:
    opened = shop("gates").open()
    staging = opened.document("Environment", "staging")
    opened.apply_all("Environment/staging")
    for missing, gates in GATES.items():
        staging["spec"]["gates"] = gates
        opened.apply("Environment", "staging")
        waiting = opened.until_waiting("Policy", missing)
        assert [one for one in GATES if one in str(waiting)] == [missing]
        assert opened.triggers() == {}, missing
    del staging["spec"]["gates"]
    opened.apply("Environment", "staging")
    opened.until_waiting("PromoteCommand")


def test_a_gate_for_the_changes_of_another_repository_is_none(shop: OpenShop) -> None:
    opened = shop("gate-of-web").open()
    staging = opened.document("Environment", "staging")
    gate = {"name": "security", "repositoryRefs": [{"name": "web"}]}
    staging["spec"]["gates"] = {"tests": [gate]}
    opened.apply_all().until_waiting("Policy", "security")
    assert opened.triggers() == {}
    gate["repositoryRefs"] = [{"name": "other"}]
    opened.apply("Environment", "staging")
    opened.until_waiting("PromoteCommand")
