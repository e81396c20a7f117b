"""The GitLab CI stand-in creates, finds and ends pipelines as documented."""

from typing import Any

import httpx
import pytest

from deploy.local.sandbox import seed
from deploy.local.sandbox.server import Sandbox
from tests.sandbox.conftest import STEP_SECONDS

PROJECT = "projects/acme%2Fweb"


def variables(key: str) -> list[dict[str, str]]:
    return [{"key": "PROMOTION_KEY", "value": key}]


async def create(gitlab: httpx.AsyncClient, key: str = "k-1") -> dict[str, Any]:
    reply = await gitlab.post(f"{PROJECT}/pipeline", json={"ref": "main", "variables": variables(key)})
    assert reply.status_code == 201
    made: dict[str, Any] = reply.json()
    return made


async def test_a_pipeline_is_named_found_and_ends(world: Sandbox, gitlab: httpx.AsyncClient) -> None:
    made = await create(gitlab)
    assert (made["status"], made["source"], made["sha"]) == ("pending", "api", seed.MERGE_SHA)
    found = (await gitlab.get(f"{PROJECT}/pipelines", params={"name": "k-1"})).json()
    assert [pipeline["id"] for pipeline in found] == [made["id"]]
    assert (await gitlab.get("projects/7/pipelines", params={"name": "k-2"})).json() == []
    listed = (await gitlab.get(f"{PROJECT}/pipelines/{made['id']}/variables")).json()
    assert listed == [{"key": "PROMOTION_KEY", "value": "k-1", "variable_type": "env_var"}]
    seen = []
    for _ in range(3):
        seen.append((await gitlab.get(f"{PROJECT}/pipelines/{made['id']}")).json()["status"])
        world.state.clock.advance(STEP_SECONDS)
    assert seen == ["pending", "running", "success"]
    summary = (await gitlab.get(f"{PROJECT}/pipelines/{made['id']}/test_report_summary")).json()
    assert (summary["total"]["count"], summary["total"]["failed"]) == (3, 0)


async def test_lists_lag_and_reads_do_not(world: Sandbox, gitlab: httpx.AsyncClient) -> None:
    world.state.load({"options": {"list_lag_seconds": 60}})
    made = await create(gitlab)
    assert (await gitlab.get(f"{PROJECT}/pipelines")).json() == []
    assert (await gitlab.get(f"{PROJECT}/pipelines/{made['id']}")).status_code == 200
    world.state.clock.advance(61)
    search = {"ref": "main", "source": "api", "updated_after": "2020-01-01T00:00:00Z"}
    assert len((await gitlab.get(f"{PROJECT}/pipelines", params=search)).json()) == 1
    search["updated_after"] = "2100-01-01T00:00:00Z"
    assert (await gitlab.get(f"{PROJECT}/pipelines", params=search)).json() == []


async def test_a_trigger_token_stands_for_a_user(control: httpx.AsyncClient) -> None:
    path = f"/gitlab/api/v4/{PROJECT}/trigger/pipeline"
    body: dict[str, Any] = {"token": seed.GITLAB_TRIGGER_TOKEN, "ref": "main", "variables": {"PROMOTION_KEY": "k-1"}}
    made = await control.post(path, json=body)
    assert (made.status_code, made.json()["source"], made.json()["name"]) == (201, "trigger", "k-1")
    form = {"token": seed.GITLAB_TRIGGER_TOKEN, "ref": "main", "variables[PROMOTION_KEY]": "k-2"}
    assert (await control.post(path, data=form)).json()["name"] == "k-2"
    assert (await control.post(path, json={**body, "token": "wrong"})).status_code == 404
    assert (await control.post(path, json={**body, "variables": {"N": 1}})).status_code == 400


async def test_cancelling_is_harmless_in_any_state_and_a_retry_runs_again(
    world: Sandbox, gitlab: httpx.AsyncClient
) -> None:
    made = await create(gitlab)
    for _ in range(2):
        cancelled = await gitlab.post(f"{PROJECT}/pipelines/{made['id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "canceled")
    journal = [
        entry["accepted"] for entry in world.state.journal.entries(system="gitlab") if entry["path"].endswith("cancel")
    ]
    assert journal == [True, False]
    retried = await gitlab.post(f"{PROJECT}/pipelines/{made['id']}/retry")
    assert retried.json()["status"] == "running"


async def test_a_failed_pipeline_shows_the_reason_in_its_jobs(world: Sandbox, gitlab: httpx.AsyncClient) -> None:
    failing = {
        "status": "failed",
        "failure_reason": "job_execution_timeout",
        "duration_seconds": 0,
        "queued_seconds": 0,
    }
    world.state.load({"gitlab": {"projects": {"acme/web": failing}}})
    made = await create(gitlab)
    jobs = (await gitlab.get(f"{PROJECT}/pipelines/{made['id']}/jobs")).json()
    assert [(job["status"], job["failure_reason"]) for job in jobs] == [("failed", "job_execution_timeout")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ref": "nope"}, 400),
        ({}, 400),
        ({"ref": "main", "inputs": {"unknown": "x"}}, 400),
        ({"ref": "main", "variables": "x"}, 400),
    ],
)
async def test_a_pipeline_that_cannot_be_is_refused(
    gitlab: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    assert (await gitlab.post(f"{PROJECT}/pipeline", json=body)).status_code == status


async def test_strangers_and_unknown_projects_are_distinguished(gitlab: httpx.AsyncClient) -> None:
    assert (await gitlab.get(PROJECT, headers={"PRIVATE-TOKEN": "wrong"})).status_code == 401
    assert (await gitlab.get("projects/nope%2Fnope")).status_code == 404
    assert (await gitlab.get(f"{PROJECT}/pipelines/1")).status_code == 404


INPUTS = {
    "promotion_key": {"default": ""},
    "level": {"type": "number", "default": 1},
    "place": {"options": ["dev", "prod"], "default": "dev"},
}


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"promotion_key": "k-1", "level": "3"}, None),
        ({"promotion_key": '"12"', "level": 2, "place": "prod"}, None),
        ({"unknown": "x"}, "unknown input arguments: unknown"),
        ({"promotion_key": "12"}, "`promotion_key` input: provided value is not a string"),
        ({"level": "high"}, "`level` input: provided value is not a number"),
        ({"place": "moon"}, "not in the list of allowed options"),
        ("x", "inputs is invalid"),
    ],
)
async def test_inputs_are_declared_typed_and_shown_in_the_name(
    world: Sandbox, gitlab: httpx.AsyncClient, given: Any, refusal: str | None
) -> None:
    named = {"inputs": INPUTS, "workflow_name": "$[[ inputs.promotion_key ]] $[[inputs.level]]"}
    world.state.load({"gitlab": {"projects": {"acme/web": named}}})
    reply = await gitlab.post(f"{PROJECT}/pipeline", json={"ref": "main", "inputs": given})
    if refusal is None:
        assert reply.json()["name"] == " ".join((given["promotion_key"].strip('"'), str(given["level"])))
    else:
        assert (reply.status_code, refusal in reply.json()["message"]["base"][0]) == (400, True)


