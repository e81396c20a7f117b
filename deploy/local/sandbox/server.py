"""The sandbox as a server: in its own process, or inside a test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from deploy.local.sandbox import (
    argocd_api,
    azure_devops,
    bitbucket_cloud,
    bitbucket_data_center,
    control,
    git_server,
    gitea,
    github,
    gitlab,
    gitlab_ci,
    jenkins,
)
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.seed import default_seed
from deploy.local.sandbox.state import STATE, SandboxState
from deploy.local.sandbox.traffic import record_and_interfere

_SHUTDOWN_SECONDS = 0.5
_BODY_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A running sandbox: its address, and its memory for callers in the same process."""

    url: str
    state: SandboxState


def build_app(state: SandboxState) -> web.Application:
    app = web.Application(middlewares=[record_and_interfere], client_max_size=_BODY_LIMIT_BYTES)
    app[STATE] = state
    for routes in (
        control,
        git_server,
        github,
        gitea,
        jenkins,
        gitlab,
        gitlab_ci,
        argocd_api,
        bitbucket_cloud,
        bitbucket_data_center,
        azure_devops,
    ):
        routes.add_routes(app)
    return app


@asynccontextmanager
async def running_sandbox(
    *,
    port: int = 0,
    options: Options | None = None,
    seed: Mapping[str, Any] | None = None,
) -> AsyncIterator[Sandbox]:
    """Serve on a loopback port (0: any free one) until the block ends. Without a seed the default one is loaded."""
    state = SandboxState(options)
    state.load(default_seed() if seed is None else seed)
    runner = web.AppRunner(build_app(state), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        state.webhooks.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield Sandbox(url=state.webhooks.base_url, state=state)
    finally:
        state.webhooks.stop()
        state.controller.stop()
        await runner.cleanup()


async def serve(*, port: int, options: Options, stopped: asyncio.Event) -> None:
    """Run until `stopped` is set; print on standard output when the sandbox is ready."""
    async with running_sandbox(port=port, options=options) as sandbox:
        print(f"sandbox ready on {sandbox.url}", flush=True)
        await stopped.wait()
