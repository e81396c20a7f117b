"""A real Git server below `/git/<owner>/<name>.git`: `git http-backend`, which clones, fetches and pushes go through.

https://git-scm.com/docs/git-http-backend
"""

import asyncio
from pathlib import Path

from aiohttp import web

from deploy.local.sandbox.git_graph import GitGraph, variables
from deploy.local.sandbox.state import STATE, SandboxState

PREFIX = "/git"


def add_routes(app: web.Application) -> None:
    """Serve the repositories that are real ones."""
    app.router.add_route("*", f"{PREFIX}/{{owner}}/{{name}}.git/{{path:.*}}", _serve)


async def _serve(request: web.Request) -> web.Response:
    """Run the backend once for a request, as a web server with CGI does."""
    state = request.app[STATE]
    names = request.match_info
    repository = state.github.repository(f"{names['owner']}/{names['name']}")
    graph = repository.graph if repository is not None else None
    if not isinstance(graph, GitGraph):
        raise web.HTTPNotFound
    body = await request.read()
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=variables(_cgi(request, graph.path, len(body))),
    )
    answer, _ = await process.communicate(body)
    _show_what_was_pushed(state, f"{names['owner']}/{names['name']}", graph)
    return _read(answer)


def _cgi(request: web.Request, path: Path, length: int) -> dict[str, str]:
    headers = request.headers
    return {
        "GIT_PROJECT_ROOT": str(path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{request.match_info['path']}",
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(length),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": request.remote or "",
    }


def _read(answer: bytes) -> web.Response:
    """Read a CGI answer: headers, of which `Status` may be one, and the body behind an empty line."""
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split(" ")[0])
    return web.Response(status=status, body=body, headers=headers)


def _show_what_was_pushed(state: SandboxState, name: str, graph: GitGraph) -> None:
    repository = state.github.repository(name)
    if repository is not None:
        for branch, sha in graph.follow().items():
            state.push(repository, branch, sha)
