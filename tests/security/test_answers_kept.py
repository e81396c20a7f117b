"""To fill the memory of a worker that all tenants share: by answers that are large, many, or kept while others come."""

import asyncio
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import httpx
import pytest

from activities.models.configuration import DeploymentSpec
from activities.reading import ArgoCDObserver
from providers.application_models import ApplicationRef, ApplicationState
from providers.callers import calling_for
from providers.errors import ProviderBusy, ProviderUnavailable
from providers.http import HttpClients
from providers.messages import Reply, Request
from tests.activities.fakes import FakeDeployments, FakeOpener, application
from tests.activities.test_deployments import SPEC
from tests.activities.test_drift import WEB, World
from tests.providers.hosts import FakeHost
from tests.providers.test_endpoint import GET, endpoint

MIB = 1024 * 1024
ROOM = 16 * MIB
MANY = 40
AT_ONCE = 8
"""Applications of one Argo CD that are read at a time."""
WRITE = Request(method="POST", path="/x", operation="create")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


async def asked(
    http: HttpClients, tenant: str, *, hosts: int = 1, request: Request = GET
) -> list[Reply | BaseException]:
    """Ask as many hosts at a time; whatever they answer is kept with this list."""
    with calling_for(tenant):
        calls = [endpoint(http, base=f"https://{tenant.partition('/')[0]}-{one}.example.com") for one in range(hosts)]
        return await asyncio.gather(*(one.call(request) for one in calls), return_exceptions=True)


def room(host: FakeHost) -> HttpClients:
    host.always(httpx.Response(200, content=b" " * MIB))
    return host.http({"answers_in_all_bytes": ROOM})


async def test_to_fill_memory_with_large_answers_of_many_hosts_at_a_time(host: FakeHost) -> None:
    http = room(host)
    found = await asked(http, "attacker/web", hosts=MANY)
    held = sum(len(one.body) for one in found if isinstance(one, Reply))
    assert ROOM // 2 <= held <= ROOM * 3 // 4
    refused = [one for one in found if not isinstance(one, Reply)]
    assert {type(one) for one in refused} == {ProviderBusy}
    assert all(isinstance(one, ProviderBusy) and one.retry_after for one in refused)
    [other] = await asked(http, "shop/web")
    assert isinstance(other, Reply)


async def test_what_no_one_keeps_any_more_leaves_its_room_to_others(host: FakeHost) -> None:
    http = room(host)
    for _ in range(3):
        found = await asked(http, "attacker/web", hosts=8)
        assert all(isinstance(one, Reply) for one in found)
        del found


async def test_an_answer_to_a_write_for_which_there_is_no_room_is_lost_and_not_unsent(host: FakeHost) -> None:
    http = room(host)
    kept = await asked(http, "attacker/web", hosts=MANY)
    assert kept
    [lost] = await asked(http, "attacker/web", request=WRITE)
    assert type(lost) is ProviderUnavailable


async def test_to_fill_memory_with_lines_of_streams_that_never_end(host: FakeHost) -> None:
    http = room(host)
    kept = await asked(http, "attacker/web", hosts=MANY)
    assert kept
    with calling_for("attacker/web"), pytest.raises(ProviderBusy):
        async for _ in endpoint(http, base="https://stream.example.com").lines(GET):
            pass


@dataclass
class Kept(FakeDeployments):
    """An Argo CD whose answers are counted as long as anybody keeps them."""

    states: "weakref.WeakValueDictionary[int, ApplicationState]" = field(default_factory=weakref.WeakValueDictionary)
    read: int = 0
    most: int = 0

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        state = replace(await super().get(ref, refresh=refresh))
        self.read += 1
        self.states[self.read] = state
        await asyncio.sleep(0)
        self.most = max(self.most, len(self.states))
        return state


def names(number: int) -> list[str]:
    return [f"web-{one}" for one in range(number)]


async def test_to_have_the_answers_about_all_applications_of_an_environment_kept_at_a_time() -> None:
    argocd = Kept(applications={one: application(name=one) for one in names(MANY)}, favoured=False)
    deployments: Sequence[DeploymentSpec] = [replace(SPEC, name=one, application=one) for one in names(MANY)]
    answer = await ArgoCDObserver(FakeOpener(argocd=argocd)).observe("shop", deployments)
    assert len(answer.observations) == argocd.read == MANY
    assert argocd.most <= 2 * AT_ONCE


async def test_to_have_the_answers_about_all_applications_that_are_watched_for_drift_kept_at_a_time() -> None:
    argocd = Kept(applications={one: application(name=one) for one in names(MANY)})
    world = World(argocd=argocd)
    await world.create(*(replace(WEB, application=one) for one in names(MANY)))
    assert len((await world.look()).readings) == argocd.read == MANY
    assert argocd.most <= 2 * AT_ONCE
