"""Argo CD beyond the recordings: owners, sources, streams, namespaces."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from deploy.local.sandbox.argocd_http import select_fields
from providers.application_models import ApplicationRef, ApplicationState, HelmParameter
from providers.argocd.applications import read_application
from providers.bodies import BODY_LIMIT_BYTES
from providers.errors import (
    ProviderBlocked,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.providers.hosts import TOKEN, FakeHost, answer, argocd

REF = ApplicationRef(project="shop", name="web")


def application(**changes: object) -> dict[str, object]:
    source = {"repoURL": "https://github.example.com/acme/web.git", "targetRevision": "abc"}
    return {
        "metadata": {"name": "web", "namespace": "argocd", "resourceVersion": "1"},
        "spec": {"project": "shop", "source": source},
        **changes,
    }


def read(**changes: object) -> ApplicationState:
    return read_application(application(**changes), "https://argocd.example.com/")


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({"ownerReferences": [{"kind": "ApplicationSet", "name": "web"}]}, "ApplicationSet/web"),
        (
            {"ownerReferences": [{"kind": "X", "name": "x"}, {"kind": "ApplicationSet", "name": "s"}]},
            "ApplicationSet/s",
        ),
        ({"ownerReferences": [{"kind": "Fleet", "name": "x"}]}, "Fleet/x"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "apps:argoproj.io/Application:argocd/web"}},
            "Application/apps",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "team_apps:argoproj.io/Application:argocd/web"}},
            "Application/apps",
        ),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "apps:argoproj.io/Application:argocd/other"}}, ""),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "odd"}}, ""),
        # An ordinary label of what a Helm chart made.
        ({"labels": {"app.kubernetes.io/instance": "apps"}}, ""),
        ({"labels": {"argocd.argoproj.io/instance": "apps"}}, "Application/apps"),
        ({"labels": {"argocd.argoproj.io/instance": "web"}}, ""),
        ({}, ""),
    ],
)
def test_who_would_revert_a_write_is_found(metadata: dict[str, object], owner: str) -> None:
    assert read(metadata={"name": "web", **metadata}).owner == owner


def test_several_sources_have_several_revisions_parameters_and_images() -> None:
    spec = {
        "project": "shop",
        "source": {"targetRevision": "ignored"},
        "sources": [
            {"repoURL": "https://user:hunter2hunter2@x/a.git", "targetRevision": "a", "chart": "web"},
            {
                "name": "app",
                "path": "deploy",
                "targetRevision": "b",
                "kustomize": {"images": ["ghcr.io/acme/web:1"]},
                "helm": {"parameters": [{"name": "image.tag", "value": "1"}]},
            },
        ],
        "syncPolicy": {"automated": {"prune": True}},
    }
    status = {
        "sync": {"status": "Synced", "revisions": ["a", "b"]},
        "summary": {"images": ["ghcr.io/acme/web:1"]},
        "history": [{"revisions": ["x", "y"]}, {"revisions": ["a", "b"]}],
        "conditions": [
            {"type": "SharedResourceWarning", "message": "shared"},
            {"type": "ComparisonError", "message": f"failed with Bearer {TOKEN}"},
        ],
    }
    state = read(spec=spec, status=status)
    assert state.target_revisions == ("a", "b")
    assert state.synced_revisions == state.deployed_revisions == ("a", "b")
    assert state.repo_urls[0] == "https://***@x/a.git"
    assert state.kustomize_images == state.images == ("ghcr.io/acme/web:1",)
    pointer = "/spec/sources/1/helm/parameters/0"
    assert state.helm_parameters == (HelmParameter(name="image.tag", value="1", pointer=pointer),)
    assert (state.source_names, state.source_dirs, state.source_charts) == (("", "app"), ("", "deploy"), ("web", ""))
    assert state.auto_prune
    assert state.auto_sync
    assert state.errors == ("ComparisonError: failed with Bearer ***",)


@pytest.mark.parametrize(
    ("policy", "automated"),
    [(None, False), ({}, False), ({"automated": None}, False), ({"automated": {"enabled": False}}, False),
     ({"automated": {}}, True), ({"automated": {"enabled": True}}, True)],
)  # fmt: skip
def test_auto_sync_is_on_unless_absent_or_disabled(policy: object, automated: bool) -> None:
    assert read(spec={"project": "shop", "syncPolicy": policy}).auto_sync is automated


def test_an_operation_without_a_revision_goes_to_what_the_spec_wants() -> None:
    state = read(operation={"sync": {}, "info": None})
    assert (state.operation_pending, state.operation_revisions, state.operation_key) == (True, ("abc",), "")


@pytest.mark.parametrize("phase", ["Running", "Terminating"])
def test_a_running_operation_shows_where_it_goes(phase: str) -> None:
    operation = {"sync": {"revision": "def"}, "info": [{"name": "promotion-key", "value": "k"}]}
    state = read(operation=operation, status={"operationState": {"phase": phase, "operation": operation}})
    assert (state.phase, state.operation_revisions, state.operation_key) == (phase, ("def",), "k")


async def test_an_application_in_another_namespace_is_named_with_it(host: FakeHost) -> None:
    host.always(answer(application()))
    deployments = argocd(host.http())
    ref = ApplicationRef(project="shop", name="team-a/web")
    await deployments.get(ref)
    await deployments.sync(ref, revisions=["a", "b"], key="k")
    assert host.paths()[0] == "GET /api/v1/applications/web?project=shop&appNamespace=team-a"
    assert host.body() == {
        "name": "web",
        "project": "shop",
        "appNamespace": "team-a",
        "infos": [{"name": "promotion-key", "value": "k"}],
        "revisions": ["a", "b"],
        "sourcePositions": ["1", "2"],
    }
    host.always(answer({"result": {"type": "ADDED", "application": application()}}))
    assert [state.name async for state in deployments.stream(ref)] == ["team-a/web"]
    assert host.paths()[-1].endswith("/stream/applications?name=web&projects=shop&appNamespace=team-a")


LIST = r"/api/v1/applications\?projects=shop.*"


def placed(*places: str) -> httpx.Response:
    """Answer with applications at `namespace/name`."""
    metadata = [{"namespace": place.partition("/")[0], "name": place.partition("/")[2]} for place in places]
    return answer({"items": [application(metadata=one) for one in metadata]})


def control_plane(host: FakeHost, namespace: str, *names: str) -> None:
    """Let reads without a namespace know these applications only."""
    for name in names:
        found = answer(application(metadata={"name": name, "namespace": namespace}))
        host.on("GET", rf"/api/v1/applications/{name}\?project=shop", found)


async def test_listed_applications_are_named_as_they_are_read(host: FakeHost) -> None:
    host.on("GET", LIST, placed("argocd/web", "team-a/web", "team-b/web"))
    control_plane(host, "argocd", "web")
    listed = await argocd(host.http()).list("shop")
    assert [state.name for state in listed] == ["team-a/web", "team-b/web", "web"]
    assert len(host.requests) == 2


async def test_the_namespace_of_the_control_plane_is_asked_for_once_and_by_the_usual_name_first(host: FakeHost) -> None:
    host.on("GET", LIST, placed("a/one", "argocd/web", "b/two"))
    control_plane(host, "argocd", "web")
    http = host.http()
    for _ in range(3):
        await argocd(http).list("shop")
    assert sum("/applications/" in path for path in host.paths()) == 1


async def test_a_namespace_that_proved_to_be_another_one_is_asked_no_more(host: FakeHost) -> None:
    host.on("GET", LIST, placed("a/one", "b/two"))
    http = host.http()
    for _ in range(3):
        assert [state.name for state in await argocd(http).list("shop")] == ["a/one", "b/two"]
    assert sum("/applications/" in path for path in host.paths()) == 2


async def test_any_read_without_a_namespace_shows_where_the_control_plane_is(host: FakeHost) -> None:
    host.on("GET", LIST, placed("cd/web", "argocd/web"))
    control_plane(host, "cd", "web")
    http = host.http()
    await argocd(http).get(REF)
    assert [state.name for state in await argocd(http).list("shop")] == ["argocd/web", "web"]
    assert len(host.requests) == 2


@pytest.mark.parametrize("status", [403, 404])
async def test_an_application_that_cannot_be_read_by_its_bare_name_is_elsewhere(host: FakeHost, status: int) -> None:
    host.on("GET", LIST, placed("team-a/web", "team-a/api", "team-b/web"))
    host.on("GET", "/api/v1/applications/web.*", answer({"message": "no"}, status))
    listed = await argocd(host.http()).names("shop", selector="app=web")
    assert list(listed) == ["team-a/api", "team-a/web", "team-b/web"]
    # The one name names both namespaces.
    assert len(host.requests) == 2


@pytest.mark.parametrize(("status", "kind"), [(401, ProviderUnauthorized), (503, ProviderUnavailable)])
async def test_an_outage_is_not_taken_for_an_application_that_is_elsewhere(
    host: FakeHost, status: int, kind: type[ProviderError]
) -> None:
    host.on("GET", LIST, placed("argocd/web"))
    host.on("GET", "/api/v1/applications/web.*", answer({"message": "no"}, status))
    with pytest.raises(kind):
        await argocd(host.http()).list("shop")


NAMES = r"/api/v1/applications\?projects=shop&fields=items.metadata.name%2Citems.metadata.namespace"


@pytest.mark.parametrize(("wanted", "favoured"), [(5, False), (224, False), (225, True), (900, True)])
async def test_a_list_is_favoured_where_it_holds_little_else_than_what_is_wanted(
    host: FakeHost, wanted: int, favoured: bool
) -> None:
    items = [{"metadata": {"name": f"web-{number}", "namespace": "argocd"}} for number in range(900)]
    host.on("GET", NAMES, answer({"items": items}))
    control_plane(host, "argocd", "web-0")
    http = host.http()
    for _ in range(2):
        assert await argocd(http).favours_list("shop", wanted) is favoured
    # The size is asked for once, and where the control plane is.
    assert len(host.requests) == 2


async def test_a_list_that_proved_to_be_too_large_is_favoured_no_more(host: FakeHost) -> None:
    host.on("GET", NAMES, answer({"items": [{"metadata": {"name": "web"}}]}))
    host.on("GET", r"/api/v1/applications\?projects=shop", answer({"items": ["x" * BODY_LIMIT_BYTES]}))
    http = host.http()
    assert await argocd(http).favours_list("shop", 5)
    with pytest.raises(ProviderMalformed):
        await argocd(http).list("shop")
    assert not await argocd(http).favours_list("shop", 5)


LARGE_BYTES = 18_000


def large_project(**changed: object) -> list[dict[str, Any]]:
    """Return 900 applications whose lists of resources make them large; `changed` is of the first one's status."""
    found = []
    for number in range(900):
        status: dict[str, Any] = {"sync": {"status": "Synced", "revision": "a" * 40}, "health": {"status": "Healthy"}}
        status |= {"resources": [{"name": "x" * LARGE_BYTES}], "summary": {"images": ["web:1", "proxy:2"]}}
        status |= {"operationState": {"phase": "Succeeded", "finishedAt": "2026-01-01T12:00:00Z"}}
        metadata = {"name": f"web-{number}", "namespace": "argocd"}
        found.append({"metadata": metadata, "spec": {}, "status": status | (changed if number == 0 else {})})
    return found


