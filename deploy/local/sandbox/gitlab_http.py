"""What every GitLab endpoint has in common: credentials, projects, pages, and how parameters arrive.

Source: GitLab's documentation, page "REST API".
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.gitlab_rights import authenticate, refused
from deploy.local.sandbox.gitlab_state import GitLabState, Project
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

_PAGE_LIMIT = 100
_DEFAULT_PAGE = 20


@dataclass(kw_only=True)
class Call:
    """One request; `user` is None where a trigger token stands for a person."""

    request: web.Request
    sandbox: SandboxState
    user: Json | None
    body: Json

    @property
    def state(self) -> GitLabState:
        return self.sandbox.gitlab

    @property
    def web_url(self) -> str:
        return f"{self.request.scheme}://{self.request.host}/gitlab"

    def project(self) -> Project:
        """Return the project that is asked for; each repository of the sandbox is one."""
        name = self.request.match_info["project"]
        project = self.state.project(name)
        if project is None and (known := self.sandbox.github.repository(name)) is not None:
            project = self.state.add(known.full_name, branches=known.graph.branches)
        if project is None:
            raise refused(404, "404 Project Not Found")
        return project

    def repository(self) -> Repository:
        """Return what is in the project; one that only has pipelines holds nothing."""
        project = self.project()
        repository = self.sandbox.github.repository(project.path)
        if repository is None:
            raise refused(404, "404 Repository Not Found")
        return repository

    @property
    def actor(self) -> str:
        return str((self.user or {}).get("username", ""))

    def paged(self, items: Sequence[Any]) -> tuple[Sequence[Any], dict[str, str]]:
        query = self.request.query
        size = min(int(query.get("per_page", _DEFAULT_PAGE)), _PAGE_LIMIT)
        page, pages = int(query.get("page", 1)), max(math.ceil(len(items) / size), 1)
        following = str(page + 1) if page < pages else ""
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Total": str(len(items)),
            "X-Total-Pages": str(pages),
            "X-Next-Page": following,
            "X-Prev-Page": str(page - 1) if page > 1 else "",
        }
        if following:
            headers["Link"] = f'<{self.request.url.update_query(page=following)}>; rel="next"'
        return items[(page - 1) * size : page * size], headers


Action = Callable[[Call], Reply]


def endpoint(action: Action, *, anonymous: bool = False) -> Handler:
    """Wrap an action as an aiohttp handler; only the trigger endpoint does without a user."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[STATE]
        try:
            user = None if anonymous else authenticate(request, sandbox.gitlab.tokens)
            reply = action(Call(request=request, sandbox=sandbox, user=user, body=await _fields(request)))
        except RefusedError as refusal:
            reply = refusal.reply
        return reply.response()

    return handle


async def _fields(request: web.Request) -> Json:
    """Read query, JSON and form; `variables[KEY]` form fields become a mapping."""
    fields: Json = dict(request.query)
    if request.content_type == "application/json" and (raw := await request.read()):
        try:
            body = json.loads(raw)
        except ValueError:
            raise refused(400, "400 Bad Request", key="error") from None
        fields.update(body if isinstance(body, dict) else {})
    elif request.content_type == "application/x-www-form-urlencoded":
        fields.update({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
    nested = {
        name[10:-1]: fields.pop(name)
        for name in list(fields)
        if name.startswith("variables[") and name.endswith("]") and name != "variables[]"
    }
    if nested:
        fields["variables"] = nested
    return fields
