"""Deliveries over HTTP: who is believed to be the sender, what is answered, and which workflows are poked."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

import pytest

from activities.models.drift import InstanceRef
from activities.models.tracking import TrackerRef
from crds.api.ports import ApiUnavailable
from tests.providers.webhook_samples import pull_requests
from tests.receiver.world import (
    SECRET,
    WEBHOOK,
    World,
    build,
    github_headers,
    provider_at,
    pull_request,
    repository,
    repository_at,
    shop,
    tracker,
    waiting_for_run,
)
from tests.watcher.fakes import until
from worker.receiver import routes
from worker.receiver.deliveries import Rates
from worker.receiver.hooks import Hook
from worker.receiver.index import Place
from worker.receiver.routes import BODY_LIMIT_BYTES
from worker.receiver.secrets import SECRET_KEY

TRACKER = TrackerRef(namespace="shop", name="web-412", uid="uid-web-412", attempt=1)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with shop().serving() as served:
        yield served


async def poked(world: World, count: int) -> None:
    await until(lambda: len(world.poked) >= count, seconds=10)


async def test_a_signed_delivery_is_accepted_and_pokes_the_one_workflow_that_it_concerns(world: World) -> None:
    world.apply(tracker(413))
    assert (await world.github("pull_request", pull_request()))[0] == 202
    await poked(world, 1)
    assert world.poked == [TRACKER]


@pytest.mark.parametrize("secret", ["another-secret", SECRET_KEY, ""])
async def test_a_delivery_that_is_signed_with_another_secret_is_refused_and_pokes_nothing(
    world: World, secret: str
) -> None:
    assert (await world.github("pull_request", pull_request(), secret=secret))[0] == 401
    assert world.pokes.depth == 0
    assert world.poked == []


@pytest.mark.parametrize("kind", ["GitRepository/web", "ScmProvider/host"])
@pytest.mark.parametrize("host", sorted(pull_requests(ended=True)))
async def test_a_merge_at_each_host_pokes_the_tracker_of_its_pull_request_once(
    world: World, host: str, kind: str
) -> None:
    sample = pull_requests(ended=True)[host]
    world.apply(provider_at(host))
    world.apply(repository_at(host))
    headers = {name.title(): value for name, value in sample.proven().items()}
    code, reason = await world.post(f"/hooks/shop/{kind}", sample.raw, headers)
    assert (code, reason) == (202, "1 workflow will look")
    await poked(world, 1)
    assert world.poked == [TRACKER]
    code, reason = await world.post(f"/hooks/shop/{kind}", sample.raw, headers)
    assert (code, reason) == (202, "this delivery was accepted before")


async def test_a_body_that_was_changed_on_the_way_is_refused(world: World) -> None:
    signed = github_headers(json.dumps(pull_request(411)).encode())
    assert (await world.post(WEBHOOK, pull_request(412), signed))[0] == 401


async def test_a_delivery_that_comes_again_pokes_nothing(world: World) -> None:
    await world.github("pull_request", pull_request(), delivery="d-7")
    await poked(world, 1)
    code, reason = await world.github("pull_request", pull_request(), delivery="d-7")
    assert (code, "before" in reason) == (202, True)
    await world.github("pull_request", pull_request(), delivery="d-8")
    await poked(world, 2)
    assert world.poked == [TRACKER] * 2


async def test_a_refused_delivery_is_not_remembered(world: World) -> None:
    await world.github("pull_request", pull_request(), delivery="d-7", secret="another-secret")
    assert (await world.github("pull_request", pull_request(), delivery="d-7"))[1] == "1 workflow will look"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_refused_however_it_is_sent(world: World, *, chunked: bool) -> None:
    large = b" " * (BODY_LIMIT_BYTES + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    code, _ = await world.post(WEBHOOK, pieces() if chunked else io.BytesIO(large), github_headers(large))
    assert code == 413
    assert world.poked == []


async def test_a_body_of_the_limit_is_read(world: World) -> None:
    body = json.dumps(pull_request()).encode()
    padded = body + b" " * (BODY_LIMIT_BYTES - len(body))
    assert (await world.post(WEBHOOK, padded, github_headers(padded)))[0] == 202


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 202),
    ],
)
async def test_only_plain_json_is_read(world: World, headers: dict[str, str], code: int) -> None:
    body = json.dumps(pull_request()).encode()
    assert (await world.post(WEBHOOK, body, {**github_headers(body), **headers}))[0] == code


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"pull_request": {"number": "412"}}', b"{}"],
)
async def test_a_signed_body_that_is_no_event_is_answered_with_a_reason(world: World, body: bytes) -> None:
    code, reason = await world.post(WEBHOOK, body, github_headers(body))
    assert (code, bool(reason)) == (400, True)
    assert world.poked == []


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/shop/GitRepository/unknown",
        "/hooks/other/GitRepository/web",
        "/hooks/shop/ScmProvider/web",
        "/hooks/-/ClusterScmProvider/github",
    ],
)
async def test_an_address_without_a_resource_is_answered_as_a_wrong_signature(world: World, path: str) -> None:
    unknown = await world.github("pull_request", pull_request(), path=path)
    assert unknown == await world.github("pull_request", pull_request(), secret="another-secret")


async def test_a_secret_without_consent_or_without_the_key_proves_nothing(world: World) -> None:
    world.cluster.put_secret("github-token", {"token": "t-1", SECRET_KEY: "a-secret-of-webhooks"}, consents=False)
    assert (await world.github("pull_request", pull_request()))[0] == 401
    async with shop().serving() as other:
        other.cluster.put_secret("github-token", {"token": "t-1"})
        assert (await other.github("pull_request", pull_request(), secret=""))[0] == 401


@pytest.mark.parametrize(
    "path", ["/hooks/shop/Secret/web", "/hooks/-/GitRepository/web", "/hooks/a/ClusterScmProvider/b"]
)
async def test_an_address_that_can_name_no_resource_answers_which_do(world: World, path: str) -> None:
    code, reason = await world.github("pull_request", pull_request(), path=path)
    assert (code, "GitRepository" in reason) == (404, True)


async def test_an_address_that_brings_too_much_is_asked_to_wait_and_others_are_not(world: World) -> None:
    world.rates._per_second, world.rates._burst = 0.001, 2.0
    codes = [(await world.github("pull_request", pull_request(), delivery=f"d-{n}"))[0] for n in range(3)]
    assert codes == [202, 202, 429]
    assert (await world.jenkins(build()))[0] == 202


async def test_deliveries_that_are_not_proved_use_up_nothing(world: World) -> None:
    world.rates._per_second, world.rates._burst = 0.001, 1.0
    for number in range(3):
        await world.github("pull_request", pull_request(), delivery=f"d-{number}", secret="another-secret")
    assert (await world.github("pull_request", pull_request()))[0] == 202


async def test_a_rotated_secret_proves_the_next_delivery_and_the_old_one_none(world: World) -> None:
    assert (await world.github("pull_request", pull_request(), delivery="d-1"))[0] == 202
    world.cluster.put_secret("github-token", {"token": "t-1", SECRET_KEY: "a-new-secret"})
    assert (await world.github("pull_request", pull_request(), delivery="d-2", secret="a-new-secret"))[0] == 202
    assert (await world.github("pull_request", pull_request(), delivery="d-3"))[0] == 401


async def test_while_a_secret_is_rotated_both_prove_a_delivery(world: World) -> None:
    world.cluster.put_secret("github-token", {"token": "t-1", SECRET_KEY: f"{SECRET}\n a-new-secret \n"})
    for delivery, secret in (("d-1", SECRET), ("d-2", "a-new-secret")):
        assert (await world.github("pull_request", pull_request(), delivery=delivery, secret=secret))[0] == 202
    assert (await world.github("pull_request", pull_request(), delivery="d-3", secret="another"))[0] == 401


async def test_a_burst_reads_the_secret_once(world: World) -> None:
    for number in range(5):
        await world.github("pull_request", pull_request(), delivery=f"d-{number}")
    assert world.cluster.reads == 1


async def test_an_api_server_that_is_away_is_no_wrong_signature(world: World) -> None:
    world.cluster.away = ApiUnavailable("no answer", status=503)
    assert (await world.github("pull_request", pull_request()))[0] == 503


async def test_an_api_server_that_hangs_holds_up_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ANSWER_SECONDS", 0.05)
    world.cluster.hangs = True
    assert (await world.github("pull_request", pull_request()))[0] == 503


async def test_a_body_that_does_not_arrive_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "READ_SECONDS", 0.05)
    never = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    assert (await world.post(WEBHOOK, slowly()))[0] == 408


async def test_a_sender_that_goes_away_within_its_body_is_counted_and_no_defect(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    head = f"POST {WEBHOOK} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    writer.write(head.encode())
    await writer.drain()
    await until(lambda: bool(world.places._at_work))
    writer.close()

    def cut_short() -> float | None:
        return world.registry.get_sample_value("pilotage_webhooks_total", {"sender": "github", "code": "400"})

    await until(lambda: cut_short() == 1, seconds=10)
    await asyncio.sleep(0)
    assert [one.getMessage() for one in caplog.records if one.name == "aiohttp.server"] == []


async def test_a_namespace_with_too_many_deliveries_at_work_is_asked_to_wait_and_others_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.places, "_each", 1)
    world.apply(repository("web", namespace="other"))
    world.apply(provider_at("github") | {"metadata": {"name": "github", "namespace": "other"}})
    world.cluster.put_secret("github-token", {SECRET_KEY: SECRET}, namespace="other")
    arrived, released = asyncio.Event(), asyncio.Event()
    body = json.dumps(pull_request()).encode()

    async def held() -> AsyncIterator[bytes]:
        yield body[:1]
        arrived.set()
        await released.wait()
        yield body[1:]

    first = asyncio.create_task(world.post(WEBHOOK, held(), github_headers(body)))
    await arrived.wait()
    await until(lambda: bool(world.places._at_work), seconds=10)
    assert (await world.github("pull_request", pull_request(), delivery="d-2"))[0] == 429
    assert (await world.github("pull_request", pull_request(), path="/hooks/other/GitRepository/web"))[0] == 202
    released.set()
    assert (await first)[0] == 202
    await until(lambda: not world.places._at_work, seconds=10)


async def test_before_everything_was_listed_no_address_is_called_wrong(world: World) -> None:
    world.ready = False
    assert (await world.github("pull_request", pull_request()))[0] == 503


async def test_every_answer_is_counted_by_sender_and_code(world: World) -> None:
    await world.github("pull_request", pull_request())
    await world.github("pull_request", pull_request(), secret="another-secret")
    await world.github("pull_request", pull_request(), path="/hooks/shop/GitRepository/unknown")
    found = {
        (sample.labels["sender"], sample.labels["code"]): sample.value
        for metric in world.registry.collect()
        for sample in metric.samples
        if sample.name == "pilotage_webhooks_total"
    }
    assert found == {("github", "202"): 1, ("github", "401"): 1, ("", "401"): 1}


async def test_a_finished_build_pokes_the_tracker_whose_test_waits_for_it(world: World) -> None:
    world.apply(tracker(412, status=waiting_for_run()))
    world.apply(
        tracker(413, status=waiting_for_run(key="f" * 32, url="https://ci.example.com/job/web/job/integration/8/"))
    )
    await world.jenkins(build(key=""))
    await poked(world, 1)
    await world.jenkins(build(url="https://internal/job/web/job/integration/7/"))
    await poked(world, 2)
    assert world.poked == [TRACKER] * 2


@pytest.mark.parametrize("phase", ["QUEUED", "STARTED"])
async def test_a_build_that_has_not_ended_pokes_nothing(world: World, phase: str) -> None:
    world.apply(tracker(412, status=waiting_for_run()))
    assert "nothing waits" in (await world.jenkins(build(phase=phase)))[1]


async def test_a_notification_of_argo_cd_pokes_the_places_that_deploy_the_application(world: World) -> None:
    headers = {"Authorization": "Bearer a-secret-of-webhooks"}
    path = "/hooks/shop/ArgoCDInstance/argocd"
    assert (await world.post(path, {"application": "api-dev"}, headers))[1] == "0 workflows will look"
    assert (await world.post(path, {"application": "web-dev", "project": "shop"}, headers))[0] == 202
    await poked(world, 2)
    place = Place(namespace="shop", environment="dev", repository="web")
    # What looks for drift at the instance looks as well.
    assert world.poked == [InstanceRef(namespace="shop", name="argocd", uid="uid-argocd"), place]


async def test_a_repository_of_another_namespace_is_reached_through_a_shared_provider_alone(world: World) -> None:
    world.apply(repository("web", namespace="other"))
    world.apply(tracker(412, namespace="other"))
    assert (await world.github("pull_request", pull_request()))[1] == "1 workflow will look"


def test_a_bucket_fills_again_and_is_forgotten_when_full() -> None:
    now = [0.0]
    rates = Rates(per_second=2.0, burst=2.0, kept=0, clock=lambda: now[0])
    hook = Hook(namespace="shop", kind="GitRepository", name="web")
    assert [rates.take(hook) for _ in range(3)] == [0, 0, 1]
    now[0] = 0.5
    assert [rates.take(hook) for _ in range(2)] == [0, 1]
    now[0] = 2.0
    assert rates.take(Hook(namespace="shop", kind="GitRepository", name="api")) == 0
    assert hook not in rates._left
