"""Hold the Argo CD stand-in against what a real 3.5.7 answered, case by case, in the recorded order."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.sandbox.options import Options
from deploy.local.sandbox.replies import Json
from deploy.local.sandbox.server import Sandbox, running_sandbox

RECORDING = Path(__file__).parent.parent / "recordings" / "argocd-3.5.7.jsonl"
CASES: dict[str, Json] = {row["case"]: row for row in map(json.loads, RECORDING.read_text().splitlines())}
EXCHANGES = [name for name, row in CASES.items() if "response" in row]
TIMELINES = [name for name, row in CASES.items() if "timeline" in row]
STREAM = "stream of one application for 8 s"

TOKEN = "sandbox-recorded-token"
START = "464b3cef40c421bec74c2a9507ff042a8de66b2e"
NEXT = "e52c3dd740c72e055505754add9da89537366545"
FAILS = "e4231bda9f100325deffccb86df27fa5113df01a"

# The recording was made by hand: before these cases a person had waited for the controller.
AFTER_A_PAUSE = {"sync to the new revision": "web-dev", "resource tree": "web-dev"}
# Fields that only some recorded bodies kept, or that name one installation.
DROPPED = {
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "annotations",
    "resourceHealthSource",
    "controllerNamespace",
    "sourceHydrator",
}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIMELINE_FIELDS = ("operation_set", "phase", "info", "sync", "sync_revision", "result_revision", "health", "message")


@dataclass
class Replay:
    """What the stand-in answered to every recorded request."""

    answers: dict[str, httpx.Response] = field(default_factory=dict)
    timelines: dict[str, list[Json]] = field(default_factory=dict)
    stream: list[Json] = field(default_factory=list)
    stream_type: str = ""


@pytest.fixture(scope="module")
def replay() -> Replay:
    return asyncio.run(_replay())


@pytest.mark.parametrize("case", EXCHANGES)
def test_an_answer_has_the_recorded_status_and_content_type(replay: Replay, case: str) -> None:
    recorded, answer = CASES[case]["response"], replay.answers[case]
    assert answer.status_code == recorded["status"]
    assert answer.headers["content-type"] == recorded["headers"]["content-type"]
    for name in ("grpc-metadata-content-type",):
        assert answer.headers.get(name) == recorded["headers"].get(name)


@pytest.mark.parametrize("case", [case for case in EXCHANGES if case != "version"])
def test_a_body_has_the_recorded_shape_and_texts(replay: Replay, case: str) -> None:
    recorded, answer = CASES[case]["response"]["body"], replay.answers[case]
    if isinstance(recorded, str):
        assert answer.text == recorded
    else:
        assert normalised(answer.json()) == normalised(recorded)


def test_the_version_has_the_recorded_fields(replay: Replay) -> None:
    recorded: Json = CASES["version"]["response"]["body"]
    assert replay.answers["version"].json().keys() == recorded.keys()


@pytest.mark.parametrize("case", TIMELINES)
def test_an_operation_passes_through_the_recorded_states_in_order(replay: Replay, case: str) -> None:
    seen = iter([_point(state) for state in replay.timelines[case]])
    missing = [point for point in map(_point, CASES[case]["timeline"]) if point not in seen]
    assert missing == []


def test_a_stream_sends_the_recorded_events(replay: Replay) -> None:
    first, *events = CASES[STREAM]["lines"]
    assert replay.stream_type == first["content_type"]
    assert [event["type"] for event in replay.stream] == [event["type"] for event in events]
    for seen, recorded in zip(replay.stream, events, strict=True):
        refresh = "argocd.argoproj.io/refresh"
        assert (refresh in seen["application"]["metadata"]["annotations"]) == (
            refresh in recorded["application"]["metadata"]["annotations"]
        )
        assert normalised(seen["application"]) == normalised(recorded["application"])


def normalised(value: Any, name: str = "") -> Any:
    """Drop ids, annotations and empty values, and make all times alike."""
    if isinstance(value, dict):
        kept = {
            key: normalised(item, key)
            for key, item in value.items()
            if key not in DROPPED and item not in (None, {}) and not (name == "resources" and key == "health")
        }
        return {key: item for key, item in kept.items() if item != {}}
    if isinstance(value, list):
        # Where a failing resource lives is part of the recorded manifests, not of Argo CD's behaviour.
        return [normalised(item, name) for item in value if not (isinstance(item, dict) and item.get("name") == "bad")]
    if isinstance(value, str):
        return TIMESTAMP.sub("<time>", value)
    return value


async def _replay() -> Replay:
    options = Options(argocd_pickup_seconds=0.4, argocd_sync_seconds=0.5, argocd_reconcile_seconds=0.25)
    async with running_sandbox(options=options, seed=_seed()) as sandbox:
        events: asyncio.Queue[Json] = asyncio.Queue()
        sandbox.state.argocd.streams.add(events)
        result = Replay()
        async with httpx.AsyncClient(base_url=f"{sandbox.url}/argocd", timeout=10) as client:
            for case, row in CASES.items():
                if case in AFTER_A_PAUSE:
                    await _settled(sandbox, AFTER_A_PAUSE[case])
                if "timeline" in row:
                    result.timelines[case] = await _observe(events, row["timeline"][-1])
                elif case == "refresh hard while a stream is open":
                    await _read_stream(client, row, result, case)
                elif "request" in row:
                    result.answers[case] = await _ask(client, row["request"], bad_token="bad token" in case)
        return result


async def _ask(client: httpx.AsyncClient, request: Json, *, bad_token: bool = False) -> httpx.Response:
    headers = {}
    if request["authorization"] is not None:
        headers["Authorization"] = "Bearer nonsense" if bad_token else f"Bearer {TOKEN}"
    if request["content_type"] is not None:
        headers["Content-Type"] = request["content_type"]
    body = None if request["body"] is None else json.dumps(request["body"]).encode()
    return await client.request(request["method"], request["path"], headers=headers, content=body)


async def _read_stream(client: httpx.AsyncClient, row: Json, result: Replay, case: str) -> None:
    path = "/api/v1/stream/applications?name=web-dev"
    async with client.stream("GET", path, headers={"Authorization": f"Bearer {TOKEN}"}) as stream:
        result.stream_type = stream.headers["content-type"]
        lines = stream.aiter_lines()
        result.stream.append(json.loads(await anext(lines))["result"])
        result.answers[case] = await _ask(client, row["request"])
        result.stream.extend([json.loads(await anext(lines))["result"] for _ in range(2)])


async def _observe(events: asyncio.Queue[Json], last: Json) -> list[Json]:
    """Collect states from the controller's events until the last recorded one came."""
    seen: list[Json] = []
    wanted = _point(last)
    async with asyncio.timeout(60):
        while not seen or _point(seen[-1]) != wanted:
            application = (await events.get())["application"]
            status = application["status"]
            state: Json = status.get("operationState") or {}
            seen.append(
                {
                    "operation_set": "operation" in application,
                    "phase": state.get("phase"),
                    "info": (state.get("operation") or {}).get("info"),
                    "sync": status["sync"]["status"],
                    "sync_revision": status["sync"].get("revision"),
                    "result_revision": (state.get("syncResult") or {}).get("revision"),
                    "health": status["health"]["status"],
                    "message": state.get("message"),
                }
            )
    return seen


def _point(state: Json) -> Json:
    return {name: state.get(name) for name in TIMELINE_FIELDS}


async def _settled(sandbox: Sandbox, name: str) -> None:
    """Wait until the controller has nothing left to do, as a person would by looking again and again."""
    application = sandbox.state.argocd.applications[name]
    async with asyncio.timeout(60):
        while True:
            before = application.body["metadata"]["resourceVersion"]
            await asyncio.sleep(0.5)
            if application.body["metadata"]["resourceVersion"] == before and "operation" not in application.body:
                return


def _seed() -> Json:
    def app(environment: str) -> Json:
        return {
            "project": "default",
            "labels": {"app": "web", "env": environment},
            "source": {"repoURL": "http://gitea.example.com/peer/web.git", "path": "deploy", "targetRevision": START},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": f"web-{environment}"},
        }

    return {
        "argocd": {
            "tokens": {TOKEN: {"subject": "bot", "projects": {"default": ["get", "sync", "update", "override"]}}},
            "revisions": {START: {}, NEXT: {}, FAILS: {"fails": 'namespaces "no-such-namespace" not found'}},
            "apps": {f"web-{environment}": app(environment) for environment in ("dev", "staging", "prod")},
        }
    }
