"""To stop everybody's work by what one tenant or host wrote: no single step of the event loop takes long.

Each step is measured in processor time beside a loop of the same process, so that a slow or busy machine slows both.
"""

import gc
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from crds.paths import path_error
from crds.rules.documents import validate_document
from crds.rules.environments import validate_environment, validate_repository
from crds.rules.policies import validate_policy
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from providers.argocd import windows
from providers.argocd.applications import read_application
from providers.bodies import BODY_LIMIT_BYTES
from providers.decoding import STRUCTURE_LIMIT, decoded_in_steps, is_crowded
from providers.documents import parsed
from providers.error_mapping import message_of
from providers.errors import ProviderMalformed
from providers.github import wire as github
from providers.gitlab_ci import starting
from providers.messages import Reply
from tests.crds.resources import a_test, deployment, document, environment_document, policy_document
from tests.providers.fuzzing.answers import APPLICATION

_BUDGET_STEPS = 1_500_000
"""Of the loop below, about 50 ms of an idle processor."""
_NOISE = 2.0
_TRIES = 3
OBJECT_BYTES = 1_500_000
"""The largest resource that etcd takes."""

Work = Callable[[], object]


def _reference() -> float:
    begun, left = time.thread_time(), _BUDGET_STEPS
    while left:
        left -= 1
    return time.thread_time() - begun


def _seconds(work: Work) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def _longest_step(work: Callable[[], Awaitable[object]]) -> float:
    """Drive a coroutine by hand, and return the processor time of its longest step."""
    running, longest = work().__await__(), 0.0
    while True:
        begun = time.thread_time()
        try:
            next(running)
        except (StopIteration, ValueError):
            return max(longest, time.thread_time() - begun)
        longest = max(longest, time.thread_time() - begun)


def _is_short(measured: Callable[[], float]) -> bool:
    """Say whether it ever fits into the budget: what interferes only adds."""
    return any(measured() <= _NOISE * _reference() for _ in range(_TRIES))


@pytest.fixture(autouse=True)
def own_garbage_only() -> Iterator[None]:
    """Leave what the other tests of this process made out of what is collected."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


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


def _globs() -> dict[str, Any]:
    """Return a repository of globs that all begin with a wildcard, the kind that has to be compared in full."""
    components = [
        {"name": f"c{group}", "paths": [f"**/{'?*' * 100}{group}-{number}/**" for number in range(50)]}
        for group in range(50)
    ]
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}, "components": components}
    return document("GitRepository", "web", spec)


def _policy(repeated: int) -> dict[str, Any]:
    parameters = {f"P{number}": "${source.vars.A}" * repeated for number in range(64)}
    return policy_document("dev", "prod", tests=[a_test(f"t{number}", parameters=parameters) for number in range(50)])


def _environment() -> dict[str, Any]:
    deployments = [deployment(f"d{number}", component=f"c{number}") for number in range(100)]
    return environment_document("prod", *deployments, vars={f"V{number}": "x" * 1024 for number in range(50)})


def _of_policy(repeated: int) -> Work:
    read = PromotionPolicy.from_wire(_policy(repeated))
    others = [PromotionPolicy.from_wire(policy_document(f"e{n}", f"e{n + 1}", name=f"p{n}")) for n in range(200)]
    place = Environment.from_wire(_environment())
    return lambda: validate_policy(read, environments={"prod": place}, all_policies=others)


def _of_environment() -> Work:
    read = Environment.from_wire(_environment())
    repository = GitRepository.from_wire(_globs())
    return lambda: validate_environment(read, repositories={"web": repository})


def _of_repository() -> Work:
    read = GitRepository.from_wire(_globs())
    return lambda: validate_repository(read)


def _resource(made: dict[str, Any]) -> Work:
    assert len(json.dumps(made)) <= OBJECT_BYTES
    return lambda: validate_document(made)


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
    "words of a refusal": lambda: _with(
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
        github.read_files, _reply([{"filename": "a/" * 2000, "previous_filename": "b" * 4000}] * 100)
    ),
    "a CI file": lambda: _with(
        starting.shows_key, _config(starting.CONFIG_LIMIT_BYTES), starting.ParametersAs.INPUTS
    ),
    "a CI file that is too long": lambda: _with(
        starting.shows_key, _config(BODY_LIMIT_BYTES), starting.ParametersAs.INPUTS
    ),
    "a glob": lambda: _with(path_error, "**/" * 170),
    "globs of a repository, compared": _of_repository,
    "a policy, read": lambda: _resource(_policy(25)),
    "a policy, judged": lambda: _of_policy(1),
    "a policy that is too large, judged": lambda: _of_policy(25),
    "an environment, read": lambda: _resource(_environment()),
    "an environment, judged": _of_environment,
    "a repository, read": lambda: _resource(_globs()),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_to_stop_everybodys_work_by_an_answer(name: str) -> None:
    body = BODIES[name]()
    assert len(body) <= BODY_LIMIT_BYTES
    parsed(body)
    assert _is_short(lambda: _seconds(lambda: parsed(body)))


@pytest.mark.parametrize("name", LISTS)
def test_to_stop_everybodys_work_by_a_list(name: str) -> None:
    body = LISTS[name]()
    assert len(body) <= BODY_LIMIT_BYTES
    assert is_crowded(body)
    with pytest.raises(ProviderMalformed):
        parsed(body)
    assert _is_short(lambda: _longest_step(lambda: decoded_in_steps(body)))


@pytest.mark.parametrize("name", IN_ONE_STEP)
def test_to_stop_everybodys_work_by_something_large(name: str) -> None:
    work = IN_ONE_STEP[name]()
    work()
    assert _is_short(lambda: _seconds(work))