async def fingerprints(**changed: object) -> Mapping[str, str]:
    """Ask a server that knows the fields that it is asked for."""
    host = FakeHost()

    def listed(request: httpx.Request) -> httpx.Response:
        return answer({"items": [select_fields(one, request.url.params["fields"]) for one in large_project(**changed)]})

    host.on("GET", r"/api/v1/applications\?.*projects=shop.*", listed)
    control_plane(host, "argocd", "web-0")
    return await argocd(host.http()).fingerprints("shop")


async def test_of_a_project_too_large_to_be_listed_each_application_shows_whether_it_changed() -> None:
    assert len(json.dumps(large_project())) > BODY_LIMIT_BYTES
    before = await fingerprints()
    assert len(before) == 900
    for changed in (
        {"sync": {"status": "OutOfSync"}},
        {"health": {"status": "Degraded"}},
        {"summary": {"images": ["web:2"]}},
        {"operationState": {"phase": "Succeeded", "finishedAt": "2026-01-01T13:00:00Z"}},
    ):
        now = await fingerprints(**changed)
        assert [name for name, digest in now.items() if digest != before[name]] == ["web-0"]
    assert await fingerprints(summary={"images": ["proxy:2", "web:1"]}) == before


async def test_a_sync_without_a_revision_takes_what_the_spec_wants(host: FakeHost) -> None:
    host.always(answer(application()))
    await argocd(host.http()).sync(REF, revisions=[], key="k")
    assert host.body() == {"name": "web", "project": "shop", "infos": [{"name": "promotion-key", "value": "k"}]}


