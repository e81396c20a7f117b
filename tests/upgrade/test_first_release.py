"""Resources of 0.1.0 after an upgrade: each works as it is, or shows the very line that it misses."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from activities.ports import MissingReason, ReferenceMissing
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES, SECRETS, Document, resource_of
from crds.fields import SecretReference
from crds.rules.documents import validate_documents
from crds.v1alpha1.kinds import BY_KIND
from deploy.local.environment.kubernetes_server import KubernetesAccess
from providers.errors import ProviderMisconfigured
from providers.http import HttpClients, HttpOptions
from worker.opening.credentials import Credentials

FIRST_RELEASE = Path(__file__).parent / "first_release"
SAMPLES = sorted(path.name for path in FIRST_RELEASE.iterdir())
CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
Read = list[Document]


def resources(sample: str, namespace: str) -> Read:
    """Read a sample of the first release, moved to a namespace of its own; the namespace itself is left out."""
    yaml = YAML(typ="safe")
    texts = (path.read_text() for path in sorted((FIRST_RELEASE / sample).glob("*.yaml")))
    found = [one for text in texts for one in yaml.load_all(text) if one and one["kind"] != "Namespace"]
    return [{**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in found]


@pytest.fixture
async def api(kubernetes_api: KubernetesAccess) -> AsyncIterator[KubernetesApi]:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as connected:
        yield connected


@pytest.mark.parametrize("sample", SAMPLES)
async def test_what_was_declared_is_taken_and_a_secret_names_the_label_that_it_misses(
    api: KubernetesApi, sample: str
) -> None:
    namespace = f"upgraded-{sample}"
    await api.create(NAMESPACES, None, {"metadata": {"name": namespace}})
    declared = resources(sample, namespace)
    errors = validate_documents(declared)
    # Nothing of it became wrong but that a Secret has to consent.
    assert {(one.kind, one.error.path) for one in errors} == {("Secret", "metadata.labels")}
    for one in declared:
        resource = SECRETS if one["kind"] == "Secret" else resource_of(BY_KIND[one["kind"]].definition)
        await api.create(resource, namespace, one)
    credentials = Credentials(api, system_namespace="pilotage")
    named = [one for one in declared if one.get("spec", {}).get("secretRef")]
    assert named
    for one in named:
        secret = SecretReference(name=one["spec"]["secretRef"]["name"])
        user = f"{one['kind']}/{one['metadata']['name']}"
        with pytest.raises(ReferenceMissing) as refused:
            await credentials.read(namespace, secret, user=user)
        assert refused.value.reason is MissingReason.NO_CONSENT
        await api.merge(SECRETS, namespace, secret.name, {"metadata": {"labels": label_in(str(refused.value))}})
        assert (await credentials.read(namespace, secret, user=user)).data
        # It is the same for the next resource that names it.
        await api.merge(SECRETS, namespace, secret.name, {"metadata": {"labels": None}})


@pytest.mark.parametrize("sample", SAMPLES)
def test_with_the_lines_that_validation_names_nothing_is_wrong(sample: str) -> None:
    declared = resources(sample, "shop")
    for error in validate_documents(declared):
        declared[error.index]["metadata"]["labels"] = label_in(str(error))
    assert validate_documents(declared) == []


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_address_that_is_no_longer_called_names_the_entry_that_allows_it(sample: str) -> None:
    addresses = sorted({text for one in resources(sample, "shop") for text in addresses_in(one.get("spec"))})
    assert addresses
    for address in addresses:
        http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("github.com",)))
        with pytest.raises(ProviderMisconfigured) as refused:
            http.address(address)
        assert "PILOTAGE_ALLOWED_HOSTS" in str(refused.value)
        host = re.search(r"host (\S+:\d+) is not allowed", str(refused.value))
        assert host is not None
        HttpClients(HttpOptions(allow_http=True, allowed_hosts=(host[1],))).address(address)


ASKED = {
    "consent of Secrets": "pilotage.dev/credential",
    "hosts": "PILOTAGE_ALLOWED_HOSTS",
    "verified commands": "PILOTAGE_COMMANDS_UNVERIFIED",
    "admission policies": "pilotage crds",
    "owners": "ownerReferences",
}


@pytest.mark.parametrize("asked", sorted(ASKED))
def test_the_changelog_names_each_change_that_asks_something_of_users(asked: str) -> None:
    unreleased = CHANGELOG.partition("## Unreleased")[2].partition("\n## ")[0]
    notes = unreleased.partition("### Upgrade notes")[2].partition("\n### ")[0]
    assert ASKED[asked] in notes


def label_in(text: str) -> dict[str, str]:
    """Return the label that a message names."""
    found = re.search(r'`([a-z./]+): "(\w+)"`', text)
    assert found is not None, text
    return {found[1]: found[2]}


def addresses_in(value: Any) -> list[str]:
    """Return every base address within a spec."""
    if isinstance(value, str):
        return [value] if value.startswith("http://") else []
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for one in nested for found in addresses_in(one)]
