"""HTTP face of the Argo CD stand-in: reading, patching and syncing applications."""

import copy
import json
import re
import secrets
from typing import Any

from aiohttp import web

from deploy.local.sandbox.argocd_http import (
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    PERMISSION_DENIED,
    UNAUTHENTICATED,
    UNKNOWN,
    Call,
    endpoint,
    refused,
    select_fields,
    selects,
)
from deploy.local.sandbox.argocd_patch import PatchError, apply_patch
from deploy.local.sandbox.argocd_state import Account, Application
from deploy.local.sandbox.argocd_stream import stream_applications
from deploy.local.sandbox.argocd_windows import can_sync, shown
from deploy.local.sandbox.replies import Json, Reply

_VERSION = "v3.5.7+sandbox"
_FULL_SHA = re.compile(r"[0-9a-f]{40}")
# What the API server takes over from a patched object; status and operation belong to the controller.
_PATCHED_METADATA = ("labels", "annotations", "finalizers")


def add_routes(app: web.Application) -> None:
    router, api = app.router, "/argocd/api/v1"
    one = f"{api}/applications/{{name}}"
    router.add_get("/argocd/api/version", endpoint(read_version, anonymous=True))
    router.add_post(f"{api}/session", endpoint(create_session, anonymous=True))
    router.add_get(f"{api}/session/userinfo", endpoint(read_user))
    router.add_get(f"{api}/account/can-i/{{resource}}/{{action}}/{{object:.+}}", endpoint(can_i))
    router.add_get(f"{api}/stream/applications", stream_applications)
    router.add_get(f"{api}/applications", endpoint(list_applications))
    router.add_get(one, endpoint(read_application))
    router.add_patch(one, endpoint(patch_application))
    router.add_delete(one, endpoint(delete_application))
    router.add_put(f"{one}/spec", endpoint(replace_spec))
    router.add_post(f"{one}/sync", endpoint(sync_application))
    router.add_post(f"{one}/rollback", endpoint(roll_back_application))
    router.add_delete(f"{one}/operation", endpoint(terminate_operation))
    router.add_get(f"{one}/resource-tree", endpoint(read_resource_tree))
    router.add_get(f"{one}/syncwindows", endpoint(read_sync_windows))
    router.add_get(f"{one}/events", endpoint(list_events))
    router.add_get(f"{one}/revisions/{{revision}}/metadata", endpoint(read_revision))


async def read_version(call: Call) -> Reply:
    return Reply(
        body={
            "Version": _VERSION,
            "BuildDate": "1970-01-01T00:00:00Z",
            "GoVersion": "go1.26",
            "Compiler": "gc",
            "KustomizeVersion": "",
            "HelmVersion": "",
            "JsonnetVersion": "v0.22.0",
            "Platform": "linux/amd64",
        }
    )


async def create_session(call: Call) -> Reply:
    name, password = call.body.get("username"), call.body.get("password")
    if not name or call.state.users.get(name) != password:
        raise refused(UNAUTHENTICATED, "Invalid username or password")
    token = secrets.token_urlsafe(48)
    call.state.tokens[token] = Account(subject=name, projects={"*": ["*"]}, issued_at=call.state.clock.now())
    call.sandbox.journal.hide([token])
    return Reply(body={"token": token})


async def read_user(call: Call) -> Reply:
    return Reply(body={"loggedIn": True, "username": call.account.subject, "iss": "argocd"})


async def list_applications(call: Call) -> Reply:
    query = call.request.query
    projects = {*query.getall("projects", []), *query.getall("project", [])} - {""}
    found = [
        application.body
        for application in call.state.applications.values()
        if call.account.may("get", application.project)
        and (not projects or application.project in projects)
        and query.get("name") in (None, "", application.name)
        # Without a namespace all of them are listed, although a read takes the control plane's.
        and query.get("appNamespace") in (None, "", application.namespace)
        and selects(query.get("selector", ""), application.body["metadata"]["labels"])
    ]
    if wanted := query.get("fields"):
        found = [select_fields(body, wanted) for body in found]
    # A Go nil slice: the real server answers null where nothing matches.
    return Reply(body={"metadata": {"resourceVersion": str(call.state.resource_version)}, "items": found or None})


