"""The Jenkins stand-in keeps the rules of Jenkins' queue, builds and rights."""

from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.sandbox import seed
from deploy.local.sandbox.jenkins_tree import TreeSyntaxError, parse_tree, prune
from deploy.local.sandbox.server import Sandbox
from tests.sandbox.conftest import STEP_SECONDS

JOB = "job/web/job/integration"
BUILDS = {"tree": "builds[number,queueId,building,result,actions[parameters[name,value]]]{0,50}"}


async def trigger(jenkins: httpx.AsyncClient, key: str = "k-1", job: str = JOB) -> httpx.Response:
    return await jenkins.post(f"{job}/buildWithParameters", data={"PROMOTION_KEY": key})


async def build_of(world: Sandbox, jenkins: httpx.AsyncClient, triggered: httpx.Response) -> str:
    """Let the quiet period pass and return the URL of the build that the queue item became."""
    world.state.clock.advance(STEP_SECONDS)
    item = (await jenkins.get(f"{triggered.headers['location']}api/json")).json()
    return str(item["executable"]["url"])


async def finished(world: Sandbox, jenkins: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Let a build's time pass and read it."""
    assert (await jenkins.get(f"{url}api/json")).json()["building"] is True
    world.state.clock.advance(STEP_SECONDS)
    build: dict[str, Any] = (await jenkins.get(f"{url}api/json")).json()
    return build


async def test_a_build_goes_through_the_queue_to_its_result(world: Sandbox, jenkins: httpx.AsyncClient) -> None:
    triggered = await trigger(jenkins)
    assert triggered.status_code == 201
    waiting = (await jenkins.get(f"{triggered.headers['location']}api/json")).json()
    assert "executable" not in waiting
    assert waiting["why"].startswith("In the quiet period")
    build = await finished(world, jenkins, await build_of(world, jenkins, triggered))
    assert (build["result"], build["queueId"], build["duration"]) == ("SUCCESS", waiting["id"], 30_000)
    report = (await jenkins.get(f"{build['url']}testReport/api/json")).json()
    assert (report["failCount"], report["passCount"]) == (0, 41)


async def test_equal_items_fold_while_they_wait_and_only_then(world: Sandbox, jenkins: httpx.AsyncClient) -> None:
    first, again, other = await trigger(jenkins), await trigger(jenkins), await trigger(jenkins, "k-2")
    assert [first.status_code, again.status_code, other.status_code] == [201, 303, 201]
    assert first.headers["location"] == again.headers["location"] != other.headers["location"]
    await build_of(world, jenkins, first)
    assert (await trigger(jenkins)).status_code == 201


async def test_a_queue_item_is_forgotten_five_minutes_after_it_left(world: Sandbox, jenkins: httpx.AsyncClient) -> None:
    triggered = await trigger(jenkins)
    await build_of(world, jenkins, triggered)
    world.state.clock.advance(290)
    assert (await jenkins.get(f"{triggered.headers['location']}api/json")).status_code == 200
    world.state.clock.advance(11)
    assert (await jenkins.get(f"{triggered.headers['location']}api/json")).status_code == 404


async def test_undeclared_parameters_are_dropped_silently(jenkins: httpx.AsyncClient) -> None:
    triggered = await jenkins.post(f"{JOB}/buildWithParameters", params={"REVISION": "r", "UNKNOWN": "x"})
    assert triggered.status_code == 201
    item = (await jenkins.get(f"{triggered.headers['location']}api/json")).json()
    names = {parameter["name"]: parameter["value"] for parameter in item["actions"][0]["parameters"]}
    assert names["REVISION"] == "r"
    assert "UNKNOWN" not in names


async def test_the_queue_lists_what_waits_and_builds_appear_after_the_lag(
    world: Sandbox, jenkins: httpx.AsyncClient
) -> None:
    world.state.load({"options": {"list_lag_seconds": 60}})
    triggered = await trigger(jenkins, "k-late")
    items = (
        await jenkins.get("queue/api/json", params={"tree": "items[id,task[url],actions[parameters[name,value]]]"})
    ).json()
    assert len(items["items"]) == 1
    url = await build_of(world, jenkins, triggered)
    assert (await jenkins.get("queue/api/json")).json()["items"] == []
    assert (await jenkins.get(f"{JOB}/api/json", params=BUILDS)).json()["builds"] == []
    assert (await jenkins.get(f"{url}api/json")).status_code == 200
    world.state.clock.advance(61)
    builds = (await jenkins.get(f"{JOB}/api/json", params=BUILDS)).json()["builds"]
    assert {"name": "PROMOTION_KEY", "value": "k-late"} in [
        {"name": parameter["name"], "value": parameter["value"]} for parameter in builds[0]["actions"][0]["parameters"]
    ]


async def test_a_running_build_is_stopped_and_a_waiting_one_cancelled(
    world: Sandbox, jenkins: httpx.AsyncClient
) -> None:
    world.state.load({"options": {"run_seconds": 600.0}})
    url = await build_of(world, jenkins, await trigger(jenkins))
    assert (await jenkins.post(f"{url}stop")).status_code == 302
    assert (await jenkins.get(f"{url}api/json")).json()["result"] == "ABORTED"
    waiting = await trigger(jenkins, "k-2")
    number = waiting.headers["location"].rstrip("/").rpartition("/")[2]
    assert (await jenkins.post("queue/cancelItem", params={"id": number})).status_code == 204
    assert (await jenkins.get(f"queue/item/{number}/api/json")).json()["cancelled"] is True
    assert (await jenkins.post("queue/cancelItem", params={"id": number})).status_code == 422
    assert (await jenkins.post("queue/cancelItem", params={"id": "999"})).status_code == 404


async def test_results_follow_a_list_or_a_parameter(world: Sandbox, jenkins: httpx.AsyncClient) -> None:
    world.state.load(
        {
            "jenkins": {
                "jobs": {
                    "list": {"parameters": ["KEY"], "result": ["FAILURE", "UNSTABLE", "SUCCESS"]},
                    "choice": {
                        "parameters": ["ENV"],
                        "result": {"parameter": "ENV", "values": {"dev": "FAILURE"}, "default": "SUCCESS"},
                    },
                }
            }
        }
    )
    results = []
    for number in range(4):
        triggered = await jenkins.post("job/list/buildWithParameters", data={"KEY": str(number)})
        results.append((await finished(world, jenkins, await build_of(world, jenkins, triggered)))["result"])
    assert results == ["FAILURE", "UNSTABLE", "SUCCESS", "SUCCESS"]
    chosen = []
    for environment in ("dev", "prod"):
        triggered = await jenkins.post("job/choice/buildWithParameters", data={"ENV": environment})
        chosen.append((await finished(world, jenkins, await build_of(world, jenkins, triggered)))["result"])
    assert chosen == ["FAILURE", "SUCCESS"]


async def test_jobs_that_cannot_be_built_answer_the_reason(world: Sandbox, jenkins: httpx.AsyncClient) -> None:
    world.state.load(
        {
            "jenkins": {
                "jobs": {
                    "off": {"parameters": ["KEY"], "disabled": True},
                    "plain": {},
                    "choosy": {"parameters": [{"name": "ENV", "choices": ["dev"]}]},
                }
            }
        }
    )
    assert (await trigger(jenkins, job="job/off")).status_code == 409
    plain = await trigger(jenkins, job="job/plain")
    assert plain.status_code == 400
    assert "is not parameterized" in plain.text
    assert (await jenkins.post("job/plain/build")).status_code == 201
    assert (await jenkins.post("job/choosy/buildWithParameters", data={"ENV": "mars"})).status_code == 400
    assert (await trigger(jenkins, job="job/nope")).status_code == 404
    assert (await jenkins.get(f"{JOB}/buildWithParameters")).status_code == 405


async def test_rights_distinguish_401_403_and_404(world: Sandbox, control: httpx.AsyncClient) -> None:
    world.state.load(
        {
            "jenkins": {
                "users": {
                    "reader": {"token": "reader-token", "permissions": ["read"]},
                    "blind": {"token": "blind-token", "permissions": []},
                }
            }
        }
    )
    path = f"/jenkins/{JOB}/buildWithParameters"
    assert (await control.post(path)).status_code == 403
    assert (await control.post(path, auth=("ci", "wrong"))).status_code == 401
    assert (await control.post(path, auth=("reader", "reader-token"))).status_code == 403
    assert (await control.post(path, auth=("blind", "blind-token"))).status_code == 404


async def test_a_password_needs_a_crumb_and_a_token_does_not(control: httpx.AsyncClient) -> None:
    path, password = f"/jenkins/{JOB}/buildWithParameters", (seed.JENKINS_USER, "sandbox-jenkins-password")
    assert (await control.post(path, auth=password)).status_code == 403
    issued = (await control.get("/jenkins/crumbIssuer/api/json", auth=password)).json()
    crumb = {issued["crumbRequestField"]: issued["crumb"]}
    assert (await control.post(path, auth=password, headers=crumb)).status_code == 201


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("a", {"a": 1}),
        ("a,b[c]", {"a": 1, "b": [{"c": 1}, {"c": 2}, {"c": 3}]}),
        ("b[c]{0,2}", {"b": [{"c": 1}, {"c": 2}]}),
        ("b[c]{1,}", {"b": [{"c": 2}, {"c": 3}]}),
        ("b[c]{2}", {"b": [{"c": 3}]}),
        ("nope", {}),
    ],
)
def test_a_tree_keeps_only_what_it_names(tree: str, expected: dict[str, Any]) -> None:
    value = {"a": 1, "b": [{"c": number, "d": 0} for number in (1, 2, 3)]}
    assert prune(value, parse_tree(tree)) == expected


@given(st.text(alphabet="ab[]{},01 ", max_size=20))
def test_a_tree_is_read_or_refused_but_never_crashes(text: str) -> None:
    kept: object = {}
    with suppress(TreeSyntaxError):
        kept = prune({"a": {"b": 1}}, parse_tree(text))
    assert isinstance(kept, dict)
