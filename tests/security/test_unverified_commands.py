"""Commands in a forged name: without the admission policy nothing verifies who gave them."""

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiConflict, ApiForbidden, ApiNotFound, ApiResource, ApiUnavailable, Document, Kubernetes
from crds.api.verification import BINDINGS, POLICIES, CommandVerification
from crds.schema.admission import ADMISSIONS
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.watcher.fakes import command_document
from tests.watcher.test_commands import Scene

NAME = "promotioncommands.pilotage.dev"
Change = Callable[[Document, Document], object]


async def shipped(access: KubernetesAccess) -> dict[str, Document]:
    """Read policy and binding as the real API server has completed them."""
    async with await KubernetesApi.connect(kubeconfig=str(access.kubeconfig)) as kubernetes:
        return {one.kind: await kubernetes.get(one, None, NAME) for one in (POLICIES, BINDINGS)}


class Server:
    """Answers with these documents."""

    def __init__(self, documents: dict[str, Document], failure: Exception | None = None) -> None:
        self.documents = documents
        self.failure = failure
        self.calls = 0

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        if resource.kind not in self.documents:
            raise ApiNotFound(f"{resource.plural} {name} not found", status=404, object_name=name)
        return self.documents[resource.kind]

    def port(self) -> Kubernetes:
        return cast(Kubernetes, self)


async def test_with_the_shipped_policy_commands_are_carried_out(kubernetes_api: KubernetesAccess) -> None:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as kubernetes:
        assert await CommandVerification(kubernetes).check() == ""


