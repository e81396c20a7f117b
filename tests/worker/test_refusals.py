"""A refusal asks for a check of what was called by: no `Reachable` stands that a call has just disproved."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.credential_checks import CredentialProofs
from activities.failures import failure_from, reported
from activities.models.credential_checks import CheckConnectionInput, CheckedResource
from providers.application_models import ApplicationRef
from providers.errors import ProviderError, ProviderUnavailable
from tests.activities.cluster import Cluster, shop
from tests.worker.conftest import Opener
from worker.opening.resources import ClusterOpener
from worker.serving.refusals import RefusalChecks
from worker.temporal.outcomes import WorkflowsUnavailable

REF = ApplicationRef(project="shop", name="web-dev")
ARGOCD = CheckedResource(kind="ArgoCDInstance", namespace="shop", name="argocd", uid="uid-argocd")


class Checks:
    """The workflows that check credentials; they may be away."""

    def __init__(self) -> None:
        self.poked: list[tuple[CheckedResource, int]] = []
        self.away = False

    async def poke(self, connection: CheckedResource, generation: int) -> None:
        self.poked.append((connection, generation))
        if self.away:
            raise WorkflowsUnavailable("no server")


class _Runs(ActivityInboundInterceptor):
    """The end of the chain: the activity itself."""

    def __init__(self, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self.function = function

    async def execute_activity(self, call: ExecuteActivityInput) -> Any:
        return await self.function()


async def run(refusals: RefusalChecks, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
    inbound = refusals.intercept_activity(_Runs(function))
    given = ExecuteActivityInput(fn=function, args=[], executor=None, headers={})
    await ActivityEnvironment().run(inbound.execute_activity, given)
    # What is requested in the background has its turn.
    await asyncio.sleep(0)


def reading(
    open_http: Opener, status: int, *, cluster: Cluster | None = None
) -> Callable[[], Coroutine[Any, Any, object]]:
    """Return an activity that reads an application of an Argo CD which answers like that."""
    http = open_http(lambda _request: httpx.Response(status, json={"error": "no"}))
    opener = ClusterOpener((cluster or shop()).port(), http, system_namespace="pilotage")

    @reported
    async def read() -> object:
        return await (await opener.deployments("shop", "argocd")).get(REF)

    return read


@pytest.mark.parametrize(("status", "asked"), [(503, [(ARGOCD, 3)]), (401, [(ARGOCD, 3)]), (404, []), (429, [])])
async def test_a_refusal_that_a_check_would_meet_asks_for_one(
    open_http: Opener, status: int, asked: list[tuple[CheckedResource, int]]
) -> None:
    checks = Checks()
    with pytest.raises(ApplicationError):
        await run(RefusalChecks(checks), reading(open_http, status))
    assert checks.poked == asked


async def test_a_refusal_that_is_an_answer_asks_as_well(open_http: Opener) -> None:
    checks, read = Checks(), reading(open_http, 503)

    async def noted() -> object:
        try:
            return await read()
        except ApplicationError:
            return failure_from(ProviderUnavailable("503", status=503))

    await run(RefusalChecks(checks), noted)
    assert checks.poked == [(ARGOCD, 3)]


async def test_many_refusals_ask_once_and_servers_that_are_away_stop_nothing(open_http: Opener) -> None:
    checks = Checks()
    checks.away = True
    refusals = RefusalChecks(checks)
    for _ in range(3):
        with pytest.raises(ApplicationError):
            await run(refusals, reading(open_http, 503))
    assert checks.poked == [(ARGOCD, 3)]


async def test_a_check_asks_for_no_other_check(open_http: Opener) -> None:
    checks, cluster = Checks(), shop()
    http = open_http(lambda _request: httpx.Response(503))
    proofs = CredentialProofs(cluster.port(), ClusterOpener(cluster.port(), http, system_namespace="pilotage"))
    outcomes: list[bool | None] = []

    async def check() -> None:
        found = await proofs.check_connection(CheckConnectionInput(connection=ARGOCD))
        outcomes.append(found.outcome.accepted)

    await run(RefusalChecks(checks), check)
    assert (checks.poked, len(outcomes)) == ([], 1)


def test_what_no_activity_follows_is_noted_nowhere() -> None:
    assert failure_from(ProviderError("refused")).message == "refused"
