"""What hosts answer: ten thousand odd answers to everything that is asked of them, the same ones each time.

One input is named by its number: `OddHost` and its mutations are made from that alone.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from random import Random
from types import FrameType, FunctionType
from typing import get_type_hints

import httpx
import pytest

import providers
from providers import ports
from providers.documents import Document
from providers.errors import ProviderError, ProviderNotFound, ProviderRateLimited
from providers.messages import Reply
from providers.registry import DEPLOYMENTS, SCM_HOSTS, TEST_RUNS
from tests.providers.fuzzing.hosts import OddHost, SharedClients
from tests.providers.fuzzing.operations import OPERATIONS, kind_of
from tests.providers.hosts import TOKEN

INPUTS = 10_200
_SHARDS = 12
_CPU_SECONDS = 5
"""Of this process, for one input of some 100 KB: hundreds of times what one takes."""
_ERROR_BYTES = 4_000
_TEXT_BYTES = 300_000
"""The longest comment that GitHub takes, in UTF-8."""


class TooSlow(BaseException):
    """End an input that takes forever."""


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow


@pytest.fixture
def cpu_bound() -> Iterator[None]:
    """Bound the processor time of this process; the wall clock shows nothing on a busy machine."""
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


async def _calls_of(http: SharedClients, name: str) -> int:
    """Count the requests of an operation whose host answers well."""
    http.forget()
    http.host = OddHost(kind=kind_of(name))
    await OPERATIONS[name](http)
    return http.host.requests


async def _play(http: SharedClients, name: str, calls: int, seed: int | str) -> tuple[OddHost, object]:
    """Play one input; return the host, and the result or the error."""
    random = Random(seed)
    http.forget()
    host = http.host = OddHost(
        kind=kind_of(name), random=random, odd_at=random.randrange(max(calls, 1)), goes_on=random.random() < 0.2
    )
    signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS)
    try:
        return host, await OPERATIONS[name](http)
    except ProviderError as error:
        return host, error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _texts(value: object) -> Iterator[str]:
    """Yield every text of a result."""
    if isinstance(value, str) and not isinstance(value, Enum):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in _texts(one))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (text for one in value for text in _texts(one))


def _check(answered: object, sent_bytes: int) -> None:
    if isinstance(answered, ProviderError):
        text = str(answered)
        assert len(text.encode()) <= _ERROR_BYTES
        assert TOKEN not in text
        assert answered.__cause__ is None
        return
    texts = list(_texts(answered))
    sizes = [len(text.encode()) for text in texts]
    assert max(sizes, default=0) <= _TEXT_BYTES
    assert sum(sizes) <= 4 * sent_bytes + 10_000


@pytest.mark.usefixtures("quiet", "cpu_bound")
@pytest.mark.parametrize("shard", range(_SHARDS))
async def test_to_break_or_bend_a_reader(shard: int) -> None:
    names = list(OPERATIONS)
    http = SharedClients()
    calls = {name: await _calls_of(http, name) for name in names}
    failures: list[str] = []
    for number in range(shard, INPUTS, _SHARDS):
        name = names[(number // _SHARDS) % len(names)]
        host = None
        try:
            host, answered = await _play(http, name, calls[name], number)
            _check(answered, host.sent_bytes)
            # Nothing was learned that cannot be sent: a host that answers well again is served, unless it asked for
            # quiet, or named another account or branch, by which nothing of this one is ours.
            http.forget(memory=False)
            http.host = OddHost(kind=kind_of(name))
            with suppress(ProviderRateLimited, ProviderNotFound):
                await OPERATIONS[name](http)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it is to be read with its number
            failures.append(f"{number} {name} {(host or http.host).changes}: {type(error).__name__} {str(error)[:200]}")
    await http.aclose()
    assert failures == [], "\n".join(failures)


PORTS: Mapping[str, Mapping[str, type]] = {
    "scm": {
        "pull_requests": ports.PullRequests, "pull_request_lists": ports.PullRequestLists,
        "revisions": ports.Revisions, "commit_statuses": ports.CommitStatuses,
        "labels": ports.Labels, "comments": ports.Comments, "": ports.Checkable,
        "changes": ports.PullRequestChanges, "branches": ports.Branches,
        "deployment_records": ports.DeploymentRecords, "steering": ports.Steering,
    },
    "ci": {"": ports.TestRuns},
    "deployments": {"": ports.Deployments},
}  # fmt: skip
TABLES: Mapping[str, Iterable[str]] = {
    # One of those that one adapter serves.
    "scm": {opened: options.kind for options, opened in reversed(list(SCM_HOSTS.items()))}.values(),
    "ci": [options.kind for options in TEST_RUNS],
    "deployments": [options.kind for options in DEPLOYMENTS],
}
# Ports that hosts may be without, and which kinds have them.
OPTIONAL: Mapping[str, Iterable[str]] = {
    "deployment_records": (
        "github",
        "gitlab",
    ),
    "changes": (
        "github",
        "gitlab",
        "gitea",
        "bitbucketCloud",
        "bitbucketDataCenter",
        "azureDevOps",
    ),
    "branches": (
        "github",
        "gitlab",
        "gitea",
        "bitbucketCloud",
        "azureDevOps",
    ),
    "steering": (
        "github",
        "gitlab",
        "gitea",
        "bitbucketCloud",
        "bitbucketDataCenter",
        "azureDevOps",
    ),
}
# Read no answer of a host: an HMAC of our own text, and what is known of the kind of host.
_ASKS_NOTHING = {"comments.proof", "pull_request_lists.by_update", "steering.names_who_labels", "steering.has_teams"}
# Hosts whose pull requests have no labels are asked for none.
_ASK_NO_LABELS = {"bitbucketCloud", "bitbucketDataCenter"}
# Hosts at which people steer by comments alone are not asked who labels; one has neither teams nor reactions.
_BY_COMMENTS = {*_ASK_NO_LABELS, "azureDevOps"}
_NEVER_ASKED = {f"{kind}.steering.label_events" for kind in _BY_COMMENTS}
_NEVER_ASKED |= {"bitbucketCloud.steering.is_member", "bitbucketCloud.steering.react"}


def _wanted() -> set[str]:
    """Name every method of every port of every kind that the registry knows."""
    return {
        f"{kind}.{name}"
        for group, kinds in TABLES.items()
        for capability, port in PORTS[group].items()
        for method in vars(port)
        if not method.startswith("_")
        for kind in OPTIONAL.get(capability, kinds)
        if (name := f"{capability}.{method}".strip(".").removeprefix("traceable.")) not in _ASKS_NOTHING
        and not (capability == "labels" and kind in _ASK_NO_LABELS)
        and f"{kind}.{name}" not in _NEVER_ASKED
    }


# Webhooks are no answers: they come by themselves, and tests/providers/test_webhooks.py tries odd ones. The module of
# the events that we send signs bytes of our own.
_NO_ANSWERS = ("providers.webhooks", "providers.event_receivers.wire")


def _readers() -> set[str]:
    """Find every function of the providers that takes what a host answered, by the types of its parameters."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(providers.__path__, "providers."):
        if module.name.startswith(_NO_ANSWERS):
            continue
        loaded = importlib.import_module(module.name)
        for holder in (loaded, *(one for one in vars(loaded).values() if inspect.isclass(one))):
            for function in vars(holder).values():
                if inspect.isfunction(function) and function.__module__ == module.name and _takes_answer(function):
                    found.add(f"{function.__module__}.{function.__qualname__}")
    return found


def _takes_answer(function: FunctionType) -> bool:
    if function.__name__ == "__init__":
        return False
    hints = get_type_hints(function)
    hints.pop("return", None)
    return any(hint in (Document, Reply, httpx.Response, bytes, object) for hint in hints.values())


def test_every_method_of_every_adapter_is_tried() -> None:
    tried = {name if name in (wanted := _wanted()) else name.rpartition(".")[0] for name in OPERATIONS}
    assert tried == wanted


@pytest.mark.usefixtures("quiet", "cpu_bound")
async def test_every_reader_of_an_answer_is_reached() -> None:
    reached: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and str(frame.f_globals.get("__name__", "")).startswith("providers."):
            reached.add(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}")

    http = SharedClients()
    names = list(OPERATIONS)
    calls = {name: await _calls_of(http, name) for name in names}
    readers = _readers()
    assert len(readers) > 80
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for name in names:
            await _calls_of(http, name)
        # What good answers do not reach, odd ones do.
        for turn in range(12):
            if readers <= reached:
                break
            for name in names:
                # What is reached by way of one operation does not depend on how many others there are.
                await _play(http, name, calls[name], f"{name} {turn}")
    finally:
        sys.setprofile(before)
    await http.aclose()
    assert readers - reached == set()