async def read_application(call: Call) -> Reply:
    application = call.application("get")
    kind = call.request.query.get("refresh")
    if kind:
        await call.controller.refresh(application, "hard" if kind == "hard" else "normal")
    return Reply(body=application.body)


async def patch_application(call: Call) -> Reply:
    application = call.application("update")
    try:
        patched = apply_patch(
            application.body, str(call.body.get("patch", "")), str(call.body.get("patchType") or "json")
        )
    except PatchError as error:
        raise refused(UNKNOWN, str(error)) from None
    _replace_spec(call, application, patched.get("spec"))
    for name in _PATCHED_METADATA:
        if name in patched.get("metadata", {}):
            application.body["metadata"][name] = patched["metadata"][name]
    return _updated(call, application)


async def replace_spec(call: Call) -> Reply:
    application = call.application("update")
    _replace_spec(call, application, {name: value for name, value in call.body.items() if name != "name"})
    return Reply(body=_updated(call, application).body["spec"])


async def delete_application(call: Call) -> Reply:
    application = call.application("delete")
    call.state.changed(application, "DELETED")
    del call.state.applications[application.key]
    return Reply(body={})


async def sync_application(call: Call) -> Reply:
    """Accept a sync. A full sha is taken as given, also one that does not exist: the operation then ends in Error."""
    application, body = call.application("sync"), call.body
    if not can_sync(application.sync_windows, manual=True):
        raise refused(PERMISSION_DENIED, "cannot sync: blocked by sync window")
    wanted = _wanted_revisions(call, application)
    if application.automated and not body.get("dryRun"):
        for source, revision in zip(application.sources, wanted, strict=True):
            target = call.state.resolve(source)
            if target is not None and revision != target:
                set_to = source.get("targetRevision") or "HEAD"
                raise refused(FAILED_PRECONDITION, f"Cannot sync to {revision}: auto-sync currently set to {set_to}")
    sync: Json = {**application.by_revision(wanted), **application.by_source()}
    for sent, kept in (
        ("prune", "prune"),
        ("dryRun", "dryRun"),
        ("strategy", "syncStrategy"),
        ("resources", "resources"),
    ):
        if body.get(sent):
            sync[kept] = body[sent]
    if (body.get("syncOptions") or {}).get("items"):
        sync["syncOptions"] = body["syncOptions"]["items"]
    return _operate(call, application, sync, infos=body.get("infos"), retry=body.get("retryStrategy"))


async def roll_back_application(call: Call) -> Reply:
    application, number = call.application("sync"), call.body.get("id", 0)
    if application.automated:
        raise refused(FAILED_PRECONDITION, "rollback cannot be initiated when auto-sync is enabled")
    entry = next((entry for entry in application.status.get("history", []) if entry["id"] == number), None)
    if entry is None:
        raise refused(INVALID_ARGUMENT, f"application {application.name} does not have deployment with id {number}")
    kept = {
        name: copy.deepcopy(entry[name]) for name in ("revision", "revisions", "source", "sources") if name in entry
    }
    return _operate(call, application, {**kept, "syncStrategy": {"apply": {}}}, infos=None, retry=None)


async def terminate_operation(call: Call) -> Reply:
    application = call.application("sync")
    if "operation" not in application.body or "operationState" not in application.status:
        raise refused(INVALID_ARGUMENT, "Unable to terminate operation. No operation is in progress")
    call.controller.terminate(application)
    return Reply(body={})