async def test_a_sync_window_is_waited_for(host: FakeHost) -> None:
    host.always(answer({"message": "cannot sync: blocked by sync window"}, 403))
    with pytest.raises(ProviderBlocked, match="sync window"):
        await argocd(host.http()).sync(REF, revisions=[], key="k")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"result": {"type": "DELETED", "application": {}}}, ProviderNotFound),
        ({"error": {"grpc_code": 5, "message": "not found"}}, ProviderNotFound),
        ({"error": {"code": 14, "message": f"went away with Bearer {TOKEN}"}}, ProviderUnavailable),
        ({"error": {"message": "?"}}, ProviderUnavailable),
        ({"result": {"type": "MODIFIED"}}, ProviderMalformed),
    ],
)
async def test_a_stream_that_ends_badly_reports_it(host: FakeHost, line: object, kind: type[ProviderError]) -> None:
    added = {"result": {"type": "ADDED", "application": application()}}
    host.always(httpx.Response(200, text=f"{json.dumps(added)}\n\n{json.dumps(line)}\n"))
    stream = argocd(host.http()).stream(REF)
    assert (await anext(stream)).name == "web"
    with pytest.raises(kind) as caught:
        await anext(stream)
    assert TOKEN not in str(caught.value)


async def test_a_stream_in_the_form_of_events_is_read_as_well(host: FakeHost) -> None:
    added = {"result": {"type": "ADDED", "application": application()}}
    host.always(httpx.Response(200, text=f"data: {json.dumps(added)}\n\n"))
    assert [state.name async for state in argocd(host.http()).stream(REF)] == ["web"]


