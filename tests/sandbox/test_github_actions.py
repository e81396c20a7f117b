"""The GitHub Actions stand-in dispatches, correlates and ends runs as documented."""

from typing import Any

import httpx
import pytest

from deploy.local.sandbox.server import Sandbox
from tests.sandbox.conftest import STEP_SECONDS

WORKFLOW = "repos/acme/web/actions/workflows/e2e.yml"
RUNS = "repos/acme/web/actions/runs"


async def dispatch(github: httpx.AsyncClient, key: str = "k-1", **extra: Any) -> httpx.Response:
    return await github.post(f"{WORKFLOW}/dispatches", json={"ref": "main", "inputs": {"promotion_key": key}, **extra})


async def test_a_dispatch_answers_nothing_unless_asked_for_details(github: httpx.AsyncClient) -> None:
    silent = await dispatch(github)
    assert (silent.status_code, silent.content) == (204, b"")
    detailed = await dispatch(github, return_run_details=True)
    assert detailed.status_code == 200
    run = (await github.get(f"{RUNS}/{detailed.json()['workflow_run_id']}")).json()
    assert (run["display_title"], run["event"], run["run_attempt"]) == ("e2e k-1", "workflow_dispatch", 1)


async def test_the_newest_api_version_always_answers_details(github: httpx.AsyncClient) -> None:
    newest = {"X-GitHub-Api-Version": "2026-03-10"}
    detailed = await github.post(f"{WORKFLOW}/dispatches", json={"ref": "main"}, headers=newest)
    assert detailed.status_code == 200
    assert {"workflow_run_id", "run_url", "html_url"} == detailed.json().keys()


async def test_an_old_server_refuses_the_unknown_field(world: Sandbox, github: httpx.AsyncClient) -> None:
    world.state.load({"options": {"github_run_details": False}})
    refused = await dispatch(github, return_run_details=True)
    assert refused.status_code == 400
    assert "return_run_details" in refused.json()["message"]
    assert (await github.get(RUNS)).json()["total_count"] == 0


@pytest.mark.parametrize(
    ("workflow", "body", "status", "message"),
    [
        ("nope.yml", {"ref": "main"}, 404, "Not Found"),
        ("on-push.yml", {"ref": "main"}, 422, "Workflow does not have 'workflow_dispatch' trigger"),
        ("e2e.yml", {"ref": "nope"}, 422, "No ref found for: nope"),
        ("e2e.yml", {"ref": "main", "inputs": {"colour": "red"}}, 422, 'Unexpected inputs provided: ["colour"]'),
        ("strict.yml", {"ref": "main"}, 422, "Required input 'key' not provided"),
    ],
)
async def test_a_dispatch_that_cannot_be_is_refused(
    world: Sandbox, github: httpx.AsyncClient, workflow: str, body: dict[str, Any], status: int, message: str
) -> None:
    world.state.load(
        {"github": {"repos": {"acme/web": {"workflows": {"strict.yml": {"inputs": {"key": {"required": True}}}}}}}}
    )
    refused = await github.post(f"repos/acme/web/actions/workflows/{workflow}/dispatches", json=body)
    assert (refused.status_code, refused.json()["message"]) == (status, message)


async def test_a_run_is_found_by_title_after_the_lag(world: Sandbox, github: httpx.AsyncClient) -> None:
    world.state.load({"options": {"list_lag_seconds": 60}})
    detailed = await dispatch(github, key="k-late", return_run_details=True)
    search = {"event": "workflow_dispatch", "created": ">=2020-01-01T00:00:00Z", "per_page": "100"}
    assert (await github.get(f"{WORKFLOW}/runs", params=search)).json()["workflow_runs"] == []
    assert (await github.get(f"{RUNS}/{detailed.json()['workflow_run_id']}")).status_code == 200
    world.state.clock.advance(61)
    found = (await github.get(f"{WORKFLOW}/runs", params=search)).json()["workflow_runs"]
    assert [run["display_title"] for run in found] == ["e2e k-late"]
    later = {**search, "created": ">=2100-01-01T00:00:00Z"}
    assert (await github.get(f"{WORKFLOW}/runs", params=later)).json()["workflow_runs"] == []


async def test_a_key_that_the_workflow_does_not_declare_never_shows(world: Sandbox, github: httpx.AsyncClient) -> None:
    forgetful = {"run_name": "run ${{ inputs.key }}", "inputs": {"revision": {}}}
    world.state.load({"github": {"repos": {"acme/web": {"workflows": {"forgetful.yml": forgetful}}}}})
    path = "repos/acme/web/actions/workflows/forgetful.yml"
    await github.post(f"{path}/dispatches", json={"ref": "main", "inputs": {"revision": "r"}})
    runs = (await github.get(f"{path}/runs")).json()["workflow_runs"]
    assert [run["display_title"] for run in runs] == ["run "]


async def test_a_run_goes_from_queued_to_its_conclusion(world: Sandbox, github: httpx.AsyncClient) -> None:
    world.state.load(
        {
            "github": {
                "repos": {
                    "acme/web": {
                        "workflows": {
                            "e2e.yml": {
                                "inputs": {"promotion_key": {}},
                                "conclusion": {"parameter": "promotion_key", "values": {"bad": "failure"}},
                            }
                        }
                    }
                }
            }
        }
    )
    number = (await dispatch(github, key="bad", return_run_details=True)).json()["workflow_run_id"]
    seen = []
    for _ in range(3):
        run = (await github.get(f"{RUNS}/{number}")).json()
        seen.append((run["status"], run["conclusion"]))
        world.state.clock.advance(STEP_SECONDS)
    assert seen == [("queued", None), ("in_progress", None), ("completed", "failure")]
    jobs = (await github.get(f"{RUNS}/{number}/jobs")).json()["jobs"]
    assert [job["conclusion"] for job in jobs] == ["failure"]
    assert (await github.post(f"{RUNS}/{number}/rerun")).status_code == 201
    again = (await github.get(f"{RUNS}/{number}")).json()
    assert (again["id"], again["run_attempt"], again["conclusion"]) == (number, 2, None)


async def test_only_a_running_run_can_be_cancelled(github: httpx.AsyncClient) -> None:
    number = (await dispatch(github, return_run_details=True)).json()["workflow_run_id"]
    assert (await github.post(f"{RUNS}/{number}/cancel")).status_code == 202
    assert (await github.get(f"{RUNS}/{number}")).json()["conclusion"] == "cancelled"
    assert (await github.post(f"{RUNS}/{number}/cancel")).status_code == 409


async def test_the_workflow_file_can_be_read_raw(github: httpx.AsyncClient) -> None:
    path = "repos/acme/web/contents/.github/workflows/e2e.yml"
    raw = await github.get(path, params={"ref": "main"}, headers={"Accept": "application/vnd.github.raw+json"})
    assert "run-name: e2e ${{ inputs.promotion_key }}\n" in raw.text
    assert "promotion_key:" in raw.text
    assert (await github.get(path)).json()["encoding"] == "base64"
