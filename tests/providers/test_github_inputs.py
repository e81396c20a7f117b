"""How much a workflow of GitHub Actions takes as inputs, the promotion key among them."""

import pytest

from providers.errors import ProviderRejected
from providers.github_actions.inputs import inputs_limit
from tests.providers.actions import DETAILS, DISPATCH, FLOW, dispatches, run, world
from tests.providers.hosts import FakeHost, answer, github_actions


def parameters(count: int, value: str = "x") -> dict[str, str]:
    return {f"p{number}": value for number in range(count)}


@pytest.mark.parametrize(
    ("server", "limit"),
    [("", 25), ("3.19.4", 10), ("3.9.0", 10), ("2.22.1", 10), ("3.20.0", 25), ("4.0.0", 25), ("GitHub AE", 25)],
)
def test_enterprise_servers_up_to_3_19_take_fewer(server: str, limit: int) -> None:
    assert inputs_limit(server) == limit


async def test_as_many_parameters_as_the_host_takes_in_addition_to_the_key_are_sent(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, DETAILS)
    await github_actions(host.http()).create("e2e.yml", "k", parameters(24))
    sent = host.body()
    assert isinstance(sent, dict)
    assert len(sent["inputs"]) == 25


async def test_more_parameters_are_refused_before_anything_is_sent(host: FakeHost) -> None:
    world(host)
    with pytest.raises(ProviderRejected, match=r"25 parameters; GitHub Actions takes 25 inputs.*24 are left") as caught:
        await github_actions(host.http()).create("e2e.yml", "k", parameters(25))
    assert not caught.value.retryable
    assert dispatches(host) == 0


async def test_an_old_enterprise_server_that_named_its_version_is_sent_no_more_than_it_takes(host: FakeHost) -> None:
    world(host)
    listed = answer({"workflow_runs": [run(1, "other")]}, x_github_enterprise_version="3.17.2")
    host.on("GET", rf"{FLOW}/runs\?.*", listed)
    host.on("POST", DISPATCH, DETAILS)
    runs = github_actions(host.http())
    await runs.find("e2e.yml@main", "k")
    with pytest.raises(ProviderRejected, match=r"10 parameters; Enterprise Server 3\.17\.2 takes 10 inputs"):
        await runs.create("e2e.yml@main", "k", parameters(10))
    assert dispatches(host) == 0
    await runs.create("e2e.yml@main", "k", parameters(9))
    assert dispatches(host) == 1


async def test_parameters_that_are_too_long_together_are_refused_before_anything_is_sent(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, DETAILS)
    runs = github_actions(host.http())
    await runs.create("e2e.yml", "k", parameters(8, "é" * 8_000))
    with pytest.raises(ProviderRejected, match=r"characters long.*takes 65535"):
        await runs.create("e2e.yml", "k", parameters(8, "x" * 8_200))
    assert dispatches(host) == 1
