"""Payloads in Temporal are encrypted where keys are given: how keys change, and what decrypts."""

import asyncio
import base64
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from activities.models.promotion import Progress
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from providers.http import HttpClients, HttpOptions
from tests.activities.cluster import shop
from tests.activities.fakes import FakeReceivers, FakeSink
from worker.cli.histories import read_history
from worker.opening.resources import ClusterOpener
from worker.serving.process import build_worker
from worker.serving.registry import PROMOTIONS, Dependencies, build_activities
from worker.settings import Settings
from worker.temporal import encryption
from worker.temporal.codec_server import build_codec_server, origin_of
from worker.temporal.connect import TemporalMisconfigured, TemporalPlaces, connect
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.encryption import AesGcmCodec, KeyMissing, Keys
from worker.temporal.promotions import TemporalPromotions
from workflows.identity import PROGRESS_QUERY

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"the title of a pull request"')
QUEUES = (PROMOTIONS, "config", "scm")
ORIGIN = "https://temporal.example.com"


def write_key(directory: Path, identity: str, fill: int) -> None:
    directory.mkdir(exist_ok=True)
    (directory / identity).write_text(base64.b64encode(bytes([fill]) * 32).decode() + "\n")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A directory with one key, as a mounted Secret looks."""
    directory = tmp_path / "keys"
    write_key(directory, "2026-11", 1)
    (directory / "..data").mkdir()
    return directory


async def test_what_is_encrypted_comes_back_and_names_its_key_alone(keys: Path) -> None:
    codec = AesGcmCodec(Keys(keys, "2026-11"))
    [first], [second] = await codec.encode([PLAIN]), await codec.encode([PLAIN])
    assert b"title" not in first.SerializeToString()
    assert first.data != second.data
    assert dict(first.metadata) == {"encoding": b"binary/encrypted", "encryption-key-id": b"2026-11"}
    assert await codec.decode([first, PLAIN]) == [PLAIN, PLAIN]


async def test_keys_change_while_both_are_there_and_a_missing_one_is_named_until_it_is_mounted(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption, "_LOOK_SECONDS", -1.0)
    older = AesGcmCodec(Keys(keys, "2026-11"))
    write_key(keys, "2026-12", 2)
    newer = AesGcmCodec(Keys(keys, "2026-12"))
    [late] = await newer.encode([PLAIN])
    # A process that was started before the key was mounted.
    assert await older.decode([late]) == [PLAIN]
    [early] = await older.encode([PLAIN])
    (keys / "2026-11").unlink()
    with pytest.raises(KeyMissing, match=r"no key `2026-11` .* there are 2026-12"):
        await AesGcmCodec(Keys(keys, "2026-12")).decode([early])


async def test_a_payload_that_was_changed_or_renamed_is_refused(keys: Path) -> None:
    write_key(keys, "other", 1)
    codec = AesGcmCodec(Keys(keys, "2026-11"))
    [sealed] = await codec.encode([PLAIN])
    changed = Payload(metadata=sealed.metadata, data=sealed.data[:-1] + b"\0")
    renamed = Payload(metadata={**sealed.metadata, "encryption-key-id": b"other"}, data=sealed.data)
    for one in (changed, renamed):
        with pytest.raises(ValueError, match="was changed"):
            await codec.decode([one])


@pytest.mark.parametrize(
    ("directory", "current", "reason"),
    [
        ("keys", "", "both are needed"),
        ("keys", "absent", "no key `absent`.*2026-11"),
        ("nowhere", "2026-11", "cannot be read"),
        ("short", "2026-11", "short/2026-11: 32 bytes in Base64"),
    ],
)
async def test_wrong_keys_name_the_variable_and_show_none(
    keys: Path, monkeypatch: pytest.MonkeyPatch, directory: str, current: str, reason: str
) -> None:
    (keys.parent / "short").mkdir()
    (keys.parent / "short" / "2026-11").write_text("c2VjcmV0")
    monkeypatch.setenv("PILOTAGE_ENCRYPTION_KEYS", str(keys.parent / directory))
    monkeypatch.setenv("PILOTAGE_ENCRYPTION_KEY", current)
    with pytest.raises(TemporalMisconfigured, match=rf"PILOTAGE_ENCRYPTION_KEYS.*{reason}") as raised:
        await connect()
    assert "c2VjcmV0" not in str(raised.value)


async def test_a_promotion_leaves_nothing_readable_and_is_read_with_the_keys_alone(
    temporal_server: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    monkeypatch.setenv("PILOTAGE_ENCRYPTION_KEYS", str(keys))
    monkeypatch.setenv("PILOTAGE_ENCRYPTION_KEY", "2026-11")
    settings = Settings(installation=f"sealed-{uuid.uuid4().hex[:8]}")
    attempt = TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1)
    refused = httpx.MockTransport(lambda _request: httpx.Response(404, json={"message": "a very secret reason"}))
    http = HttpClients(HttpOptions(transport=refused))
    client = await connect()
    promotions = TemporalPromotions(client=client, installation=settings.installation, timings=Timings())
    handle = client.get_workflow_handle(promotions.identify(attempt))
    kubernetes = shop().port()
    dependencies = Dependencies(
        kubernetes=kubernetes,
        opener=ClusterOpener(kubernetes, http, system_namespace="pilotage"),
        places=TemporalPlaces(client, settings.installation),
        receivers=FakeReceivers(),
        records=FakeSink(),
        postings=Mock(),
        commit_statuses=Mock(),
        sinks=Mock(),
    )
    activities = build_activities(dependencies)
    workers = [build_worker(client, settings, queue, activities.get(queue, ())) for queue in QUEUES]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(http.aclose)
        for worker in workers:
            await stack.enter_async_context(worker)
        await promotions.start(attempt, TrackerSpec(repository="web", number=412, environment="dev"), generation=1)
        async with asyncio.timeout(60):
            while not await _has_failed(handle):  # noqa: ASYNC110 a server is asked
                await asyncio.sleep(0.05)
        progress: Progress = await handle.query(PROGRESS_QUERY, result_type=Progress)
        await handle.terminate()

    assert progress.details
    raw = await (await Client.connect(temporal_server)).get_workflow_handle(handle.id).fetch_history()
    for text in ("a very secret reason", "api.github.com", "acme/web"):
        assert text not in raw.to_json()
    assert {one.kind for one in await read_history(client, handle.id)} >= {"run", "failure"}


async def _has_failed(handle: WorkflowHandle[Any, Any]) -> bool:
    failed = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
    return any(event.event_type == failed for event in (await handle.fetch_history()).events)


async def test_the_codec_server_decrypts_for_pages_of_the_origin_that_it_was_given(keys: Path) -> None:
    codec = AesGcmCodec(Keys(keys, "2026-11"))
    body = json_format.MessageToJson(Payloads(payloads=await codec.encode([PLAIN])))
    headers = {"Origin": ORIGIN, "Content-Type": "application/json"}
    async with TestClient(TestServer(build_codec_server(codec, origins=(ORIGIN,)))) as client:
        asked = await client.options("/decode", headers=headers)
        answered = await client.post("/decode", data=body, headers=headers)
        foreign = await client.post("/decode", data=body, headers={**headers, "Origin": "https://elsewhere"})
        broken = await client.post("/decode", data="{", headers=headers)
        decrypted = json_format.Parse(await answered.text(), Payloads())
    assert list(decrypted.payloads) == [PLAIN]
    assert asked.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert (answered.status, broken.status) == (200, 400)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://temporal.example.com", "https://temporal.example.com"),
        ("https://Temporal.example.com:443/namespaces/pilotage", "https://temporal.example.com"),
        ("http://localhost:8233/", "http://localhost:8233"),
        ("http://[::1]:8233", "http://[::1]:8233"),
        ("temporal.example.com", ""),
        ("https://", ""),
        ("https://host:nope", ""),
    ],
)
def test_an_origin_is_what_a_browser_names_for_a_page_of_that_address(address: str, origin: str) -> None:
    assert origin_of(address) == origin


def test_without_keys_nothing_is_encrypted() -> None:
    assert DATA_CONVERTER.payload_codec is None