async def test_a_required_input_must_be_given(world: Sandbox, gitlab: httpx.AsyncClient) -> None:
    world.state.load({"gitlab": {"projects": {"acme/web": {"inputs": {"place": {}}}}}})
    reply = await gitlab.post(f"{PROJECT}/pipeline", json={"ref": "main"})
    assert reply.json() == {"message": {"base": ["`place` input: required value has not been provided"]}}


async def test_the_ci_file_can_be_read(world: Sandbox, gitlab: httpx.AsyncClient) -> None:
    world.state.load({"gitlab": {"projects": {"acme/web": {"inputs": {"promotion_key": {}}}}}})
    file = f"{PROJECT}/repository/files/.gitlab-ci.yml/raw"
    text = (await gitlab.get(file, params={"ref": "main"})).text
    assert 'inputs: {"promotion_key": {}}' in text
    assert "  name: '$PROMOTION_KEY'" in text
    assert (await gitlab.get(file, params={"ref": "nope"})).status_code == 404
    assert (await gitlab.get(file.replace("-ci", "-cd"), params={"ref": "main"})).status_code == 404


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ({"scopes": ["read_api"]}, f"{PROJECT}/pipelines", 200),
        ({"scopes": ["read_user"]}, f"{PROJECT}/pipelines", 403),
        ({"scopes": ["read_user"]}, "user", 200),
        ({"scopes": ["read_user"]}, "personal_access_tokens/self", 200),
        ({"access": "guest"}, PROJECT, 200),
        ({"access": "guest"}, f"{PROJECT}/pipelines", 403),
        ({"access": "reporter"}, f"{PROJECT}/pipelines/5001", 200),
        ({"access": "developer"}, f"{PROJECT}/pipelines/5001/variables", 403),
        ({"access": "developer", "username": "pilotage-bot"}, f"{PROJECT}/pipelines/5001/variables", 200),
        ({"access": "reporter", "username": "pilotage-bot"}, f"{PROJECT}/pipelines/5001/variables", 403),
        ({"access": "maintainer"}, f"{PROJECT}/pipelines/5001/variables", 200),
    ],
)
async def test_scopes_roles_and_who_started_a_pipeline_decide_what_is_shown(
    world: Sandbox, gitlab: httpx.AsyncClient, user: dict[str, Any], path: str, status: int
) -> None:
    await create(gitlab)
    world.state.load({"gitlab": {"tokens": {"other-token": {"username": "other", **user}}}})
    assert (await gitlab.get(path, headers={"PRIVATE-TOKEN": "other-token"})).status_code == status


@pytest.mark.parametrize("user", [{"scopes": ["read_api"]}, {"access": "reporter"}])
async def test_starting_needs_the_scope_and_the_role(
    world: Sandbox, gitlab: httpx.AsyncClient, user: dict[str, Any]
) -> None:
    world.state.load({"gitlab": {"tokens": {"other-token": user}}})
    headers = {"PRIVATE-TOKEN": "other-token"}
    reply = await gitlab.post(f"{PROJECT}/pipeline", json={"ref": "main"}, headers=headers)
    assert reply.status_code == 403


@pytest.mark.parametrize(("ref", "held"), [(None, True), ("main", True), ("pilotage", False)])
async def test_a_commit_status_is_a_job_of_the_commit_s_newest_pipeline_unless_its_ref_is_another(
    world: Sandbox, gitlab: httpx.AsyncClient, ref: str | None, held: bool
) -> None:
    made = await create(gitlab)
    body = {"state": "pending", "name": "x"} | ({"ref": ref} if ref else {})
    assert (await gitlab.post(f"{PROJECT}/statuses/{seed.MERGE_SHA}", json=body)).status_code == 201
    world.state.clock.advance(4 * STEP_SECONDS)
    path = f"{PROJECT}/pipelines/{made['id']}"
    assert (await gitlab.get(path)).json()["status"] == ("running" if held else "success")
    await gitlab.post(f"{PROJECT}/statuses/{seed.MERGE_SHA}", json={**body, "state": "success"})
    assert (await gitlab.get(path)).json()["status"] == "success"