async def test_check_reads_the_version_and_proves_the_token(host: FakeHost) -> None:
    host.on("GET", "/api/version", answer({"Version": "v3.5.7"}))
    host.on("GET", r"/api/v1/applications\?name=.*", answer({"items": None}))
    assert await argocd(host.http()).check() == "v3.5.7"
    assert len(host.requests) == 2


def test_what_only_a_prune_would_bring_into_sync_is_named() -> None:
    left = {"kind": "ConfigMap", "namespace": "shop", "name": "web-1", "status": "OutOfSync", "requiresPruning": True}
    kept = {"kind": "ConfigMap", "namespace": "shop", "name": "web-2", "status": "Synced"}
    assert read(status={"resources": [left, kept]}).prunable == ("ConfigMap shop/web-1",)


def test_the_resources_that_are_not_healthy_are_named_worst_first() -> None:
    def resource(name: str, status: str, message: str = "") -> dict[str, object]:
        health = {"status": status, **({"message": message} if message else {})}
        return {"kind": "Deployment", "namespace": "shop", "name": name, "health": health}

    found = [resource("a", "Progressing"), resource("b", "Healthy"), resource("c", "Degraded", "no such image")]
    assert read(status={"resources": found}).ill == (
        "Deployment shop/c is Degraded: no such image",
        "Deployment shop/a is Progressing",
    )


def test_a_hook_that_runs_and_tries_again_are_shown_while_they_last() -> None:
    hook = {"kind": "Job", "namespace": "shop", "name": "migrate", "hookType": "PreSync", "hookPhase": "Running"}
    state = {"phase": "Running", "retryCount": 2, "message": "waiting", "syncResult": {"resources": [hook]}}
    message = read(status={"operationState": state}).operation_message
    assert message == "PreSync hook Job shop/migrate runs; waiting; retried 2 times"


