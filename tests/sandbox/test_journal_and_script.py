"""The journal shows what was asked without credentials, and the script breaks what it names."""

import base64
import hashlib
import json
import time
from typing import Any

import httpx
import pytest

from deploy.local.sandbox import seed
from deploy.local.sandbox.server import Sandbox

PULL = "repos/acme/web/pulls/412"
LABELS = "repos/acme/web/issues/412/labels"


async def journal(control: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await control.get("/_journal", params=query)).text.splitlines()]


async def script(control: httpx.AsyncClient, **rule: Any) -> int:
    added = await control.post("/_script", json=rule)
    assert added.status_code == 201
    return int(added.json()["id"])


async def test_the_journal_shows_each_request_in_order(
    control: httpx.AsyncClient, github: httpx.AsyncClient, jenkins: httpx.AsyncClient
) -> None:
    await github.post(LABELS, json={"labels": ["new"]}, headers={"traceparent": "00-1-2-01"})
    await github.post(LABELS, json={"labels": ["new"]})
    await jenkins.get("queue/api/json", params={"tree": "items[id]"})
    added, repeated, listed = await journal(control)
    assert (added["method"], added["path"], added["body"]) == ("POST", f"/github/{LABELS}", {"labels": ["new"]})
    assert (added["status"], added["accepted"], repeated["accepted"]) == (200, True, False)
    assert added["headers"]["traceparent"] == "00-1-2-01"
    assert listed["query"] == {"tree": "items[id]"}
    assert [entry["system"] for entry in await journal(control, system="jenkins")] == ["jenkins"]
    assert await journal(control, after=str(listed["number"])) == []
    assert await journal(control, path="/pulls/412/") == []
    assert await journal(control, path="/labels/", system="github") == [added, repeated]


async def test_no_credential_is_in_the_journal(
    control: httpx.AsyncClient, github: httpx.AsyncClient, jenkins: httpx.AsyncClient, gitlab: httpx.AsyncClient
) -> None:
    await github.get(PULL, params={"q": seed.GITHUB_TOKEN})
    await jenkins.get("api/json", headers={"X-Extra": seed.JENKINS_TOKEN})
    await gitlab.post("projects/7/trigger/pipeline", json={"token": seed.GITLAB_TRIGGER_TOKEN, "ref": "main"})
    await gitlab.post(
        "projects/7/pipeline", json={"ref": "main", "variables": [{"key": "X", "value": seed.ARGOCD_TOKEN}]}
    )
    text = (await control.get("/_journal")).text
    basic = base64.b64encode(f"ci:{seed.JENKINS_TOKEN}".encode()).decode()
    tokens = (
        seed.GITHUB_TOKEN,
        seed.JENKINS_TOKEN,
        seed.GITLAB_TOKEN,
        seed.GITLAB_TRIGGER_TOKEN,
        seed.ARGOCD_TOKEN,
        basic,
    )
    assert [token for token in tokens if token in text] == []
    entries = await journal(control)
    assert entries[0]["auth_sha256"] == hashlib.sha256(f"Bearer {seed.GITHUB_TOKEN}".encode()).hexdigest()
    assert entries[2]["auth_sha256"] == hashlib.sha256(seed.GITLAB_TOKEN.encode()).hexdigest()


async def test_a_scripted_status_keeps_the_action_from_happening(
    control: httpx.AsyncClient, github: httpx.AsyncClient
) -> None:
    await script(
        control,
        system="github",
        match={"method": "post", "path": "/labels$", "body": "new"},
        action="status",
        times=1,
        status=503,
        headers={"Retry-After": "7"},
        body={"message": "later"},
    )
    refused = await github.post(LABELS, json={"labels": ["new"]})
    assert (refused.status_code, refused.headers["retry-after"], refused.json()) == (503, "7", {"message": "later"})
    assert [label["name"] for label in (await github.get(LABELS)).json()] == ["feature"]
    assert (await github.post(LABELS, json={"labels": ["new"]})).status_code == 200
    first = (await journal(control))[0]
    assert (first["accepted"], first["script"]) == (False, "status")


