"""What the Argo CD recordings do not show: images, auto-sync, termination, branches, several sources, streams."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from deploy.local.sandbox import seed
from deploy.local.sandbox.argocd_http import selects
from deploy.local.sandbox.server import Sandbox

PROJECT = {"project": seed.PROJECT}


async def send(argocd: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return await argocd.request(
        method, f"applications/{path}", content=json.dumps({**PROJECT, **body}), headers=headers
    )


async def until(argocd: httpx.AsyncClient, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            application: dict[str, Any] = (await argocd.get(f"applications/{name}", params=PROJECT)).json()
            if holds(application):
                return application
            await asyncio.sleep(0.01)


def synced_to(revision: str) -> Callable[[dict[str, Any]], bool]:
    return lambda app: (
        app["status"]["sync"] | {"comparedTo": None}
        == {
            "status": "Synced",
            "revision": revision,
            "comparedTo": None,
        }
        and "operation" not in app
    )


def ended(app: dict[str, Any]) -> bool:
    return "operation" not in app and "finishedAt" in app["status"].get("operationState", {})


async def test_the_seed_has_dev_ahead_of_staging_and_prod(argocd: httpx.AsyncClient) -> None:
    items = (await argocd.get("applications", params={"projects": seed.PROJECT})).json()["items"]
    assert {item["metadata"]["name"]: item["status"]["sync"]["revision"] for item in items} == {
        "web-dev": seed.MERGE_SHA,
        "web-staging": seed.PREVIOUS_SHA,
        "web-prod": seed.PREVIOUS_SHA,
    }
    assert {item["status"]["health"]["status"] for item in items} == {"Healthy"}


async def test_patch_and_sync_bring_revision_and_image(argocd: httpx.AsyncClient) -> None:
    patch = json.dumps(
        {
            "spec": {
                "source": {
                    "targetRevision": seed.MERGE_SHA,
                    "kustomize": {"images": [f"{seed.IMAGE}:v412"]},
                }
            }
        }
    )
    assert (await send(argocd, "PATCH", "web-staging", {"patch": patch, "patchType": "merge"})).status_code == 200
    infos = [{"name": "promotion-key", "value": "k-1"}]
    accepted = await send(argocd, "POST", "web-staging/sync", {"revision": seed.MERGE_SHA, "infos": infos})
    assert accepted.json()["operation"]["info"] == infos
    assert "operationState" not in accepted.json()["status"]
    done = await until(argocd, "web-staging", synced_to(seed.MERGE_SHA))
    assert done["status"]["summary"]["images"] == [f"{seed.IMAGE}:v412"]
    assert done["status"]["operationState"]["operation"]["info"] == infos
    assert [entry["revision"] for entry in done["status"]["history"]] == [seed.PREVIOUS_SHA, seed.MERGE_SHA]


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ({"kustomize": {"images": ["shop/web=other/web:2"]}}, "other/web:2"),
        ({"kustomize": {"images": ["shop/web@sha256:ab"]}}, "shop/web@sha256:ab"),
        ({"helm": {"parameters": [{"name": "image.tag", "value": "3"}]}}, "shop/web:3"),
        ({"helm": {"parameters": [{"name": "web.image.tag", "value": "4"}]}}, "shop/web:4"),
        ({"helm": {"parameters": [{"name": "api.image.tag", "value": "4"}]}}, "shop/web:1"),
    ],
)
async def test_images_follow_what_the_sources_declare(
    world: Sandbox, argocd: httpx.AsyncClient, source: dict[str, Any], image: str
) -> None:
    world.state.load(
        {
            "argocd": {
                "apps": {
                    "shaped": {
                        **PROJECT,
                        "revision": seed.MERGE_SHA,
                        "images": ["shop/web:1"],
                        "source": {
                            "repoURL": seed.REPOSITORY_URL,
                            "path": "deploy",
                            "targetRevision": seed.MERGE_SHA,
                            **source,
                        },
                    }
                }
            }
        }
    )
    shaped = (await argocd.get("applications/shaped", params=PROJECT)).json()
    assert shaped["status"]["summary"]["images"] == [image]


async def test_an_image_written_to_a_config_repository_is_deployed(
    world: Sandbox, control: httpx.AsyncClient, argocd: httpx.AsyncClient
) -> None:
    first = "c" * 40
    tag = "images:\n- name: shop/web\n  newTag: '{}'\n"
    world.state.load(
        {
            "github": {
                "repos": {
                    "acme/config": {
                        "commits": [{"sha": first, "files": {"dev/kustomization.yaml": tag.format(1)}}],
                        "branches": {"main": first},
                    }
                }
            },
            "argocd": {
                "apps": {
                    "config-dev": {
                        **PROJECT,
                        "revision": first,
                        "images": ["shop/web:0"],
                        "automated": True,
                        "source": {
                            "repoURL": "https://github.example.com/acme/config",
                            "path": "dev",
                            "targetRevision": "main",
                        },
                    }
                }
            },
        }
    )
    written = await control.post(
        "/_github/commit",
        json={
            "repo": "acme/config",
            "branch": "main",
            "files": {"dev/kustomization.yaml": tag.format(2)},
        },
    )
    done = await until(argocd, "config-dev", synced_to(written.json()["sha"]))
    assert done["status"]["summary"]["images"] == ["shop/web:2"]
    elsewhere = await control.post(
        "/_github/commit", json={"repo": "acme/config", "branch": "main", "files": {"prod/x": "y"}}
    )
    unchanged = await until(argocd, "config-dev", synced_to(elsewhere.json()["sha"]))
    assert unchanged["status"]["history"] == done["status"]["history"]


async def test_a_terminated_operation_fails(world: Sandbox, argocd: httpx.AsyncClient) -> None:
    world.state.argocd.applications["web-prod"].sync_seconds = 600
    await send(argocd, "POST", "web-prod/sync", {"revision": seed.MERGE_SHA})
    await until(argocd, "web-prod", lambda app: app["status"].get("operationState", {}).get("phase") == "Running")
    headers = {"Content-Type": "application/json"}
    ended_by = await argocd.request("DELETE", "applications/web-prod/operation", params=PROJECT, headers=headers)
    assert (ended_by.status_code, ended_by.json()) == (200, {})
    stopped = await until(argocd, "web-prod", ended)
    assert (stopped["status"]["operationState"]["phase"], stopped["status"]["sync"]["revision"]) == (
        "Failed",
        seed.PREVIOUS_SHA,
    )


async def test_a_failing_revision_names_the_resource(argocd: httpx.AsyncClient) -> None:
    await send(argocd, "POST", "web-prod/sync", {"revision": seed.FAILING_SHA})
    failed = (await until(argocd, "web-prod", ended))["status"]["operationState"]
    assert failed["phase"] == "Failed"
    assert [resource["status"] for resource in failed["syncResult"]["resources"]] == ["Synced", "SyncFailed"]


async def test_a_name_that_is_no_revision_is_refused_at_once(argocd: httpx.AsyncClient) -> None:
    refused = await send(argocd, "POST", "web-prod/sync", {"revision": "no-such-branch"})
    assert (refused.status_code, refused.json()["code"]) == (400, 9)


async def test_health_can_be_set_and_lags_behind_an_operation(
    control: httpx.AsyncClient, argocd: httpx.AsyncClient
) -> None:
    await control.post("/_argocd/set", json={"app": "web-dev", "health": "Degraded"})
    assert (await argocd.get("applications/web-dev", params=PROJECT)).json()["status"]["health"]["status"] == "Degraded"
    await control.post("/_argocd/set", json={"app": "web-prod", "reconcile_seconds": 600})
    await send(argocd, "POST", "web-prod/sync", {"revision": seed.PREVIOUS_SHA})
    await control.post("/_argocd/set", json={"app": "web-prod", "out_of_sync": True})
    stale = await until(argocd, "web-prod", ended)
    assert (stale["status"]["operationState"]["phase"], stale["status"]["sync"]["status"]) == ("Succeeded", "OutOfSync")
    fresh = (await argocd.get("applications/web-prod", params={**PROJECT, "refresh": "normal"})).json()
    assert fresh["status"]["sync"]["status"] == "Synced"


async def test_somebody_elses_deployment_shows(control: httpx.AsyncClient, argocd: httpx.AsyncClient) -> None:
    deployed = await control.post(
        "/_argocd/deploy", json={"app": "web-dev", "revision": seed.HOTFIX_SHA, "images": ["a:1"]}
    )
    assert deployed.json() == {"sync": "Synced", "health": "Healthy"}
    status = (await argocd.get("applications/web-dev", params=PROJECT)).json()["status"]
    assert (status["sync"]["revision"], status["summary"]["images"]) == (seed.HOTFIX_SHA, ["a:1"])
    unknown = await control.post("/_argocd/deploy", json={"app": "web-dev", "revision": "f" * 40})
    assert unknown.status_code == 400


async def test_several_sources_are_synced_by_position(world: Sandbox, argocd: httpx.AsyncClient) -> None:
    source = {"repoURL": seed.REPOSITORY_URL, "path": "deploy", "targetRevision": seed.PREVIOUS_SHA}
    chart = {"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.2.3"}
    world.state.load(
        {
            "argocd": {
                "apps": {"double": {**PROJECT, "sources": [source, chart], "revisions": [seed.PREVIOUS_SHA, "1.2.3"]}}
            }
        }
    )
    patch = json.dumps([{"op": "replace", "path": "/spec/sources/0/targetRevision", "value": seed.MERGE_SHA}])
    assert (await send(argocd, "PATCH", "double", {"patch": patch, "patchType": "json"})).status_code == 200
    accepted = await send(argocd, "POST", "double/sync", {"revisions": [seed.MERGE_SHA], "sourcePositions": ["1"]})
    assert accepted.json()["operation"]["sync"]["revisions"] == [seed.MERGE_SHA, "1.2.3"]
    done = await until(argocd, "double", ended)
    assert done["status"]["operationState"]["syncResult"]["revisions"] == [seed.MERGE_SHA, "1.2.3"]
    wrong = await send(argocd, "POST", "double/sync", {"revisions": [seed.MERGE_SHA], "sourcePositions": ["3"]})
    assert wrong.status_code == 400


async def test_a_stream_shows_the_state_and_then_each_change(
    world: Sandbox, control: httpx.AsyncClient, argocd: httpx.AsyncClient
) -> None:
    async with argocd.stream(
        "GET", "stream/applications", params={"projects": seed.PROJECT, "selector": "env in (dev)"}
    ) as stream:
        lines = stream.aiter_lines()
        first = json.loads(await anext(lines))["result"]
        assert (first["type"], first["application"]["metadata"]["name"]) == ("ADDED", "web-dev")
        await control.post("/_argocd/set", json={"app": "web-prod", "health": "Degraded"})
        await control.post("/_argocd/set", json={"app": "web-dev", "health": "Degraded"})
        change = json.loads(await anext(lines))["result"]
        assert (change["type"], change["application"]["status"]["health"]["status"]) == ("MODIFIED", "Degraded")
    async with asyncio.timeout(60):
        while world.state.argocd.streams:  # noqa: ASYNC110 - the sandbox notices only by looking
            await asyncio.sleep(0.05)
    assert (await argocd.get("stream/applications", headers={"Authorization": "Bearer wrong"})).status_code == 401


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,env!=prod", True),
        ("env in (dev, test)", True),
        ("env notin (dev)", False),
        ("app", True),
        ("!app", False),
        ("team", False),
        ("app=web,env=prod", False),
    ],
)
def test_a_selector_selects_as_in_kubernetes(selector: str, matches: bool) -> None:
    assert selects(selector, {"app": "web", "env": "dev"}) is matches


def wanting(app: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], one["status"]) for one in app["status"]["resources"] if one.get("requiresPruning")]


async def a_renamed_manifest(world: Sandbox, control: httpx.AsyncClient, **app: Any) -> str:
    """Serve an application `renamed` whose next revision replaces web-1.yaml by web-2.yaml; return that revision."""
    first = "c" * 40
    source = {"repoURL": "https://github.example.com/acme/config", "path": "dev", "targetRevision": first}
    tree = {"dev/web-1.yaml": "a", "dev/kustomization.yaml": "{}"}
    config = {"commits": [{"sha": first, "files": tree}], "branches": {"main": first}}
    world.state.load(
        {
            "github": {"repos": {"acme/config": config}},
            "argocd": {"apps": {"renamed": {**PROJECT, "revision": first, "source": source, **app}}},
        }
    )
    files = {"dev/web-1.yaml": None, "dev/web-2.yaml": "a"}
    made = await control.post("/_github/commit", json={"repo": "acme/config", "branch": "main", "files": files})
    return str(made.json()["sha"])


async def test_a_sync_without_prune_succeeds_and_leaves_it_out_of_sync_for_good(
    world: Sandbox, control: httpx.AsyncClient, argocd: httpx.AsyncClient
) -> None:
    revision = await a_renamed_manifest(world, control)
    patch = json.dumps({"spec": {"source": {"targetRevision": revision}}})
    await send(argocd, "PATCH", "renamed", {"patch": patch, "patchType": "merge"})
    await send(argocd, "POST", "renamed/sync", {"revision": revision})
    left = await until(argocd, "renamed", lambda app: bool(wanting(app)))
    assert wanting(left) == [("web-1", "OutOfSync")]
    assert left["status"]["sync"]["status"] == "OutOfSync"
    state = left["status"]["operationState"]
    assert (state["phase"], state["syncResult"]["resources"][-1]["status"]) == ("Succeeded", "PruneSkipped")
    await send(argocd, "POST", "renamed/sync", {"revision": revision, "prune": True})
    done = await until(argocd, "renamed", synced_to(revision))
    assert wanting(done) == []
    assert done["status"]["operationState"]["syncResult"]["resources"][-1]["status"] == "Pruned"


@pytest.mark.parametrize(("prune", "status"), [(True, "Synced"), (False, "OutOfSync")])
async def test_auto_sync_prunes_only_where_its_policy_allows_it(
    world: Sandbox, control: httpx.AsyncClient, argocd: httpx.AsyncClient, prune: bool, status: str
) -> None:
    policy = {"syncPolicy": {"automated": {"prune": prune}}}
    revision = await a_renamed_manifest(world, control, spec=policy)
    patch = json.dumps({"spec": {"source": {"targetRevision": revision}}})
    await send(argocd, "PATCH", "renamed", {"patch": patch, "patchType": "merge"})
    await until(argocd, "renamed", lambda app: ended(app) and len(app["status"]["history"]) == 2)
    seen = (await argocd.get("applications/renamed", params={**PROJECT, "refresh": "normal"})).json()["status"]
    assert seen["sync"]["status"] == status
    assert seen["operationState"]["operation"]["initiatedBy"] == {"automated": True}
    assert len(seen["history"]) == 2


async def test_a_scaled_down_application_lists_no_image_and_a_finished_job_lists_another(
    control: httpx.AsyncClient, argocd: httpx.AsyncClient
) -> None:
    async def images(**change: Any) -> list[str]:
        await control.post("/_argocd/set", json={"app": "web-dev", **change})
        status = (await argocd.get("applications/web-dev", params=PROJECT)).json()["status"]
        assert status["sync"]["status"] == "Synced"
        found: list[str] = status["summary"].get("images", [])
        return found

    before = await images()
    assert await images(other_images=["shop/web:job"]) == sorted([*before, "shop/web:job"])
    assert await images(other_images=[], scaled_to_zero=True) == []
    assert await images(scaled_to_zero=False) == before


DENY = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "active": True}


@pytest.mark.parametrize(
    ("windows", "status"),
    [
        ([], 200),
        ([DENY], 403),
        ([{**DENY, "manualSync": True}], 200),
        ([{**DENY, "active": False}], 200),
        ([{"kind": "allow", "schedule": "0 6 * * *", "duration": "1h", "active": False}], 403),
        ([{"kind": "allow", "schedule": "0 6 * * *", "duration": "1h", "active": True}], 200),
    ],
)
async def test_a_sync_window_refuses_a_sync_and_is_named(
    control: httpx.AsyncClient, argocd: httpx.AsyncClient, windows: list[dict[str, Any]], status: int
) -> None:
    await control.post("/_argocd/set", json={"app": "web-prod", "sync_windows": windows})
    refused = await send(argocd, "POST", "web-prod/sync", {"revision": seed.PREVIOUS_SHA})
    assert refused.status_code == status
    shown = (await argocd.get("applications/web-prod/syncwindows", params=PROJECT)).json()
    assert shown["canSync"] is (status == 200)
    assert [one["schedule"] for one in shown.get("assignedWindows", [])] == [one["schedule"] for one in windows]


async def test_rights_can_be_asked_for(world: Sandbox, argocd: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    world.state.load({"argocd": {"tokens": {"reader": {"subject": "reader", "projects": {seed.PROJECT: ["get"]}}}}})
    reader = {"Authorization": "Bearer reader"}
    for verb, answer in (("get", "yes"), ("update", "no"), ("sync", "no")):
        path = f"/argocd/api/v1/account/can-i/applications/{verb}/{seed.PROJECT}/web-prod"
        assert (await control.get(path, headers=reader)).json() == {"value": answer}
    own = await argocd.get(f"account/can-i/applications/update/{seed.PROJECT}/*")
    assert own.json() == {"value": "yes"}


async def test_a_session_gives_a_token(world: Sandbox, control: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    made = await control.post(
        "/argocd/api/v1/session",
        content=b'{"username": "admin", "password": "sandbox-argocd-password"}',
        headers=headers,
    )
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await control.get("/argocd/api/v1/session/userinfo", headers=token)).json()["username"] == "admin"
    wrong = await control.post(
        "/argocd/api/v1/session", content=b'{"username": "admin", "password": "x"}', headers=headers
    )
    assert (wrong.status_code, wrong.json()["code"]) == (401, 16)
    assert "sandbox-argocd-password" not in world.state.journal.lines()
