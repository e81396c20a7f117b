"""To stop everybody's work by what a host wrote: no single step of the event loop takes long."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.argocd import windows
from providers.argocd.applications import read_application
from providers.bodies import BODY_LIMIT_BYTES
from providers.changed_files import changed_paths
from providers.decoding import STRUCTURE_LIMIT, decoded_in_steps, is_crowded
from providers.documents import parsed
from providers.error_mapping import message_of
from providers.errors import ProviderMalformed
from providers.gitlab_ci import starting
from providers.messages import Reply
from tests.providers.fuzzing.answers import APPLICATION
from tests.security.measuring import Work, is_short, longest_step, seconds

OBJECT_BYTES = 1_500_000
"""The largest resource that etcd takes."""

pytestmark = pytest.mark.usefixtures("own_garbage_only")


def _list(entry: str, marks: int) -> bytes:
    """Return a list of as many of an entry as are decoded in one go; `marks` is what an entry has of them."""
    return f"[{','.join([entry] * ((STRUCTURE_LIMIT - 2) // (marks + 1)))}]".encode()


def _keys() -> bytes:
    return json.dumps({f"{number:x}": 1 for number in range(STRUCTURE_LIMIT // 2 - 2)}, separators=(",", ":")).encode()


def _filled(text: str) -> bytes:
    return f'["{text * ((BODY_LIMIT_BYTES - 4) // len(text.encode()))}"]'.encode()


BODIES: Mapping[str, Callable[[], bytes]] = {
    "empty lists": lambda: _list("[]", 1),
    "objects of one list": lambda: _list('{"":[]}', 3),
    "lists within lists": lambda: _list("[[[]]]", 3),
    "long fractions": lambda: _list("0.12345678901234567", 0),
    "texts": lambda: _list('"abcdefg"', 0),
    "different keys": _keys,
    "long numbers": lambda: json.dumps([int("9" * 400)] * (BODY_LIMIT_BYTES // 402)).encode(),
    "a text of line ends": lambda: _filled("\\n"),
    "a text of escapes": lambda: _filled("\\u20ac"),
    "a text of one sign": lambda: _filled("€"),
}

LISTS: Mapping[str, Callable[[], bytes]] = {
    "empty lists": lambda: b"[" + b"[]," * 2_700_000 + b"1]",
    "large entries": lambda: b"[" + b",".join([_list('{"":[]}', 3)] * 20) + b"]",
    "entries": lambda: b"[" + b",".join([b"[" + b'{"":[]},' * 500 + b"1]"] * 2000) + b"]",
    "texts": lambda: json.dumps([{"body": "[{,:" * 16_000}] * 120).encode(),
    "applications": lambda: json.dumps({"items": [APPLICATION] * 2000}).encode(),
}


def _application(**status: object) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(APPLICATION))
    whole["status"] = {**whole["status"], **status}
    return whole


def _fat_application() -> dict[str, Any]:
    resource = {
        "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web",
        "status": "OutOfSync", "requiresPruning": True, "health": {"status": "Degraded", "message": "x" * 20},
    }  # fmt: skip
    number = OBJECT_BYTES // len(json.dumps(resource))
    return _application(resources=[{**resource, "name": f"web{index}"} for index in range(number)])


def _windows(kind: str, listed: str, schedule: str, duration: str) -> dict[str, Any]:
    return {listed: [{"kind": kind, "schedule": schedule, "duration": duration}] * 100}


def _config(size: int) -> str:
    line = " name: x\n"
    return "workflow:\n" + line * (size // len(line) - 2)


def _reply(value: object) -> Reply:
    return Reply(status=200, body=json.dumps(value).encode())


def _crowd() -> Work:
    body = b"," * BODY_LIMIT_BYTES
    return lambda: is_crowded(body)


def _with(function: Callable[..., object], *arguments: object) -> Work:
    return lambda: function(*arguments)


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
IN_ONE_STEP: Mapping[str, Callable[[], Work]] = {
    "the values of an answer, counted": _crowd,
    "text of a refusal": lambda: _with(
        message_of, Reply(status=400, body=b'{"message":[' + b'"a",' * 16_000 + b"1]}")
    ),
    "an application": lambda: _with(read_application, _fat_application(), "https://argocd.example.com"),
    "deny windows of each minute": lambda: _with(
        windows.in_the_way, _windows("deny", "activeWindows", "* * * * *", "190h"), NOW
    ),
    "windows of no minute": lambda: _with(
        windows.in_the_way, _windows("allow", "assignedWindows", "59 23 31 2 *", "1h"), NOW
    ),
    "a page of files": lambda: _with(
        changed_paths, _reply([{"filename": "a/" * 2000, "previous_filename": "b" * 4000}] * 100)
    ),
    "a CI file": lambda: _with(
        starting.shows_key, _config(starting.CONFIG_LIMIT_BYTES), starting.ParametersAs.INPUTS
    ),
    "a CI file that is too long": lambda: _with(
        starting.shows_key, _config(BODY_LIMIT_BYTES), starting.ParametersAs.INPUTS
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_to_stop_everybodys_work_by_an_answer(name: str) -> None:
    body = BODIES[name]()
    assert len(body) <= BODY_LIMIT_BYTES
    parsed(body)
    assert is_short(lambda: seconds(lambda: parsed(body)))


@pytest.mark.parametrize("name", LISTS)
def test_to_stop_everybodys_work_by_a_list(name: str) -> None:
    body = LISTS[name]()
    assert len(body) <= BODY_LIMIT_BYTES
    assert is_crowded(body)
    with pytest.raises(ProviderMalformed):
        parsed(body)
    assert is_short(lambda: longest_step(lambda: decoded_in_steps(body)))


@pytest.mark.parametrize("name", IN_ONE_STEP)
def test_to_stop_everybodys_work_by_something_large(name: str) -> None:
    work = IN_ONE_STEP[name]()
    work()
    assert is_short(lambda: seconds(work))