def policy(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda found, _binding: change(found["spec"])


def binding(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda _policy, found: change(found["spec"])


WEAKER: dict[str, Change] = {
    "ignores failures": policy(lambda spec: spec.update(failurePolicy="Ignore")),
    "asks for no name": policy(lambda spec: spec["validations"].pop(0)),
    "asks for no verb": policy(lambda spec: spec["validations"].pop(1)),
    "lets commands have owners": policy(lambda spec: spec["validations"].pop(2)),
    "judges another kind": policy(
        lambda spec: spec["matchConstraints"]["resourceRules"][0].update(resources=["environments"])
    ),
    "judges one object": policy(
        lambda spec: spec["matchConstraints"]["resourceRules"][0].update(resourceNames=["innocent"])
    ),
    "leaves namespaces out": policy(
        lambda spec: spec["matchConstraints"].update(namespaceSelector={"matchLabels": {"judged": "true"}})
    ),
    "leaves rules out": policy(lambda spec: spec["matchConstraints"].update(excludeResourceRules=[{}])),
    "judges on a condition": policy(lambda spec: spec.update(matchConditions=[{"name": "no", "expression": "false"}])),
    "binds another": binding(lambda spec: spec.update(policyName="other")),
    "warns only": binding(lambda spec: spec.update(validationActions=["Warn"])),
    "binds a namespace": binding(
        lambda spec: spec.update(matchResources={"namespaceSelector": {"matchLabels": {"judged": "true"}}})
    ),
}


@pytest.mark.parametrize("weaker", sorted(WEAKER))
async def test_to_have_a_weakened_policy_taken_for_the_shipped_one(
    kubernetes_api: KubernetesAccess, weaker: str
) -> None:
    documents = copy.deepcopy(await shipped(kubernetes_api))
    WEAKER[weaker](documents[POLICIES.kind], documents[BINDINGS.kind])
    assert "pilotage crds" in await CommandVerification(Server(documents).port()).check()


async def test_a_missing_policy_is_looked_for_again_once_it_was_applied() -> None:
    server, now = Server({}), [0.0]
    verification = CommandVerification(server.port(), clock=lambda: now[0])
    assert "does not exist" in await verification.check()
    documents = ADMISSIONS[0].documents()
    server.documents = {POLICIES.kind: documents[0], BINDINGS.kind: documents[1]}
    assert await verification.check() != ""
    now[0] = 61.0
    assert await verification.check() == ""
    assert await verification.check() == ""
    assert server.calls == 3


async def test_where_the_policy_may_not_be_read_the_right_and_the_setting_are_named() -> None:
    server = Server({}, ApiForbidden("forbidden", status=403))
    refused = await CommandVerification(server.port()).check()
    assert "validatingadmissionpolicies" in refused
    assert "PILOTAGE_COMMANDS_UNVERIFIED" in refused


async def test_an_api_server_before_the_first_that_knows_admission_policies_is_named(
    kubernetes_api: KubernetesAccess,
) -> None:
    unknown = ApiResource(
        group="admissionregistration.k8s.io", version="v1", plural="notyetknown", kind="NotYetKnown", namespaced=False
    )
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as kubernetes:
        for resource, of_kind in ((unknown, True), (POLICIES, False)):
            with pytest.raises(ApiNotFound) as missing:
                await kubernetes.get(resource, None, "none")
            assert missing.value.of_kind is of_kind
    server = Server({}, ApiNotFound("HTTP 404", status=404))
    refused = await CommandVerification(server.port()).check()
    for part in ("1.30", "update Kubernetes", "PILOTAGE_COMMANDS_UNVERIFIED=true"):
        assert part in refused
    # `pilotage crds` cannot put there what the API server does not know.
    assert "apply" not in refused


async def test_an_api_server_that_does_not_answer_refuses_no_command() -> None:
    verification = CommandVerification(Server({}, ApiUnavailable("no answer")).port())
    with pytest.raises(ApiUnavailable):
        await verification.check()
    await verification.look()
    assert verification.refusal == ""


async def test_to_command_in_any_name_where_nothing_verifies_it() -> None:
    scene = Scene()
    verification = CommandVerification(Server({}).port())
    key = scene.give(command_document("promote"))
    await scene.another_watcher(verify=verification.check).execute(key)
    answer = scene.answer(key)
    assert (answer["accepted"], scene.promotions.commands) == (False, [])
    assert "admission policy" in str(answer["message"])


async def test_to_have_a_command_taken_for_verified_because_the_check_or_its_refusal_got_lost() -> None:
    scene = Scene()
    key = scene.give(command_document("promote"))
    server = Server({}, ApiUnavailable("no answer"))
    watcher = scene.another_watcher(verify=CommandVerification(server.port()).check)
    with pytest.raises(ApiUnavailable):
        await watcher.execute(key)
    server.failure = None
    scene.kubernetes.lost = 1
    with pytest.raises(ApiConflict):
        await watcher.execute(key)
    await watcher.execute(key)
    assert (scene.answer(key)["accepted"], scene.promotions.commands) == (False, [])


CLAIMS: dict[str, Document] = {
    "old": {"claimedBy": "mallory", "claimedAt": "2026-03-01T11:00:00Z", "claims": 1, "attempt": 1},
    "far ahead": {"claimedBy": "mallory", "claimedAt": "9999-12-31T23:59:59Z", "claims": 1, "attempt": 1},
    "before all times": {"claimedBy": "mallory", "claimedAt": "0001-01-01T00:00:00Z", "claims": 1, "attempt": 1},
    "without a time": {"claimedBy": "mallory"},
    "of no time": {"claimedBy": "mallory", "claimedAt": "soon"},
}


@pytest.mark.parametrize("claim", sorted(CLAIMS))
async def test_to_command_unverified_by_a_claim_that_one_wrote_oneself(claim: str) -> None:
    scene = Scene()
    key = scene.give({**command_document("promote"), "status": CLAIMS[claim]})
    await scene.another_watcher(verify=CommandVerification(Server({}).port()).check).execute(key)
    answer = scene.answer(key)
    assert (answer["accepted"], scene.promotions.commands) == (False, [])
    assert "admission policy" in str(answer["message"])


@pytest.mark.parametrize("claim", sorted(CLAIMS))
async def test_to_hold_up_the_commands_of_others_by_a_claim_that_is_never_answered(claim: str) -> None:
    scene = Scene()
    key = scene.give({**command_document("promote"), "status": CLAIMS[claim]})
    assert await scene.executor().execute(key) is None
    assert scene.answer(key)["accepted"] is True
    assert len(scene.promotions.commands) == 1


async def test_those_who_accept_it_set_it() -> None:
    assert await CommandVerification(Server({}).port(), unverified=True).check() == ""