def test_what_the_last_sync_brought_follows_its_source_and_not_its_place() -> None:
    first, second = {"repoURL": "https://x/a", "path": "a"}, {"repoURL": "https://x/b", "path": "b"}
    history = [{"revisions": ["1", "2"], "sources": [first, second]}]
    moved = read(spec={"sources": [second, first, {"repoURL": "https://x/c"}]}, status={"history": history})
    assert moved.deployed_revisions == ("2", "1", "")
    single = read(spec={"sources": [first, second]}, status={"history": [{"revision": "1", "source": first}]})
    assert single.deployed_revisions == ("", "")


def test_an_operation_is_of_the_spec_only_while_its_sources_are_the_same() -> None:
    source = {"repoURL": "https://github.example.com/acme/web.git", "targetRevision": "abc"}
    done = {
        "phase": "Failed",
        "operation": {"initiatedBy": {"automated": True}},
        "syncResult": {"revision": "abc", "source": source},
    }
    state = read(status={"operationState": done})
    assert (state.operation_of_spec, state.operation_automated) == (True, True)
    done["syncResult"] = {"revision": "abc", "source": {**source, "targetRevision": "main"}}
    assert not read(status={"operationState": done}).operation_of_spec


async def test_one_question_answers_for_all_of_a_project_whose_token_may_do_it_to_each(host: FakeHost) -> None:
    host.always(answer({"value": "yes"}))
    server = argocd(host.http())
    assert [await server.may(ref, "sync") for ref in (REF, replace(REF, name="api"), REF)] == [True] * 3
    assert [one.url.path for one in host.requests] == ["/api/v1/account/can-i/applications/sync/shop/*"]


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        (REF, "/api/v1/account/can-i/applications/update/shop/web"),
        (ApplicationRef(project="shop", name="team/web"), "/api/v1/account/can-i/applications/update/shop/team/web"),
    ],
)
async def test_a_narrower_right_is_asked_for_by_the_name_that_rbac_uses(
    host: FakeHost, ref: ApplicationRef, path: str
) -> None:
    host.on("GET", r"/api/v1/applications/web\?.*appNamespace=team", answer(application()))
    host.on("GET", r"/api/v1/applications/web\?project=shop", answer({"message": "not found"}, 404))
    host.on("GET", "/api/v1/account/.*", answer({"value": "no"}))
    assert await argocd(host.http()).may(ref, "update") is False
    assert host.requests[-1].url.path == path


async def test_a_right_to_one_application_counts_where_its_reference_names_the_control_planes_own_namespace(
    host: FakeHost,
) -> None:
    ref = ApplicationRef(project="shop", name="cd/web")
    host.on("GET", r"/api/v1/applications/web\?.*appNamespace=cd", answer(application()))
    control_plane(host, "cd", "web")
    for path, value in (("shop/web", "yes"), (r"shop/cd/web", "no"), (r"shop/\*", "no")):
        host.on("GET", f"/api/v1/account/can-i/applications/sync/{path}", answer({"value": value}))
    server = argocd(host.http())
    assert [await server.may(ref, "sync") for _ in range(2)] == [True, True]
    # Where the control plane is, is asked for once.
    assert sum("/api/v1/applications/web" in path for path in host.paths()) == 2


async def test_an_application_that_is_not_to_be_seen_shows_not_where_the_control_plane_is(host: FakeHost) -> None:
    ref, http = ApplicationRef(project="shop", name="argocd/gone"), host.http()
    host.on("GET", r"/api/v1/applications/gone.*", answer({"message": "not found"}, 404))
    host.on("GET", "/api/v1/account/.*", answer({"value": "no"}))
    assert await argocd(http).may(ref, "sync") is False
    host.on("GET", LIST, placed("argocd/web"))
    control_plane(host, "argocd", "web")
    assert [state.name for state in await argocd(http).list("shop")] == ["web"]


async def test_a_server_that_does_not_know_the_question_denies_nothing(host: FakeHost) -> None:
    host.always(answer({"message": "Not Found"}, 404))
    server = argocd(host.http())
    assert await server.may(REF, "sync") is None
    asked = len(host.requests)
    assert await server.may(REF, "sync") is None
    assert len(host.requests) == asked
