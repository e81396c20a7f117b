"""What each person may do, as the real API server judges it with the shipped roles and admission policies."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from crds.schema.admission import ADMISSIONS
from crds.schema.roles import ROLES, role_documents
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.crds.api import Api, message
from tests.crds.resources import Document, a_test, deployment, document, environment_document, policy_document

NAMESPACE = "people"
RBAC = "rbac.authorization.k8s.io/v1"
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0b6ff1d0-4ee2-4f3c-8f3a-0f1d1b0c7e55"}
"""An owner that does not exist."""
Person = Callable[[str], Api]


def here(found: Document) -> Document:
    return {**found, "metadata": {**found["metadata"], "namespace": NAMESPACE}}


def place(name: str, **spec: Any) -> Document:
    return here(environment_document(name, deployment(f"web-{name}"), **spec))


def rule(source: str, target: str, *, name: str = "", **spec: Any) -> Document:
    return here(policy_document(source, target, name=name, **{"tests": [a_test("integration")], **spec}))


def tracker(number: int) -> Document:
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
    return here(document("PullRequestTracker", f"web-{number}", spec))


def command(name: str, verb: str, *, by: str, environment: str = "prod") -> Document:
    spec = {"trackerRef": {"name": "web-1"}, "verb": verb, "environment": environment, "requestedBy": by}
    return here(document("PromotionCommand", name, spec))


@pytest.fixture(scope="module")
def admin(kubernetes_api: KubernetesAccess) -> Iterator[Api]:
    """The namespace, the shipped roles with one person bound to each, and a tenant who may write policies alone."""
    api = Api(kubernetes_api)
    assert api.create_other("/api/v1/namespaces", _object("v1", "Namespace", NAMESPACE)).status_code in (201, 409)
    for role in role_documents():
        assert api.create_other(f"/apis/{RBAC}/clusterroles", role).status_code in (201, 409)
    for name in ROLES:
        _bind(api, f"pilotage-{name}", person=name)
    tenant = _object(RBAC, "ClusterRole", "people-tenant") | {
        "rules": [{"apiGroups": ["pilotage.dev"], "resources": ["*"], "verbs": ["create", "update", "patch", "delete"]}]
    }
    assert api.create_other(f"/apis/{RBAC}/clusterroles", tenant).status_code in (201, 409)
    _bind(api, "people-tenant", person="tenant")
    yield api
    api.close()


@pytest.fixture(scope="module")
def person(kubernetes_api: KubernetesAccess, admin: Api) -> Iterator[Person]:
    opened: dict[str, Api] = {}

    def act_as(name: str) -> Api:
        if name not in opened:
            opened[name] = Api(kubernetes_api, impersonated=name)
        return opened[name]

    # Policies are in force some moments after they were applied, each at its own time.
    deadline = time.monotonic() + 20
    probes = (place("probe"), rule("a", "b"), command("probe", "hold", by="tenant"))
    while any(act_as("tenant").create(probe, dry_run=True).status_code != 403 for probe in probes):
        assert time.monotonic() < deadline, "the admission policies are not in force"
        time.sleep(0.1)
    yield act_as
    for api in opened.values():
        api.close()


def _object(version: str, kind: str, name: str) -> Document:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _bind(api: Api, role: str, *, person: str) -> None:
    binding = _object(RBAC, "RoleBinding", f"{role}-{person}") | {
        "subjects": [{"kind": "User", "name": person, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }
    response = api.create_other(f"/apis/{RBAC}/namespaces/{NAMESPACE}/rolebindings", binding)
    assert response.status_code in (201, 409), message(response)


def refused(response: httpx.Response, *, verb: str, environment: str) -> bool:
    return response.status_code == 403 and f"no verb {verb} on environments.pilotage.dev/{environment}" in message(
        response
    )


def test_to_promote_without_the_right_by_a_policy_without_tests(admin: Api, person: Person) -> None:
    admin.create(rule("staging", "prod", autoPromote=False))
    mine = rule("staging", "prod", name="mine", autoPromote=True, tests=[], repositoryRefs=[{"name": "web"}])
    assert refused(person("tenant").create(mine), verb="promote", environment="prod")
    assert person("releaser").create(mine, dry_run=True).status_code == 403, "releasers approve, they write no policies"
    assert person("platform-engineer").create(mine, dry_run=True).status_code == 201


def test_to_promote_without_the_right_by_weakening_a_policy(admin: Api, person: Person) -> None:
    reviewed = rule("staging", "prod", name="reviewed")
    admin.create(reviewed)
    weaker: list[dict[str, Any]] = [{"autoPromote": True}, {"tests": []}, {"timeout": "1s"}, {"label": "x"}]
    for change in weaker:
        assert refused(person("tenant").patch(reviewed, {"spec": change}), verb="promote", environment="prod")
    assert refused(person("tenant").delete(reviewed), verb="promote", environment="prod")
    labelled = person("tenant").patch(reviewed, {"metadata": {"labels": {"team": "shop"}}})
    assert labelled.status_code == 200, message(labelled)


def test_to_reach_a_place_by_redirecting_a_policy_that_one_may_write(admin: Api, person: Person) -> None:
    only_dev = {"apiGroups": ["pilotage.dev"], "resources": ["environments"], "resourceNames": ["dev"]}
    role = _object(RBAC, "ClusterRole", "people-dev") | {"rules": [{**only_dev, "verbs": ["promote"]}]}
    assert admin.create_other(f"/apis/{RBAC}/clusterroles", role).status_code in (201, 409)
    for name in ("people-dev", "people-tenant"):
        _bind(admin, name, person="dev-lead")
    own = rule("local", "dev", name="own")
    assert person("dev-lead").create(own).status_code == 201
    redirected = person("dev-lead").patch(own, {"spec": {"targetEnvironment": "prod"}})
    assert refused(redirected, verb="promote", environment="prod")


def test_to_write_to_a_foreign_application_by_an_environment_of_ones_own(admin: Api, person: Person) -> None:
    prod = place("prod")
    admin.create(prod)
    assert refused(person("tenant").create(place("mine")), verb="configure", environment="mine")
    weaker: list[dict[str, Any]] = [
        {"deployments": [deployment("stolen")]},
        {"final": True},
        {"gates": {"people": True}},
    ]
    for change in weaker:
        assert refused(person("tenant").patch(prod, {"spec": change}), verb="configure", environment="prod")
    assert refused(person("tenant").delete(prod), verb="configure", environment="prod")
    assert person("platform-engineer").patch(prod, {"spec": {"wavePause": "1m"}}).status_code == 200


def test_to_restart_or_end_a_change_without_the_right(admin: Api, person: Person) -> None:
    on_its_way = tracker(1)
    admin.create(on_its_way)
    assert refused(person("author").patch(on_its_way, {"spec": {"attempt": 2}}), verb="restart", environment="dev")
    assert person("author").patch(on_its_way, {"metadata": {"labels": {"a": "b"}}}).status_code == 200
    assert refused(person("tenant").delete(on_its_way), verb="abort", environment="dev")
    ended = {"state": "Completed", "attempt": 1, "sequence": 1}
    response = admin.patch(on_its_way, {"status": ended}, status=True)
    assert response.status_code == 200, message(response)
    # What ended for another attempt shows nothing of the one that runs.
    assert person("releaser").patch(on_its_way, {"spec": {"attempt": 2}}).status_code == 200
    assert refused(person("tenant").delete(on_its_way), verb="abort", environment="dev")
    assert admin.patch(on_its_way, {"status": {**ended, "attempt": 2, "sequence": 2}}, status=True).status_code == 200
    assert person("tenant").delete(on_its_way).status_code == 200


def test_to_end_a_change_by_moving_it_to_a_place_where_one_may(admin: Api, person: Person) -> None:
    only_own = {"apiGroups": ["pilotage.dev"], "resources": ["environments"], "resourceNames": ["own"]}
    role = _object(RBAC, "ClusterRole", "people-own") | {"rules": [{**only_own, "verbs": ["abort", "restart"]}]}
    assert admin.create_other(f"/apis/{RBAC}/clusterroles", role).status_code in (201, 409)
    for name in ("people-own", "people-tenant"):
        _bind(admin, name, person="own-lead")
    foreign, mine = tracker(21), tracker(22)
    mine["spec"]["environment"] = "own"
    for one in (foreign, mine):
        assert admin.create(one).status_code == 201
    _until_allowed(lambda: person("own-lead").patch(mine, {"spec": {"attempt": 2}}))
    move = {"environment": "own", "attempt": 2}
    assert refused(person("own-lead").patch(foreign, {"spec": move}), verb="restart", environment="dev")
    # Within an attempt no one moves it, whatever they may do.
    assert admin.patch(foreign, {"spec": {"environment": "own"}}).status_code == 422
    taken_away = person("own-lead").patch(mine, {"spec": {"environment": "dev", "attempt": 3}})
    assert refused(taken_away, verb="restart", environment="dev")
    assert refused(person("own-lead").delete(foreign), verb="abort", environment="dev")
    assert person("releaser").patch(foreign, {"spec": move}).status_code == 200


def test_to_delete_places_and_policies_as_a_collection(admin: Api, person: Person) -> None:
    of_team = {"team": "docs"}
    own, other, foreign = place("docs-dev"), rule("local", "docs-dev", name="docs"), place("docs-prod")
    for one in (own, other):
        labelled = {**one, "metadata": {**one["metadata"], "labels": of_team}}
        assert admin.create(labelled).status_code == 201
    assert admin.create(foreign).status_code == 201
    granted = {
        "apiGroups": ["pilotage.dev"],
        "resources": ["environments"],
        "resourceNames": ["docs-dev"],
        "verbs": ["promote", "configure"],
    }
    collection = {
        "apiGroups": ["pilotage.dev"],
        "resources": ["environments", "promotionpolicies", "pullrequesttrackers"],
        "verbs": ["deletecollection"],
    }
    role = _object(RBAC, "ClusterRole", "people-docs") | {"rules": [granted, collection]}
    assert admin.create_other(f"/apis/{RBAC}/clusterroles", role).status_code in (201, 409)
    _bind(admin, "people-docs", person="docs-lead")
    on_its_way = tracker(31)
    assert admin.create(on_its_way).status_code == 201
    _until_allowed(lambda: person("docs-lead").delete_collection(own, labels="team=none"))
    # An object that no one of the team may decide over stands in the way of all, and is named.
    for kind, verb in ((own, "configure"), (other, "promote"), (on_its_way, "abort")):
        refusal = person("docs-lead").delete_collection(kind)
        assert (refusal.status_code, f"no verb {verb} on environments.pilotage.dev/" in message(refusal)) == (403, True)
        assert "environments.pilotage.dev/docs-dev" not in message(refusal)
        assert "environments.pilotage.dev/'" not in message(refusal)
    for mine in (own, other):
        response = person("docs-lead").delete_collection(mine, labels="team=docs")
        assert response.status_code == 200, message(response)


def _until_allowed(ask: Callable[[], httpx.Response]) -> None:
    """Wait until RBAC knows a right that was just granted."""
    deadline = time.monotonic() + 20
    while (response := ask()).status_code == 403:
        assert time.monotonic() < deadline, message(response)
        time.sleep(0.1)


def test_to_have_kubernetes_delete_what_one_may_not(admin: Api, person: Person) -> None:
    """The garbage collector deletes in its own name what an owner that does not exist is named as owner of."""
    owned = {"metadata": {"ownerReferences": [GONE]}}
    needs = {
        "configure": (place("kept"), "kept"),
        "promote": (rule("staging", "kept", name="kept"), "kept"),
        "abort": (tracker(32), "dev"),
    }
    for verb, (kept, environment) in needs.items():
        assert admin.create(kept).status_code == 201
        assert refused(person("tenant").patch(kept, owned), verb=verb, environment=environment)
        forced = {**kept, "metadata": {**kept["metadata"], **owned["metadata"]}}
        assert refused(person("tenant").apply(forced, manager="mine"), verb=verb, environment=environment)
    fresh = tracker(33)
    born_owned = {**fresh, "metadata": {**fresh["metadata"], **owned["metadata"]}}
    assert refused(person("tenant").create(born_owned), verb="abort", environment="dev")
    assert person("releaser").create(born_owned, dry_run=True).status_code == 201
    assert person("tenant").patch(needs["abort"][0], {"metadata": {"finalizers": ["mine/kept"]}}).status_code == 200
    assert admin.patch(needs["abort"][0], {"metadata": {"finalizers": []}}).status_code == 200


def test_to_have_the_record_of_ones_own_command_collected(admin: Api, person: Person) -> None:
    """No one of the shipped roles may delete a command: it is kept for audit."""
    kept = command("kept", "retest", by="author")
    owned = {**kept, "metadata": {**kept["metadata"], "ownerReferences": [GONE]}}
    refusal = person("author").create(owned)
    assert (refusal.status_code, "kept for audit" in message(refusal)) == (403, True)
    assert person("author").create(kept).status_code == 201


def test_to_change_a_place_by_another_way_than_an_update(admin: Api, person: Person) -> None:
    guarded = place("guarded", gates={"people": True})
    created = admin.create(guarded)
    assert created.status_code == 201
    weaker = place("guarded", gates={"people": False})
    assert refused(person("tenant").apply(weaker, manager="mine"), verb="configure", environment="guarded")
    without_gates = {**created.json(), "spec": weaker["spec"]}
    assert refused(person("tenant").replace(without_gates), verb="configure", environment="guarded")
    # All subresources belong to `*`, and a status carries no spec.
    for response in (
        person("tenant").replace(without_gates, subresource="status"),
        person("tenant").apply(weaker, manager="mine", subresource="status"),
    ):
        assert response.status_code == 200, message(response)
    kept = admin.patch(guarded, {"metadata": {"labels": {"looked": "at"}}}).json()
    assert kept["spec"]["gates"]["people"] is True


def test_to_write_a_place_under_a_generated_name(person: Person) -> None:
    generated = place("x")
    named = {"namespace": NAMESPACE, "generateName": "mine-"}
    refusal = person("tenant").create({**generated, "metadata": named})
    assert (refusal.status_code, "environments.pilotage.dev/mine-" in message(refusal)) == (403, True)


def test_a_namespace_that_is_deleted_is_emptied_by_the_controllers_of_kubernetes(admin: Api, person: Person) -> None:
    left = [rule("staging", "prod", name="left"), place("left"), tracker(2)]
    for one in left:
        assert admin.create(one).status_code == 201
    controller = person("system:serviceaccount:kube-system:namespace-controller")
    for one in left:
        response = controller.delete(one)
        assert response.status_code == 200, message(response)


def test_to_command_under_another_name_or_without_the_verb(person: Person) -> None:
    assert person("author").create(command("as-another", "retest", by="releaser")).status_code == 403
    assert refused(person("author").create(command("p", "promote", by="author")), verb="promote", environment="prod")
    assert person("author").create(command("r", "retest", by="author")).status_code == 201
    assert person("releaser").create(command("q", "promote", by="releaser")).status_code == 201


MAY: dict[str, frozenset[str]] = {
    "auditor": frozenset({"get promotioncommands", "list pullrequesttrackers", "get environments"}),
    "author": frozenset(
        {"list pullrequesttrackers", "create pullrequesttrackers", "create promotioncommands", "retest environments"}
    ),
    "releaser": frozenset({"create promotioncommands", "promote environments", "abort environments"}),
    "platform-engineer": frozenset({"create promotionpolicies", "configure environments", "promote environments"}),
}
MUST_NOT: dict[str, frozenset[str]] = {
    "auditor": frozenset({"create promotioncommands", "promote environments", "update pullrequesttrackers"}),
    "author": frozenset({"promote environments", "create promotionpolicies", "update environments"}),
    "releaser": frozenset({"configure environments", "update promotionpolicies", "create testrunners"}),
    "platform-engineer": frozenset({"update promotioncommands", "update pullrequesttrackers/status"}),
}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_shipped_roles_grant_what_they_are_for_and_no_more(admin: Api, person: Person, role: str) -> None:
    person("tenant")
    denied = {"get secrets", "list secrets", "create pods"}
    asked = {**dict.fromkeys(MAY[role], True), **dict.fromkeys(MUST_NOT[role] | denied, False)}
    answers = {question: _can(admin, role, question) for question in asked}
    assert answers == asked


def _can(admin: Api, user: str, question: str) -> bool:
    verb, resource = question.split(" ")
    name, _, subresource = resource.partition("/")
    attributes = {
        "namespace": NAMESPACE,
        "verb": verb,
        "resource": name,
        "subresource": subresource,
        "group": "" if name in ("secrets", "pods") else "pilotage.dev",
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    response = admin.create_other("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(response.json()["status"]["allowed"])


def test_every_kind_that_decides_over_a_place_is_guarded() -> None:
    assert {one.plural for one in ADMISSIONS} == {
        "environments",
        "promotioncommands",
        "promotionpolicies",
        "pullrequesttrackers",
    }
