"""The Argo CD adapter against what a real Argo CD 3.5.7 answered."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from providers.application_models import ApplicationRef, ApplicationState, ApplicationTarget
from providers.argocd.applications import read_application
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.activities.fakes import application
from tests.providers.hosts import FakeHost, argocd

RECORDINGS = Path(__file__).parent.parent / "recordings" / "argocd-3.5.7.jsonl"
CASES: Mapping[str, dict[str, object]] = {
    row["case"]: row for row in map(json.loads, RECORDINGS.read_text(encoding="utf-8").splitlines())
}
DEV = ApplicationRef(project="default", name="web-dev")
PROD = ApplicationRef(project="default", name="web-prod")
FIRST = "464b3cef40c421bec74c2a9507ff042a8de66b2e"
SECOND = "e52c3dd740c72e055505754add9da89537366545"
FAILING = "e4231bda9f100325deffccb86df27fa5113df01a"


def part(case: str, name: str) -> dict[str, object]:
    found = CASES[case][name]
    assert isinstance(found, dict)
    return found


def replay(host: FakeHost, case: str) -> None:
    """Answer everything with one recorded answer."""
    response = part(case, "response")
    headers, body = response["headers"], response["body"]
    assert isinstance(headers, dict)
    content = body if isinstance(body, str) else json.dumps(body)
    host.always(httpx.Response(int(str(response["status"])), headers=headers, text=content))


async def read(host: FakeHost, case: str, ref: ApplicationRef = DEV) -> ApplicationState:
    replay(host, case)
    return await argocd(host.http()).get(ref)


async def written(host: FakeHost) -> ApplicationState:
    """Write a revision over the first one."""
    before = application("web-dev", target_revisions=(FIRST,))
    return await argocd(host.http()).write(DEV, ApplicationTarget(), before, SECOND)


def sent(host: FakeHost) -> dict[str, object]:
    request = host.requests[-1]
    return {
        "method": request.method,
        "path": request.url.raw_path.decode(),
        "content_type": request.headers.get("content-type"),
        "body": json.loads(request.content) if request.content else None,
    }


def recorded(case: str) -> dict[str, object]:
    request = part(case, "request")
    return {key: request[key] for key in ("method", "path", "content_type", "body")}


async def test_an_application_is_asked_for_as_recorded_and_read(host: FakeHost) -> None:
    state = await read(host, "get app with project")
    assert sent(host) == recorded("get app with project")
    assert (state.name, state.project, state.resource_version) == ("web-dev", "default", "661")
    assert state.target_revisions == (FIRST,)
    assert (state.sync_status, state.health) == ("OutOfSync", "Missing")
    assert state.repo_urls == ("http://gitea.example.com/peer/web.git",)
    assert state.url == "https://argocd.example.com/applications/argocd/web-dev"
    assert (state.operation_pending, state.phase, state.owner, state.auto_sync) == (False, "", "", False)


async def test_a_list_is_asked_for_as_recorded_and_no_match_is_empty(host: FakeHost) -> None:
    http = host.http()
    replay(host, "get app with project")
    await argocd(http).get(DEV)
    replay(host, "list by selector and project")
    assert await argocd(http).names("default", selector="env=dev") == ("web-dev",)
    asked = recorded("list by selector and project")
    assert sent(host) == {**asked, "path": f"{asked['path']}&fields=items.metadata.name%2Citems.metadata.namespace"}
    assert [state.name for state in await argocd(http).list("default")] == ["web-dev"]
    replay(host, "list, nothing matches")
    assert await argocd(host.http()).list("default") == ()


async def test_a_refresh_is_asked_for_as_recorded(host: FakeHost) -> None:
    replay(host, "refresh=normal blocks until refreshed")
    await argocd(host.http()).get(ApplicationRef(project="default", name="web-staging"), refresh=True)
    assert sent(host) == recorded("refresh=normal blocks until refreshed")


async def test_a_requested_operation_hides_the_result_of_the_one_before(host: FakeHost) -> None:
    body = part("sync that will fail", "response")["body"]
    before = part("get after the failed sync", "response")["body"]
    assert isinstance(body, dict)
    assert isinstance(before, dict)
    body = json.loads(json.dumps(body))
    body["status"]["operationState"] = before["status"]["operationState"]
    state = read_application(body, "https://argocd.example.com")
    assert state.operation_pending
    assert (state.phase, state.finished_at, state.operation_message) == ("", None, "")
    assert (state.operation_key, state.operation_revisions) == ("k-4", (FAILING,))


async def test_a_sync_is_requested_as_recorded(host: FakeHost) -> None:
    replay(host, "sync that will fail")
    state = await argocd(host.http()).sync(PROD, revisions=[FAILING], key="k-4")
    assert sent(host) == recorded("sync that will fail")
    assert state.operation_pending
    assert state.operation_key == "k-4"


async def test_a_failed_sync_names_the_resource_that_failed(host: FakeHost) -> None:
    state = await read(host, "get after the failed sync", PROD)
    assert (state.phase, state.operation_key, state.operation_pending) == ("Failed", "k-4", False)
    assert state.operation_revisions == ()
    assert state.operation_synced_revisions == (FAILING,)
    assert state.operation_message.startswith(
        'ConfigMap no-such-namespace/bad: namespaces "no-such-namespace" not found'
    )
    assert "web-prod/web" not in state.operation_message
    assert state.finished_at == datetime(2026, 11, 21, 0, 52, 53, tzinfo=UTC)
    assert state.reconciled_at == state.finished_at


async def test_an_operation_that_could_not_run_gives_the_reason_within_bounds(host: FakeHost) -> None:
    state = await read(host, "get after the sync")
    assert state.phase == "Error"
    assert "ComparisonError" in state.operation_message
    assert len(state.operation_message) <= 500


async def test_a_synced_application_shows_what_was_deployed(host: FakeHost) -> None:
    state = await read(host, "refresh hard while a stream is open")
    assert (state.sync_status, state.health, state.phase) == ("Synced", "Healthy", "Succeeded")
    assert state.deployed_revisions == state.synced_revisions == state.operation_synced_revisions


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("get missing app, project given", ProviderNotFound),
        ("get missing app, no project", ProviderUnauthorized),
        ("get app with a project that it is not in", ProviderUnauthorized),
        ("get app, bad token", ProviderUnauthorized),
        ("get app, no token", ProviderUnauthorized),
        ("post sync without content type", ProviderRejected),
    ],
)
async def test_a_refused_read_is_known_by_its_status(host: FakeHost, case: str, kind: type[ProviderError]) -> None:
    with pytest.raises(kind) as caught:
        await read(host, case)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("sync again while one may run", ProviderConflict),
        ("sync a missing app", ProviderNotFound),
        ("sync to another revision while automated", ProviderRejected),
        ("delete app, not allowed by rbac", ProviderUnauthorized),
    ],
)
async def test_a_refused_sync_is_known_by_status_and_message(
    host: FakeHost, case: str, kind: type[ProviderError]
) -> None:
    replay(host, case)
    with pytest.raises(ProviderError) as caught:
        await argocd(host.http()).sync(DEV, revisions=[FIRST], key="k")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("json patch with a test that fails", ProviderConflict),
        ("patch, malformed", ProviderRejected),
        ("patch, wrong project", ProviderUnauthorized),
    ],
)
async def test_a_lost_compare_and_set_is_distinguished_from_an_outage(
    host: FakeHost, case: str, kind: type[ProviderError]
) -> None:
    replay(host, case)
    with pytest.raises(ProviderError) as caught:
        await written(host)
    assert type(caught.value) is kind
    host.always(httpx.Response(500, json={"error": "rpc error: code = Unavailable desc = connection refused"}))
    with pytest.raises(ProviderUnavailable):
        await written(host)


async def test_a_patch_is_sent_as_recorded(host: FakeHost) -> None:
    case = "json patch with a test that holds"
    replay(host, case)
    await written(host)
    assert sent(host) == recorded(case)


async def test_a_recorded_stream_is_read_event_by_event(host: FakeHost) -> None:
    lines = CASES["stream of one application for 8 s"]["lines"]
    assert isinstance(lines, list)
    events = [line for line in lines if "application" in line]
    host.always(httpx.Response(200, text="".join(json.dumps({"result": event}) + "\n" for event in events)))
    states = [state async for state in argocd(host.http()).stream(DEV)]
    assert [state.name for state in states] == ["web-dev"] * len(events)
    assert len(states) >= 2
