"""A sandbox inside the test's own event loop, and clients that know its seeded credentials."""

from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.sandbox import seed
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.server import Sandbox, running_sandbox

GITHUB = {"Authorization": f"Bearer {seed.GITHUB_TOKEN}"}
ARGOCD = {"Authorization": f"Bearer {seed.ARGOCD_TOKEN}"}
GITLAB = {"PRIVATE-TOKEN": seed.GITLAB_TOKEN}


# Runs wait and last until a test moves the clock: nothing depends on how fast the machine is.
STEP_SECONDS = 30.0


@pytest.fixture
async def world() -> AsyncIterator[Sandbox]:
    options = Options(
        argocd_sync_seconds=0.1,
        jenkins_queue_seconds=STEP_SECONDS,
        run_seconds=STEP_SECONDS,
        queued_seconds=STEP_SECONDS,
        argocd_pickup_seconds=0.02,
        argocd_reconcile_seconds=0.02,
    )
    async with running_sandbox(options=options) as sandbox:
        yield sandbox


@pytest.fixture
async def control(world: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.url) as client:
        yield client


@pytest.fixture
async def github(world: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{world.url}/github/", headers=GITHUB) as client:
        yield client


@pytest.fixture
async def jenkins(world: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{world.url}/jenkins/", auth=(seed.JENKINS_USER, seed.JENKINS_TOKEN)
    ) as client:
        yield client


@pytest.fixture
async def gitlab(world: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{world.url}/gitlab/api/v4/", headers=GITLAB) as client:
        yield client


@pytest.fixture
async def argocd(world: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{world.url}/argocd/api/v1/", headers=ARGOCD) as client:
        yield client
