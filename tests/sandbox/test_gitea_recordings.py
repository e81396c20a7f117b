"""Hold the stand-in for Gitea and Forgejo against what a real Gitea 1.26.0 answered, in the recorded order."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.sandbox.gitea_http import HOSTS
from deploy.local.sandbox.replies import Json
from deploy.local.sandbox.server import running_sandbox

RECORDING = Path(__file__).parent.parent / "recordings" / "gitea-1.26.0.jsonl"
CASES: dict[str, Json] = {row["case"]: row for row in map(json.loads, RECORDING.read_text().splitlines())}
TOKEN = "sandbox-recorded-token"
REPOSITORY = "peer/shop1795222469"
MAIN, HEAD = "7cf6bda90d7ed4c93f53bf60ef835743ca60766f", "8cffcbbfa24ae54f85b8c569ebbe49fc4ab58b33"
# What Pilotage asks of the host, in the recorded order; the world is seeded as it was before the first.
REPLAYED = (
    "branch head, slash raw",
    "branch head, slash encoded",
    "branch missing",
    "create pull request",
    "create pull request, duplicate",
    "create pull request, no such head",
    "create pull request, head = base",
    "get pull request just created",
    "get pull request missing",
    "list open",
    "changed files",
    "update pull request",
    "add labels by unknown name",
    "create repo label",
    "create repo label again",
    "add label by name",
    "add label by id",
    "add labels, mixed ids and names",
    "replace labels",
    "remove label",
    "remove label that is not on it",
    "remove unknown label id",
    "set status",
    "set status, other state",
    "set status, bad state",
    "set status, unknown sha",
    "combined status",
    "comment",
    "edit comment",
    "merge, wrong expected head",
    "merge, unknown style",
    "merge",
    "merge again",
    "get merged pull request",
    "close a merged pull request",
    "bad token",
)
# Hashes and times of its own making; people who are no administrators do not get the reason why the server failed.
OWN = {"merge_commit_sha", "merged_at", "sha", "url", "html_url", "creator", "created_at", "updated_at", "user", "id"}
IDS = re.compile(r"\[[^\]]*\]|[0-9a-f]{40}")


def seeded() -> Json:
    files = {"a/b.txt": "two", "c.txt": "c", "d.txt": "d"}
    commits = [{"sha": MAIN, "files": {"README.md": "x"}}, {"sha": HEAD, "parents": [MAIN], "files": files}]
    repository = {"commits": commits, "branches": {"main": MAIN, "feature/a": HEAD}}
    accounts = {"tokens": {TOKEN: {"login": "peer"}}}
    return {"github": {"repos": {REPOSITORY: repository}}, **dict.fromkeys(HOSTS, accounts)}


async def _replay(host: str) -> dict[str, httpx.Response]:
    answers: dict[str, httpx.Response] = {}
    ids: dict[str, str] = {}
    async with running_sandbox(seed=seeded()) as sandbox, httpx.AsyncClient(base_url=f"{sandbox.url}/{host}") as client:
        for name in REPLAYED:
            request = CASES[name]["request"]
            path, body = request["path"], request["body"]
            token = "wrong" if name == "bad token" else TOKEN
            # Labels and comments have numbers of the stand-in's own.
            path = re.sub(r"(?<=labels/|mments/)\d+$", lambda match: ids.get(match[0], match[0]), path)
            if body and body.get("labels") == [1]:
                body = {"labels": [int(ids["1"])]}
            answers[name] = await client.request(
                request["method"], path, json=body, headers={"Authorization": f"token {token}"}
            )
            made = CASES[name]["response"]["body"]
            if name in ("create repo label", "create repo label again", "comment"):
                ids[str(made["id"])] = str(answers[name].json()["id"])
    return answers


@pytest.fixture(scope="module", params=HOSTS)
def answers(request: pytest.FixtureRequest) -> dict[str, httpx.Response]:
    return asyncio.run(_replay(request.param))


@pytest.mark.parametrize("name", REPLAYED)
def test_a_case_is_answered_as_recorded(answers: dict[str, httpx.Response], name: str) -> None:
    wanted, answer = CASES[name]["response"], answers[name]
    assert answer.status_code == wanted["status"]
    assert answer.headers.get("x-total-count") == wanted["headers"].get("x-total-count")
    if not wanted["body"]:
        assert (answer.content or b"[]") in (b"[]", json.dumps(wanted["body"]).encode())
        return
    if wanted["status"] == 500:
        assert answer.json()["message"] == ""
        return
    assert _shown(answer.json(), wanted["body"]) == _shown(wanted["body"], wanted["body"])


def _shown(value: Any, recorded: Any) -> Any:
    """Keep of a value what the recording has of it, without what each host makes for itself."""
    if isinstance(recorded, dict) and isinstance(value, dict):
        kept = [key for key, known in recorded.items() if key not in OWN and known is not None]
        return {key: _shown(value.get(key, "missing"), recorded[key]) for key in kept}
    if isinstance(recorded, list) and isinstance(value, list):
        shown = [_shown(one, recorded[0]) for one in value] if recorded else value
        return sorted(shown, key=json.dumps)
    return IDS.sub("…", value) if isinstance(value, str) else value
