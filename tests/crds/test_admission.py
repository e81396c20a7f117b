"""Who may command: the shipped ValidatingAdmissionPolicy on the real API server."""

import time

import pytest

from tests.crds.api import Api, message
from tests.crds.resources import Document, document

RBAC = "rbac.authorization.k8s.io/v1"


def command(name: str, *, verb: str = "promote", environment: str = "staging", by: str = "alice") -> Document:
    spec = {"trackerRef": {"name": "web-412"}, "verb": verb, "environment": environment, "requestedBy": by}
    return document("PromotionCommand", name, spec, namespace="crds")


@pytest.fixture(scope="module", autouse=True)
def rights(api: Api) -> None:
    """Both may create commands; alice may promote and hold in staging, bob nothing."""
    rules = [
        {"apiGroups": ["pilotage.dev"], "resources": ["promotioncommands"], "verbs": ["create", "get"]},
        {"apiGroups": ["pilotage.dev"], "resources": ["promotioncommands"], "verbs": ["patch"]},
    ]
    granted = [
        {
            "apiGroups": ["pilotage.dev"],
            "resources": ["environments"],
            "resourceNames": ["staging"],
            "verbs": ["promote", "hold"],
        }
    ]
    for name, role_rules, users in (("command", rules, ("alice", "bob")), ("staging", granted, ("alice",))):
        metadata = {"name": name, "namespace": "crds"}
        role = {"apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": role_rules}
        subjects = [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"} for user in users]
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        binding = {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": subjects,
            "roleRef": reference,
        }
        for plural, created in (("roles", role), ("rolebindings", binding)):
            response = api.create_other(f"/apis/{RBAC}/namespaces/crds/{plural}", created)
            assert response.status_code in (201, 409), message(response)
    # A policy is in force some moments after it was applied.
    deadline = time.monotonic() + 15
    while api.create(command("probe", by="stranger"), dry_run=True).status_code != 403:
        assert time.monotonic() < deadline, "the admission policy is not in force"
        time.sleep(0.1)


def test_a_person_with_the_verb_on_the_environment_may_command(alice: Api) -> None:
    for verb in ("promote", "hold"):
        response = alice.create(command(f"allowed-{verb}", verb=verb))
        assert response.status_code == 201, message(response)


def test_no_one_commands_under_another_name(alice: Api, bob: Api) -> None:
    refused = bob.create(command("impersonated", by="alice"))
    assert refused.status_code == 403
    assert all(named in message(refused) for named in ("spec.requestedBy", "bob", "alice"))
    assert alice.create(command("other", by="bob")).status_code == 403


def test_a_verb_that_was_not_granted_is_refused(alice: Api) -> None:
    refused = alice.create(command("wrong-verb", verb="abort"))
    assert refused.status_code == 403
    assert all(named in message(refused) for named in ("alice", "abort", "environment staging", "namespace crds"))


def test_a_verb_in_another_environment_is_refused(alice: Api) -> None:
    refused = alice.create(command("wrong-environment", environment="prod"))
    assert refused.status_code == 403
    assert all(named in message(refused) for named in ("alice", "promote", "environment prod"))


def test_a_person_without_any_verb_is_refused(bob: Api) -> None:
    refused = bob.create(command("no-right", by="bob"))
    assert (refused.status_code, "user bob may not promote" in message(refused)) == (403, True)


def test_what_was_allowed_cannot_be_turned_into_something_else(alice: Api) -> None:
    allowed = command("turned", verb="hold")
    assert alice.create(allowed).status_code == 201
    refused = alice.patch(allowed, {"spec": {"environment": "prod", "verb": "promote"}})
    assert (refused.status_code, "immutable" in message(refused)) == (422, True)
