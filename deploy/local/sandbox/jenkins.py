"""HTTP face of the Jenkins stand-in: triggers, queue, builds, cancelling, reports.

Source: Jenkins core (`hudson.model.Queue`, `ParameterizedJobMixIn`) and its "Remote access API" pages.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from deploy.local.sandbox.jenkins_state import Build, Cause, Job, QueueItem, User, asked_by
from deploy.local.sandbox.jenkins_tree import TreeSyntaxError, parse_tree, prune
from deploy.local.sandbox.jenkins_views import Views
from deploy.local.sandbox.replies import RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

_CRUMB_FIELD = "Jenkins-Crumb"
_SESSION_COOKIE = "JSESSIONID.sandbox"
_VERSION = "2.541"


def add_routes(app: web.Application) -> None:
    app.router.add_route("*", "/jenkins/{tail:.*}", handle)


def page(status: int, text: str) -> RefusedError:
    """Build an HTML error page, the form of nearly all Jenkins errors; the caller raises it."""
    body = f"<html><head><title>Error {status}</title></head><body><h2>HTTP ERROR {status} {text}</h2></body></html>"
    return RefusedError(Reply(status=status, body=body, content_type="text/html;charset=utf-8"))


async def handle(request: web.Request) -> web.StreamResponse:
    """Authenticate, find what the path names, act."""
    sandbox = request.app[STATE]
    try:
        user, with_password = _authenticate(request, sandbox)
        if request.method == "POST" and with_password:
            _check_crumb(request, user)
        visit = Visit(request, sandbox, user, await _fields(request))
        reply = visit.route([unquote(part) for part in request.rel_url.raw_path.split("/")[2:] if part])
    except RefusedError as refusal:
        reply = refusal.reply
    reply.headers["X-Jenkins"] = _VERSION
    return reply.response()


class Visit:
    """One authenticated request."""

    def __init__(self, request: web.Request, sandbox: SandboxState, user: User, fields: Mapping[str, str]) -> None:
        self.request = request
        self.state = sandbox.jenkins
        self.user = user
        self.fields = fields
        self.views = Views(self.state, f"{request.scheme}://{request.host}/jenkins")
        self.state.settle()

    def route(self, parts: list[str]) -> Reply:
        """Dispatch on the path below the context root."""
        match parts:
            case ["crumbIssuer", "api", "json"]:
                session = (
                    self.request.cookies.get(_SESSION_COOKIE)
                    or hashlib.sha256(self.user.name.encode()).hexdigest()[:32]
                )
                return Reply(
                    body={
                        "_class": "hudson.security.csrf.DefaultCrumbIssuer",
                        "crumb": _crumb(self.user, session),
                        "crumbRequestField": _CRUMB_FIELD,
                    },
                    headers={"Set-Cookie": f"{_SESSION_COOKIE}={session}; Path=/; HttpOnly"},
                )
            case ["api", "json"]:
                return self._json(self.views.root())
            case ["me", "api", "json"] | ["whoAmI", "api", "json"]:
                return self._json(
                    {
                        "_class": "hudson.model.User",
                        "id": self.user.name,
                        "name": self.user.name,
                        "anonymous": False,
                        "authenticated": True,
                    }
                )
            case ["queue", "api", "json"]:
                return self._json(self.views.queue())
            case ["queue", "item", number, "api", "json"]:
                return self._json(self.views.item(self._item(number)))
            case ["queue", "cancelItem"]:
                return self._cancel_item(self.fields.get("id", ""))
            case ["job", *_]:
                return self._job_route(parts)
            case _:
                raise page(404, "Not Found")

    def _job_route(self, parts: list[str]) -> Reply:
        names: list[str] = []
        while len(parts) >= 2 and parts[0] == "job":
            names.append(parts[1])
            parts = parts[2:]
        path = "/".join(names)
        job = self.state.jobs.get(path)
        if job is None or "read" not in self.user.permissions:
            if (
                job is None
                and parts == ["api", "json"]
                and any(name.startswith(f"{path}/") for name in self.state.jobs)
            ):
                return self._json(self.views.folder(path))
            raise page(404, "Not Found")
        match parts:
            case ["api", "json"]:
                return self._json(self.views.job(job, all_builds="allBuilds" in self.request.query.get("tree", "")))
            case ["buildWithParameters"]:
                return self._trigger(job, parameterized=True)
            case ["build"]:
                return self._trigger(job, parameterized=False)
            case [number, *rest]:
                return self._build_route(job, self._build(job, number), rest)
            case _:
                raise page(404, "Not Found")

    def _build_route(self, job: Job, build: Build, rest: list[str]) -> Reply:
        match rest:
            case ["api", "json"]:
                return self._json(self.views.build(job, build))
            case ["stop" | "term" | "kill"]:
                return self._stop(job, build)
            case ["rebuild"]:
                return self._repeat(job, build, "com.sonyericsson.rebuild.RebuildCause")
            case ["replay", "run"]:
                return self._repeat(job, build, "org.jenkinsci.plugins.workflow.cps.replay.ReplayCause")
            case ["testReport", "api", "json"]:
                if job.test_report is None or build.building(self.state.clock.now()):
                    raise page(404, "Not Found")
                return self._json({"_class": "hudson.tasks.junit.TestResult", **job.test_report})
            case ["consoleText"]:
                return Reply(body=f"Started by user {self.user.name}\n", content_type="text/plain;charset=utf-8")
            case _:
                raise page(404, "Not Found")

    def _trigger(self, job: Job, *, parameterized: bool) -> Reply:
        self._posted("build")
        if job.disabled:
            raise page(409, f"{job.path} is not buildable")
        if parameterized and not job.parameters:
            raise page(400, f"{job.path} is not parameterized")
        if not parameterized and job.parameters:
            raise page(400, "Nothing is submitted")
        parameters: dict[str, str] = {}
        for parameter in job.parameters.values():
            value = self.fields.get(parameter.name, parameter.choices[0] if parameter.choices else parameter.default)
            if parameter.choices and value not in parameter.choices:
                raise page(400, f"Illegal choice for parameter {parameter.name}: {value}")
            parameters[parameter.name] = value
        return self._queued(job, parameters, (asked_by(self.user.name),))

    def _repeat(self, job: Job, build: Build, kind: str) -> Reply:
        """Queue a build again with its parameters, as the plugins Rebuilder and Pipeline (Replay) do."""
        self._posted("build")
        name = kind.rpartition(".")[2].removesuffix("Cause")
        again = Cause(kind=kind, description=f"{name} of build #{build.number}")
        return self._queued(job, dict(build.parameters), (asked_by(self.user.name), again))

    def _queued(self, job: Job, parameters: dict[str, str], causes: tuple[Cause, ...]) -> Reply:
        item, is_new = self.state.trigger(job, parameters, causes)
        # Equal items are folded: the second request is pointed at the first one's item.
        return Reply(status=201 if is_new else 303, headers={"Location": self.views.item_url(item)}, took_effect=is_new)

    def _stop(self, job: Job, build: Build) -> Reply:
        self._posted("cancel")
        now = self.state.clock.now()
        running = build.building(now)
        if running:
            build.stopped_at = now
        return Reply(status=302, headers={"Location": self.views.build_url(job, build)}, took_effect=running)

    def _cancel_item(self, number: str) -> Reply:
        self._posted("cancel")
        item = self._item(number)
        if not item.waiting:
            raise page(422, "Item cannot be cancelled")
        self.state.cancel(item)
        return Reply(status=204)

    def _posted(self, permission: str) -> None:
        if self.request.method != "POST":
            raise RefusedError(
                Reply(status=405, body="Method Not Allowed", content_type="text/html", headers={"Allow": "POST"})
            )
        if permission not in self.user.permissions:
            raise page(403, f"{self.user.name} is missing the Job/{permission.capitalize()} permission")

    def _item(self, number: str) -> QueueItem:
        item = self.state.queue.get(int(number)) if number.isdigit() else None
        if item is None:
            raise page(404, "Not Found")
        return item

    def _build(self, job: Job, number: str) -> Build:
        if number in ("lastBuild", "lastCompletedBuild") and job.builds:
            return job.builds[max(job.builds)]
        build = job.builds.get(int(number)) if number.isdigit() else None
        if build is None:
            raise page(404, "Not Found")
        return build

    def _json(self, body: Any) -> Reply:
        tree = self.request.query.get("tree")
        if tree is None:
            return Reply(body=body, content_type="application/json;charset=utf-8")
        try:
            return Reply(body=prune(body, parse_tree(tree)), content_type="application/json;charset=utf-8")
        except TreeSyntaxError as error:
            raise page(400, f"Invalid tree: {error}") from None


def _authenticate(request: web.Request, sandbox: SandboxState) -> tuple[User, bool]:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if not value:
        raise page(403, "Authentication required")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise page(401, "Invalid password/token") from None
    user = sandbox.jenkins.users.get(name)
    if kind.lower() != "basic" or user is None or secret not in (user.token, user.password):
        raise page(401, f"Invalid password/token for user: {name}")
    return user, secret != user.token


def _check_crumb(request: web.Request, user: User) -> None:
    session = request.cookies.get(_SESSION_COOKIE)
    if session is None or request.headers.get(_CRUMB_FIELD) != _crumb(user, session):
        raise page(403, "No valid crumb was included in the request")


def _crumb(user: User, session: str) -> str:
    return hashlib.sha256(f"{user.name}|{session}".encode()).hexdigest()


async def _fields(request: web.Request) -> dict[str, str]:
    """Join query and form fields; a `json` form field as the web form sends it counts too."""
    fields = dict(request.query)
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        fields.update({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
    if "json" in fields:
        try:
            entries = json.loads(fields["json"]).get("parameter", [])
        except (ValueError, AttributeError):
            raise page(400, "Invalid JSON") from None
        fields.update(
            {entry["name"]: str(entry["value"]) for entry in (entries if isinstance(entries, list) else [entries])}
        )
    return fields