async def read_resource_tree(call: Call) -> Reply:
    application = call.application("get")
    nodes: list[Json] = (
        [
            {
                **{name: resource[name] for name in ("version", "kind", "namespace", "name")},
                "uid": application.body["metadata"]["uid"],
                "resourceVersion": application.body["metadata"]["resourceVersion"],
                "createdAt": application.body["metadata"]["creationTimestamp"],
            }
            for resource in application.status["resources"]
        ]
        if application.live is not None
        else []
    )
    images = application.listed_images
    if images and nodes:
        nodes[0]["images"] = images
    return Reply(body={"nodes": nodes})


async def read_sync_windows(call: Call) -> Reply:
    return Reply(body=shown(call.application("get").sync_windows))


async def can_i(call: Call) -> Reply:
    """Answer whether the account may: a right on all of a project is one on `<project>/*` as well."""
    match = call.request.match_info
    project = match["object"].partition("/")[0]
    may = match["resource"] == "applications" and call.account.may(match["action"], project)
    return Reply(body={"value": "yes" if may else "no"})


async def list_events(call: Call) -> Reply:
    call.application("get")
    return Reply(body={"metadata": {}, "items": None})


async def read_revision(call: Call) -> Reply:
    application, sha = call.application("get"), call.request.match_info["revision"]
    repository = call.state.repository_of(application.sources[0])
    commit = repository.graph.commits.get(sha) if repository is not None else None
    if commit is None:
        raise refused(UNKNOWN, f"unable to resolve '{sha}' to a commit SHA")
    return Reply(body={"author": commit.author, "message": commit.message})


def _wanted_revisions(call: Call, application: Application) -> list[str]:
    """Work out a revision for each source. A name that resolves to nothing is refused; a full sha never is."""
    sources = application.sources
    names: list[str | None] = [None] * len(sources)
    if application.multi_source and call.body.get("revisions"):
        given, positions = call.body["revisions"], call.body.get("sourcePositions") or []
        if len(given) != len(positions):
            raise refused(INVALID_ARGUMENT, "source positions and revisions must have the same number of entries")
        for revision, position in zip(given, positions, strict=True):
            if not str(position).isdigit() or not 1 <= int(position) <= len(sources):
                raise refused(INVALID_ARGUMENT, f"source position is out of range: {position}")
            names[int(position) - 1] = revision
    elif call.body.get("revision"):
        names[0] = call.body["revision"]
    resolved = []
    for source, name in zip(sources, names, strict=True):
        target = str(name or source.get("targetRevision") or "HEAD")
        sha = target if _FULL_SHA.fullmatch(target) else call.state.resolve(source, name)
        if sha is None:
            raise refused(FAILED_PRECONDITION, f"unable to resolve '{target}' to a commit SHA")
        resolved.append(sha)
    return resolved


def _operate(call: Call, application: Application, sync: Json, *, infos: Any, retry: Any) -> Reply:
    if "operation" in application.body:
        raise refused(FAILED_PRECONDITION, "another operation is already in progress")
    operation: Json = {"sync": sync, "initiatedBy": {"username": call.account.subject}, "retry": retry or {}}
    if infos:
        operation["info"] = infos
    call.controller.start(application, operation)
    return Reply(body=application.body)


def _replace_spec(call: Call, application: Application, spec: Any) -> None:
    if not isinstance(spec, dict) or not (spec.get("source") or spec.get("sources")) or not spec.get("destination"):
        raise refused(
            INVALID_ARGUMENT,
            f"application spec for {application.name} is invalid: InvalidSpecError: "
            "spec.source.repoURL and either source.path or source.chart are required",
        )
    if spec != application.body["spec"]:
        application.body["metadata"]["generation"] += 1
    application.body["spec"] = spec


def _updated(call: Call, application: Application) -> Reply:
    """Answer with the object as stored, whose status is still that of the old spec; the controller compares later."""
    application.body["metadata"].setdefault("annotations", {})
    application.body["metadata"].setdefault("labels", {})
    call.state.changed(application)
    stored = json.loads(json.dumps(application.body))
    call.controller.compare_soon(application)
    return Reply(body=stored)
