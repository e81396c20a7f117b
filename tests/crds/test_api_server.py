"""What the real kube-apiserver makes of the generated CRDs."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from crds.v1alpha1.kinds import KINDS
from tests.crds.api import Api, apply_folder, message
from tests.crds.bad_documents import BAD_DOCUMENTS, BadDocument
from tests.crds.resources import Document, document, environment_document, policy_document

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


def tracker(number: int, **spec: Any) -> Document:
    reference = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
    return document("PullRequestTracker", f"web-{number}", {**reference, **spec}, namespace="crds")


def test_every_definition_is_established(api: Api) -> None:
    names = [model.definition.crd_name for model in KINDS]
    condition = "{range .items[*]}{.status.conditions[?(@.type=='Established')].status} {end}"
    assert api.kubectl("get", "crd", *names, f"-o=jsonpath={condition}").split() == ["True"] * len(KINDS)


@pytest.mark.parametrize("story", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_the_samples_are_accepted_in_one_apply(api: Api, story: str) -> None:
    lines = apply_folder(api, SAMPLES / story).splitlines()
    assert lines[0].startswith("namespace/")
    assert all(line.endswith("serverside-applied") for line in lines)


@pytest.mark.parametrize("bad", BAD_DOCUMENTS, ids=lambda bad: str(bad.name))
def test_a_bad_document_is_refused_and_the_message_names_the_field(api: Api, bad: BadDocument) -> None:
    response = api.create(bad.document, dry_run=True)
    assert response.status_code in (400, 422), message(response)
    assert bad.server in message(response)
    assert bad.path in message(response)


def test_kubectl_refuses_a_policy_to_its_own_source_naming_the_field(api: Api) -> None:
    response = api.create(policy_document("dev", "dev"), dry_run=True)
    expected = "spec.targetEnvironment: Invalid value"
    assert (response.status_code, expected in message(response)) == (422, True)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"number": 2}, "number is immutable"),
        ({"repositoryRef": {"name": "api"}}, "repositoryRef is immutable"),
        ({"attempt": 1}, "attempt only grows"),
        ({"environment": "qa"}, "environment changes only together with a raised attempt"),
    ],
)
def test_what_a_tracker_is_cannot_change(api: Api, change: Document, refusal: str) -> None:
    first = tracker(1, attempt=2)
    assert api.create(first).status_code in (201, 409)
    refused = api.patch(first, {"spec": change})
    assert (refused.status_code, refusal in message(refused)) == (422, True), message(refused)


def test_a_tracker_may_start_another_attempt(api: Api) -> None:
    first = tracker(2)
    assert api.create(first).json()["spec"]["attempt"] == 1
    assert api.patch(first, {"spec": {"attempt": 2}}).json()["spec"]["attempt"] == 2
    elsewhere = api.patch(first, {"spec": {"attempt": 3, "environment": "qa"}})
    assert elsewhere.json()["spec"]["environment"] == "qa", message(elsewhere)


def test_a_runner_keeps_the_system_that_has_its_runs(api: Api) -> None:
    runner = document("TestRunner", "kept", {"jenkins": {"url": "https://ci"}}, namespace="crds")
    assert api.create(runner).status_code == 201
    moved = api.patch(runner, {"spec": {"jenkins": None, "githubActions": {"repositoryRef": {"name": "web"}}}})
    assert (moved.status_code, "keeps its CI system" in message(moved)) == (422, True), message(moved)
    assert api.patch(runner, {"spec": {"jenkins": {"url": "https://ci.example"}}}).status_code == 200


def test_the_api_server_refuses_a_status_that_is_older_than_the_one_it_has(api: Api) -> None:
    moving = tracker(3)
    assert api.create(moving).status_code == 201
    assert api.patch(moving, {"status": {"sequence": 7, "state": "Testing"}}, status=True).status_code == 200
    assert api.patch(moving, {"status": {"sequence": 7}}, status=True).status_code == 200
    for older in ({"sequence": 6, "state": "Pending"}, {"sequence": None}):
        refused = api.patch(moving, {"status": older}, status=True)
        assert refused.status_code == 422
        assert "status.sequence must not become smaller" in message(refused)
    assert api.patch(moving, {"status": {"sequence": 8}}, status=True).json()["status"]["state"] == "Testing"


def test_each_repository_of_a_place_has_its_own_sequence(api: Api) -> None:
    place = environment_document("sequenced")
    place["metadata"]["namespace"] = "crds"
    assert api.create(place).status_code == 201

    def publish(**sequences: int) -> int:
        entries = [{"repository": name, "sequence": number} for name, number in sequences.items()]
        return api.patch(place, {"status": {"repositories": entries}}, status=True).status_code

    assert publish(web=5, api=9) == 200
    assert publish(web=6, api=9) == 200
    assert publish(web=6, api=8) == 422


def test_status_is_written_apart_from_the_spec(api: Api) -> None:
    apart = tracker(4)
    apart["status"] = {"state": "Completed"}
    assert "status" not in api.create(apart).json()
    assert api.patch(apart, {"status": {"state": "Unheard"}}, status=True).status_code == 422


def test_the_trackers_read_like_a_dashboard(api: Api) -> None:
    shown = tracker(412)
    assert api.create(shown).status_code == 201
    status = {
        "state": "ReadyToPromote",
        "environment": "staging",
        "title": "Add a cart",
        "waitingFor": {"what": "PromoteCommand", "object": "a person"},
    }
    assert api.patch(shown, {"status": status}, status=True).status_code == 200
    header, row = api.kubectl("-n", "crds", "get", "prt", "web-412").splitlines()
    assert header.split() == ["NAME", "PR", "REPO", "ENV", "STATE", "WAITING-FOR", "AGE", "TITLE"]
    name, number, repository, environment, state, waiting, _age, *title = row.split()
    assert (name, number, repository, environment) == ("web-412", "412", "web", "staging")
    assert (state, waiting) == ("ReadyToPromote", "PromoteCommand")
    assert title == ["Add", "a", "cart"]


def test_all_kinds_list_under_the_category_with_their_columns(api: Api) -> None:
    apply_folder(api, SAMPLES / "main-job")
    listed = api.kubectl("-n", "shop", "get", "pilotage")
    assert "pullrequesttracker.pilotage.dev/web-412" in listed
    assert "promotionpolicy.pilotage.dev/staging-to-prod" in listed
    header, row, *_ = api.kubectl("-n", "shop", "get", "pp", "dev-to-staging").splitlines()
    assert header.split() == ["NAME", "SOURCE", "TARGET", "TESTS", "AUTO", "VALID", "AGE"]
    assert row.split()[:4] == ["dev-to-staging", "dev", "staging", "true"]
    for kind, columns in (
        ("penv", ["NAME", "VALID", "RUNS", "HEALTH", "LANE", "AGE"]),
        ("prunner", ["NAME", "TYPE", "REACHABLE", "AGE"]),
        ("pscm", ["NAME", "TYPE", "READY", "AGE"]),
    ):
        assert api.kubectl("-n", "shop", "get", kind).splitlines()[0].split() == columns


def test_defaults_are_filled_in_by_the_api_server(api: Api) -> None:
    plain = policy_document("dev", "prod", name="defaults", tests=[])
    plain["metadata"]["namespace"] = "crds"
    spec = api.create(plain, dry_run=True).json()["spec"]
    assert (spec["timeout"], spec["autoPromote"], spec["onSourceMoved"]) == ("2h", False, "Accept")


def test_a_command_can_never_be_changed(api: Api) -> None:
    spec = {"trackerRef": {"name": "web-412"}, "verb": "hold", "environment": "prod", "requestedBy": "admin"}
    command = document("PromotionCommand", "given", spec, namespace="crds")
    created = api.create(command)
    assert created.status_code == 201, message(created)
    for change in ({"verb": "promote"}, {"reason": "later"}):
        refused = api.patch(command, {"spec": change})
        assert (refused.status_code, "immutable" in message(refused)) == (422, True)
    answer = {"status": {"accepted": True, "message": "held"}}
    assert api.patch(command, answer, status=True).json()["status"]["accepted"] is True


def test_the_wire_form_of_the_models_is_accepted_in_full(api: Api) -> None:
    full = policy_document("dev", "prod", "web", name="full", label="shipped", onSourceMoved="Retest", timeout="1h30m")
    full["metadata"]["namespace"] = "crds"
    model = next(model for model in KINDS if model.definition.kind == "PromotionPolicy")
    written = model.from_wire(deepcopy(full)).to_wire()
    response = api.create(written, dry_run=True)
    assert response.status_code == 201, message(response)
    assert response.json()["spec"]["timeout"] == "1h30m"