async def test_an_accepted_request_can_lose_its_reply(control: httpx.AsyncClient, github: httpx.AsyncClient) -> None:
    await script(control, match=f"POST {LABELS}", action="accept_then_drop", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await github.post(LABELS, json={"labels": ["new"]})
    assert [label["name"] for label in (await github.get(LABELS)).json()] == ["feature", "new"]
    lost = (await journal(control))[0]
    assert (lost["accepted"], lost["status"]) == (True, None)


async def test_a_hanging_request_does_nothing_and_never_answers(
    control: httpx.AsyncClient, github: httpx.AsyncClient
) -> None:
    await script(control, system="github", match="POST ", action="hang")
    with pytest.raises(httpx.ReadTimeout):
        await github.post(LABELS, json={"labels": ["new"]}, timeout=0.2)
    assert [label["name"] for label in (await github.get(LABELS)).json()] == ["feature"]
    await control.delete("/_script")
    await script(control, system="github", match="POST ", action="hang", seconds=0.05)
    with pytest.raises(httpx.RemoteProtocolError):
        await github.post(LABELS, json={"labels": ["new"]})


async def test_a_reply_can_be_delayed_and_edited(control: httpx.AsyncClient, github: httpx.AsyncClient) -> None:
    await script(
        control,
        match=PULL,
        action="edit",
        seconds=0.1,
        status=202,
        headers={"ETag": None, "X-New": "1"},
        body={"merged": None, "title": "Edited"},
    )
    started = time.monotonic()
    edited = await github.get(PULL)
    assert time.monotonic() - started >= 0.1
    assert (edited.status_code, edited.json()["title"], edited.json()["number"]) == (202, "Edited", 412)
    assert "merged" not in edited.json()
    assert "etag" not in edited.headers
    assert edited.headers["x-new"] == "1"


async def test_the_first_rule_that_matches_wins_until_it_is_used_up(
    control: httpx.AsyncClient, github: httpx.AsyncClient
) -> None:
    await script(control, match="GET .*pulls", action="status", status=500, times=1)
    second = await script(control, match="GET .*pulls", action="status", status=502)
    statuses = [(await github.get(PULL)).status_code for _ in range(3)]
    assert statuses == [500, 502, 502]
    shown = (await control.get("/_script")).json()
    assert [rule["used"] for rule in shown] == [1, 2]
    await control.delete("/_script", params={"id": str(second)})
    assert (await github.get(PULL)).status_code == 200


async def test_a_probability_is_repeatable_by_its_seed(control: httpx.AsyncClient, github: httpx.AsyncClient) -> None:
    async def statuses() -> list[int]:
        await control.delete("/_script")
        await script(control, match="GET ", action="status", status=500, probability=0.5, random_seed=7)
        return [(await github.get(PULL)).status_code for _ in range(20)]

    first = await statuses()
    assert set(first) == {200, 500}
    assert await statuses() == first


@pytest.mark.parametrize(
    "rule",
    [{"action": "explode"}, {"action": "status"}, {"action": "hang", "match": "("}, {"action": "hang", "when": 1}],
)
async def test_a_rule_that_cannot_be_is_refused(control: httpx.AsyncClient, rule: dict[str, Any]) -> None:
    refused = await control.post("/_script", json=rule)
    assert refused.status_code == 400
    assert refused.json()["error"]


async def test_seed_reset_and_state(world: Sandbox, control: httpx.AsyncClient, github: httpx.AsyncClient) -> None:
    extra = {"github": {"repos": {"acme/api": {"commits": [{"sha": "a" * 40}], "branches": {"main": "a" * 40}}}}}
    assert (await control.post("/_seed", json=extra)).status_code == 200
    assert (await control.get("/_state")).json()["github"].keys() == {"acme/web", "acme/api"}
    assert (await control.post("/_reset", json={"seed": True})).status_code == 200
    assert (await control.get("/_state")).json()["github"].keys() == {"acme/web"}
    assert (await control.post("/_reset")).status_code == 200
    assert (await control.get("/_state")).json()["github"] == {}
    assert (await github.get(PULL)).status_code == 401
    assert (await control.get("/healthz")).text == "ok\n"


@pytest.mark.parametrize(
    "wanted",
    [
        {"bitbucket": {}},
        {"options": {"speed": 1}},
        {"options": {"run_seconds": "fast"}},
        {"github": {"repos": {"a/b": {"branches": {"main": "x"}}}}},
        {"argocd": {"apps": {"a": {"source": {}, "colour": "red"}}}},
        {"jenkins": {"jobs": {"a": {"colour": "red"}}}},
    ],
)
async def test_a_seed_that_cannot_be_is_refused_by_name(control: httpx.AsyncClient, wanted: dict[str, Any]) -> None:
    refused = await control.post("/_seed", json=wanted)
    assert refused.status_code == 400
    assert refused.json()["error"]


async def test_merging_and_pushing_steer_the_world(
    world: Sandbox, control: httpx.AsyncClient, github: httpx.AsyncClient
) -> None:
    await control.post(
        "/_github/pull", json={"repo": "acme/web", "number": 5, "head": {"ref": "b5", "sha": seed.HOTFIX_SHA}}
    )
    made = (await control.post("/_github/commit", json={"repo": "acme/web", "parents": [seed.HOTFIX_SHA]})).json()
    await control.post("/_github/push", json={"repo": "acme/web", "number": 5, "sha": made["sha"]})
    wanted = "5" * 40
    assert (await control.post("/_github/merge", json={"repo": "acme/web", "number": 5, "sha": wanted})).json() == {
        "sha": wanted
    }
    pull = (await github.get("repos/acme/web/pulls/5")).json()
    assert (pull["merged"], pull["head"]["sha"], pull["merge_commit_sha"]) == (True, made["sha"], wanted)
    await control.post(
        "/_github/label", json={"repo": "acme/web", "number": 5, "actor": "grace", "add": ["pilotage/hold"]}
    )
    events = (await github.get("repos/acme/web/issues/5/events")).json()
    assert (events[-1]["actor"]["login"], events[-1]["label"]["name"]) == ("grace", "pilotage/hold")
    assert (await control.post("/_github/merge", json={"repo": "acme/web"})).json() == {
        "error": "missing field 'number'"
    }
