"""What `kubectl explain` and the reference state of a Secret: the keys that each host, runner and instance reads."""

from pathlib import Path

import pytest

from crds.schema.definitions import Schema, custom_resource_definition
from crds.v1alpha1.kinds import KINDS

ROOT = Path(__file__).parents[2]
APP = ("token", "privateKey", "appID")
USER = ("token", "username", "password")
HOSTS = {
    "github": (*APP, "installationID"),
    "gitlab": ("token",),
    "gitea": USER,
    "forgejo": USER,
    "bitbucketCloud": ("token", "username"),
    "bitbucketDataCenter": USER,
    "azureDevOps": ("token", "clientID", "clientSecret", "tenantID", "authority"),
}
CONNECTED = ("ScmProvider", "ClusterScmProvider", "ArgoCDInstance", "TestRunner", "EventSink")
KEYS = {
    **{(kind, host): keys for kind in ("ScmProvider", "ClusterScmProvider") for host, keys in HOSTS.items()},
    **{(kind, "caSecretRef"): ("ca.crt",) for kind in CONNECTED},
    **{(kind, "proxySecretRef"): ("address", "username", "password") for kind in CONNECTED},
    ("ScmProvider", "webhookSecretRef"): ("webhookSecret",),
    ("TestRunner", "jenkins"): USER,
    ("TestRunner", "githubActions"): APP,
    ("TestRunner", "gitlabCI"): ("token", "triggerToken"),
    ("ArgoCDInstance", "secretRef"): ("token",),
}


def _spec(kind: str) -> Schema:
    model = next(model for model in KINDS if model.definition.kind == kind)
    version = custom_resource_definition(model)["spec"]["versions"][0]
    found: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return found


@pytest.mark.parametrize(("kind", "field"), KEYS, ids=[f"{kind}.{field}" for kind, field in KEYS])
def test_the_description_names_each_key_of_the_secret(kind: str, field: str) -> None:
    description = _spec(kind)[field]["description"]
    assert [key for key in KEYS[kind, field] if f"`{key}`" not in description] == []
    reference = (ROOT / "docs" / "reference" / f"{kind.lower()}.md").read_text()
    assert " ".join(description.split()) in reference


def test_each_host_and_runner_stands_above() -> None:
    blocks = {
        name for name, schema in _spec("ScmProvider").items() if not name.endswith("Ref") and "properties" in schema
    }
    assert blocks == set(HOSTS)
    blocks = {name for kind, name in KEYS if kind == "TestRunner" and not name.endswith("Ref")}
    assert blocks == {"jenkins", "githubActions", "gitlabCI"}
