"""One credential for many tenants must not open every repository to each of them."""

from typing import Any

import pytest

from activities.ports import MissingReason, ReferenceMissing
from crds.rules.documents import validate_documents
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.git_repository import GitRepository
from tests.activities.cluster import Cluster
from tests.crds.resources import document
from worker.opening.credentials import Credentials

SHOP = {"matchLabels": {"team": "shop"}}
BANK = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["bank"]}]}
BOTH = {"matchExpressions": [{"key": "team", "operator": "Exists"}]}


def cluster(*repositories: dict[str, Any]) -> Cluster:
    made = Cluster()
    spec: dict[str, Any] = {"github": {}, "secretRef": {"name": "shared"}, "allowedNamespaces": BOTH}
    made.add("ClusterScmProvider", "shared", {**spec, "repositories": list(repositories)}, namespace="")
    made.objects["Namespace", "", "shop"] = {"metadata": {"name": "shop", "labels": {"team": "shop"}}}
    made.secrets["pilotage", "shared"] = {"token": b"shared-token-value"}
    return made


def repository(owner: str, name: str) -> GitRepository:
    reference = {"kind": "ClusterScmProvider", "name": "shared"}
    spec = {"scmProviderRef": reference, "github": {"owner": owner, "name": name}}
    return GitRepository.from_wire(document("GitRepository", "web", spec))


async def opens(made: Cluster, owner: str, name: str) -> bool:
    try:
        await Credentials(made.port(), system_namespace="pilotage").scm("shop", repository(owner, name))
    except ReferenceMissing as refused:
        return refused.reason is not MissingReason.REPOSITORY_NOT_ALLOWED
    return True


@pytest.mark.parametrize(
    ("owner", "name", "wanted"),
    [
        ("acme", "web", True),
        ("ACME", "Web-Shop", True),
        ("acme", "payroll", False),
        ("acmebank", "web", False),
        ("bank", "ledger", False),
        ("acme", "we", False),
    ],
)
async def test_to_open_anothers_repository_with_the_shared_credential(owner: str, name: str, wanted: bool) -> None:
    made = cluster(
        {"namespaces": SHOP, "patterns": ["acme/web*"]}, {"namespaces": BANK, "patterns": ["bank/**", "acme/payroll"]}
    )
    assert await opens(made, owner, name) is wanted


def gitlab(namespace: str, name: str) -> GitRepository:
    reference = {"kind": "ClusterScmProvider", "name": "shared"}
    spec = {"scmProviderRef": reference, "gitlab": {"namespace": namespace, "name": name}}
    return GitRepository.from_wire(document("GitRepository", "web", spec))


@pytest.mark.parametrize(
    ("pattern", "namespace", "name", "wanted"),
    [
        ("acme/*", "acme", "web", True),
        ("acme/*", "acme/payroll", "ledger", False),
        ("acme/web", "acme/web", "ledger", False),
        ("acme/**", "acme/payroll", "ledger", True),
        ("acme/**", "acmebank", "ledger", False),
        ("**/web", "acme/team", "web", True),
        ("**/web", "acme/web", "ledger", False),
        ("acme/**", "acme/../bank", "ledger", False),
        ("acme/**", "acme/..", "bank/ledger", False),
        ("acme/**", "acme/./..", "ledger", False),
        ("acme/**", "acme/%2e%2e/bank", "ledger", False),
        ("acme/**", "acme//bank", "ledger", False),
        ("acme/**", "acme\\..\\bank", "ledger", False),
        ("acme/**", "acme", "web?private_token=x", False),
    ],
)
def test_to_open_a_repository_below_or_next_to_the_ones_that_are_allowed(
    pattern: str, namespace: str, name: str, wanted: bool
) -> None:
    spec = {"gitlab": {}, "secretRef": {"name": "shared"}, "repositories": [{"patterns": [pattern]}]}
    provider = ClusterScmProvider.from_wire(document("ClusterScmProvider", "shared", spec))
    assert provider.spec.allows(gitlab(namespace, name), {}) is wanted


UUID = "5137f783-a12b-4958-a614-4a2af63fca20"


@pytest.mark.parametrize("name", [f"{{{UUID}}}", f"{{{UUID.upper()}}}", UUID, UUID.replace("-", ""), f"({UUID})"])
@pytest.mark.parametrize("host", ["bitbucketCloud", "azureDevOps"])
async def test_to_open_anothers_repository_by_its_id(host: str, name: str) -> None:
    owner = "owner" if host == "bitbucketCloud" else "project"
    made = cluster({"patterns": ["acme/**"]})
    reference = {"kind": "ClusterScmProvider", "name": "shared"}
    spec = {"scmProviderRef": reference, host: {owner: "acme", "name": name}}
    by_id = GitRepository.from_wire(document("GitRepository", "web", spec))
    with pytest.raises(ReferenceMissing, match="in place of its id"):
        await Credentials(made.port(), system_namespace="pilotage").scm("shop", by_id)
    provider = ClusterScmProvider.from_wire(made.objects["ClusterScmProvider", "", "shared"])
    assert not provider.spec.allows(by_id, {"team": "shop"})


async def test_without_a_list_every_repository_of_the_credential_is_open() -> None:
    assert await opens(cluster(), "anything", "at-all")


async def test_a_list_for_all_allowed_namespaces_names_no_selector() -> None:
    assert await opens(cluster({"patterns": ["acme/*"]}), "acme", "web")


async def test_to_pass_a_name_and_open_another_project_by_its_number() -> None:
    made = cluster({"patterns": ["acme/*"]})
    made.objects["ClusterScmProvider", "", "shared"]["spec"].pop("github")
    made.objects["ClusterScmProvider", "", "shared"]["spec"]["gitlab"] = {}
    spec = {
        "scmProviderRef": {"kind": "ClusterScmProvider", "name": "shared"},
        "gitlab": {"namespace": "acme", "name": "web", "projectId": 4711},
    }
    by_number = GitRepository.from_wire(document("GitRepository", "web", spec))
    with pytest.raises(ReferenceMissing, match="projectId"):
        await Credentials(made.port(), system_namespace="pilotage").scm("shop", by_number)


def test_patterns_are_bounded_by_the_schema() -> None:
    with pytest.raises(ValueError, match="patterns"):
        ClusterScmProvider.from_wire(
            document("ClusterScmProvider", "x", {"github": {}, "secretRef": {"name": "s"}, "repositories": [{}]})
        )


@pytest.mark.parametrize("within", ["allowedNamespaces", "repositories"])
async def test_a_mistyped_selector_allows_no_namespace(within: str) -> None:
    everyone = {"matchExpressions": [{"key": "team ", "operator": "NotIn", "values": ["bank"]}]}
    made = cluster({"namespaces": everyone, "patterns": ["acme/*"]})
    provider = made.objects["ClusterScmProvider", "", "shared"]
    where = "spec.repositories[0].namespaces"
    if within == "allowedNamespaces":
        provider["spec"] |= {"allowedNamespaces": everyone, "repositories": []}
        where = "spec.allowedNamespaces"
    with pytest.raises(ReferenceMissing) as refused:
        await Credentials(made.port(), system_namespace="pilotage").scm("shop", repository("acme", "web"))
    assert refused.value.reason is MissingReason.INVALID
    assert f"{where}.matchExpressions[0].key: `team ` is no key" in str(refused.value)
    (found,) = validate_documents([provider])
    assert found.error.path == f"{where}.matchExpressions[0].key"
