"""To stop everybody's work by an answer that is long: each list of each answer, to everything that adapters ask.

What is asked, and the answers, are those of the fuzzer, which knows every method and every reader: a new one is tried
without a row here. Work is counted in calls within one step of the event loop, so that no machine is too slow for it.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

import httpx
import pytest

from providers import decoding, endpoint, messages
from providers.errors import ProviderError, ProviderMalformed
from providers.http import HttpClients, HttpOptions
from providers.models import Route
from providers.reading import AT_ONCE_BYTES
from tests.providers.fuzzing.answers import Answer, answer_of
from tests.providers.fuzzing.hosts import AskedTooOften, OddHost, SharedClients
from tests.providers.fuzzing.operations import OPERATIONS, kind_of
from tests.providers.hosts import UNUSED

BYTES = 8 * AT_ONCE_BYTES
"""Of an answer; what is linear in it is far above the limit, and not crowded."""
CALLS = 8_000
"""Of functions in one step, 2 ms or less: what reading an answer takes that is not large."""
PAGES = 3
"""How often a request is answered so; a list whose every page is full would be read to the limit of its pages."""
Path = tuple[str | int, ...]


class Steps:
    """Count the calls of each step of the event loop that runs in this thread, and keep the most."""

    def __init__(self) -> None:
        self.most = 0
        self._calls = 0

    def reset(self) -> None:
        self.most = self._calls = 0

    def note(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self._calls += 1
            if self._calls > self.most:
                self.most = self._calls

    def begin(self) -> None:
        self._calls = 0


@dataclass(kw_only=True)
class LongHost(OddHost):
    """Answer one request with another body, note all, and end a step at each, as waiting for a network does.

    From the page after the last long one on it answers well again.
    """

    steps: Steps
    asked: list[tuple[str, str]] = field(default_factory=list)
    long: tuple[str, str] | None = None
    body: bytes = b""

    def handle(self, request: httpx.Request) -> httpx.Response:
        asked = request.method, request.url.raw_path.decode().partition("?")[0]
        self.asked.append(asked)
        self.steps.begin()
        answer = super().handle(request)
        if asked != self.long or self.asked.count(asked) > PAGES:
            return answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=self.body)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Count, and have what gives way do so after each entry instead of after a time."""
    counted, run = Steps(), asyncio.Handle._run

    def counting(handle: asyncio.Handle) -> None:
        counted.begin()
        run(handle)

    monkeypatch.setattr(asyncio.Handle, "_run", counting)

    def decoded(body: bytes) -> object:
        sys.setprofile(None)
        try:
            return decoding.decoded(body)
        finally:
            sys.setprofile(counted.note)

    # Bounded by the marks of a body; tests/security/test_event_loop.py measures it.
    monkeypatch.setattr(endpoint, "decoded", decoded)
    monkeypatch.setattr(decoding, "_AT_A_TIME_SECONDS", 0.0)
    before = sys.getprofile()
    sys.setprofile(counted.note)
    yield counted
    sys.setprofile(before)


def _lists(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield where lists are that hold something; within a list the first entry is looked at."""
    if isinstance(value, list):
        if value:
            yield path
            yield from _lists(value[0], (*path, 0))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lists(inner, (*path, key))


def _long(value: object, path: Path, entry: object, times: int) -> object:
    """Return a copy whose list at this path holds an entry that often."""
    if not path:
        return [entry] * times
    key, *rest = path
    if isinstance(value, Sequence):
        assert isinstance(key, int)
        return [_long(value[key], tuple(rest), entry, times), *value[1:]]
    assert isinstance(value, Mapping)
    return {**value, key: _long(value[key], tuple(rest), entry, times)}


def _largest_entry(value: object, path: Path) -> object:
    for key in path:
        value = value[key]  # type: ignore[index]
    assert isinstance(value, list)
    return max(value, key=lambda entry: len(json.dumps(entry)))


def _long_bodies(answer: Answer) -> Iterator[tuple[str, bytes]]:
    """Yield the answer with each of its lists, of its largest entry so often that it has so many bytes."""
    if answer.lines or isinstance(answer.body, bytes):
        return
    for path in _lists(answer.body):
        entry = _largest_entry(answer.body, path)
        times = BYTES // (len(json.dumps(entry)) + 2)
        yield f"{'.'.join(map(str, path))} {times} times", json.dumps(_long(answer.body, path, entry, times)).encode()


def _of(name: str, host: LongHost) -> Iterator[tuple[str, str, str, bytes]]:
    for method, path in dict.fromkeys(host.asked):
        answer = answer_of(kind_of(name), method, path)
        assert answer is not None
        for variant, body in _long_bodies(answer):
            assert not decoding.is_crowded(body)
            yield method, path, variant, body


@pytest.mark.usefixtures("quiet")
async def test_to_stop_everybodys_work_by_a_long_answer(steps: Steps) -> None:
    http = SharedClients()
    tried: set[tuple[str, str, str]] = set()
    slow = []
    for name, operation in OPERATIONS.items():
        http.forget()
        host = http.host = LongHost(kind=kind_of(name), steps=steps)
        await operation(http)
        for method, path, variant, body in _of(name, host):
            # Variants of an operation read the same answers in the same way.
            one = (".".join(name.split(".")[:2]), path, variant)
            if one in tried:
                continue
            tried.add(one)
            http.forget()
            http.host = LongHost(kind=kind_of(name), steps=steps, long=(method, path), body=body)
            await asyncio.sleep(0)
            steps.reset()
            # Runs that a list names are read one by one, each in steps of their own.
            with suppress(ProviderError, AskedTooOften):
                await asyncio.create_task(operation(http))  # type: ignore[arg-type]
            if steps.most > CALLS:
                slow.append(f"{name}: {method} {path}: {variant}: {steps.most} calls")
    await http.aclose()
    assert len(tried) > 50
    assert slow == [], "\n".join(slow)


@pytest.mark.usefixtures("quiet")
async def test_to_fill_memory_with_the_pages_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room at all, whatever reads pages stops at the first one."""
    assert messages.LIST_LIMIT_BYTES == 32 * 1024 * 1024
    monkeypatch.setattr(messages, "LIST_LIMIT_BYTES", 1)
    http, stopped = SharedClients(), set[str]()
    for name, operation in OPERATIONS.items():
        http.forget()
        http.host = OddHost(kind=kind_of(name))
        with suppress(ProviderError):
            try:
                await operation(http)
            except ProviderMalformed as error:
                stopped |= {kind_of(name)} if "the pages of a list are larger than 1 bytes" in str(error) else set()
    await http.aclose()
    # Jenkins and Argo CD answer with one page, which is bounded as every answer is.
    assert {kind_of(name) for name in OPERATIONS} - stopped == {"jenkins", "argocd"}


async def test_to_fill_memory_with_clients_for_a_ca_each(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = HttpClients(HttpOptions(transport=httpx.MockTransport(lambda request: httpx.Response(200))))

    async def trust(route: Route) -> ssl.SSLContext:
        return UNUSED

    monkeypatch.setattr(clients, "_trust", trust)
    async with clients.client(Route(ca_pem="in use")) as used:
        for number in range(200):
            async with clients.client(Route(ca_pem=f"authority {number}")):
                pass
        assert len(clients._clients) <= 33
        assert not used.is_closed
        async with clients.client(Route(ca_pem="in use")) as again:
            assert again is used
    await clients.aclose()
    assert used.is_closed
