"""Who joins a place brings what it has just read of it, unless that fails, takes long, or another knows better."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import joining, memberships
from activities.configuration import ResourceConfigActivities
from activities.models.configuration import ReadEnvironmentInput
from activities.models.memberships import JoinPlaceInput, JoinPlaceResult, SendViewsInput
from activities.models.places import Counter, PlaceReading, Role, SendViewInput
from crds.reasons.vocabulary import Phase
from tests.activities.cluster import Cluster, shop
from tests.activities.fakes import OLD, FakeDeployments, FakeOpener, FakePlaces, application
from tests.activities.test_memberships import AnsweringPlaces, Hanging, opens, view


def running() -> FakeDeployments:
    return FakeDeployments(applications={"web-staging": application("web-staging")})


async def brought(
    request: SendViewInput, argocd: FakeDeployments | None = None, cluster: Cluster | None = None
) -> PlaceReading | None:
    """Return what comes with a view that is sent."""
    places = FakePlaces()
    opener = FakeOpener(argocd=argocd or running())
    serving = ResourceConfigActivities((cluster or shop()).port(), opener, places)
    await ActivityEnvironment().run(serving.send_view, request)
    [sent] = places.sent
    assert replace(sent, signal=replace(sent.signal, reading=None)) == request
    return sent.signal.reading


async def test_who_joins_brings_what_is_declared_and_runs_there() -> None:
    reading = await brought(view("staging", Phase.WORKING))
    assert reading is not None
    assert reading.environment.name == "staging"
    assert [one.runs for one in reading.deployments.observations] == [OLD]


async def test_who_joins_as_a_hop_opens_or_with_other_views_brings_it_too() -> None:
    places = FakePlaces()
    serving = ResourceConfigActivities(shop().port(), FakeOpener(argocd=running()), places)
    opened = await ActivityEnvironment().run(serving.open_hop, replace(opens(), received={}))
    assert opened.environment is not None
    views = SendViewsInput(namespace="shop", repository="web", views=(view("staging", Phase.WORKING),))
    await ActivityEnvironment().run(serving.send_views, views)
    assert [one.signal.reading is not None for one in places.sent] == [True, True]


async def joined(places: AnsweringPlaces, cluster: Cluster | None = None) -> JoinPlaceResult:
    serving = ResourceConfigActivities((cluster or shop()).port(), FakeOpener(argocd=running()), places)
    request = JoinPlaceInput(namespace="shop", repository="web", view=view("staging", Phase.WORKING))
    return await ActivityEnvironment().run(serving.join_place, request)


async def test_who_joins_a_place_gets_its_declaration_and_its_answer_in_one_call() -> None:
    places = AnsweringPlaces()
    found = await joined(places)
    [sent] = places.views
    assert found.environment is not None
    assert sent.signal.reading is not None
    assert sent.signal.reading.environment == found.environment
    assert found.answer is not None


async def test_a_place_whose_declaration_cannot_be_read_is_joined_all_the_same() -> None:
    cluster = shop()
    cluster.remove("Environment", "staging")
    found = await joined(AnsweringPlaces(), cluster)
    assert found.environment is None
    assert found.answer is not None


async def test_a_declaration_that_leaves_the_answer_no_room_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memberships, "VALUE_BYTES", 500)
    found = await joined(AnsweringPlaces())
    assert found.environment is None
    assert found.answer is not None


async def test_a_join_that_does_not_reach_its_place_is_tried_again() -> None:
    places = AnsweringPlaces(away={"staging"})
    with pytest.raises(ApplicationError, match="no route"):
        await joined(places)
    places.away.clear()
    assert (await joined(places)).answer is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"received": Counter(epoch=1, n=1)},
        {"phase": Phase.READY},
        {"phase": Phase.HOLDER},
        {"phase": Phase.GONE},
        {"role": Role.AHEAD},
    ],
)
async def test_who_was_there_before_or_leaves_or_is_but_on_its_way_reads_nothing(changes: dict[str, Any]) -> None:
    argocd, joins = running(), view("staging", Phase.WORKING)
    sent = replace(joins, signal=replace(joins.signal, **changes))
    assert (await brought(sent, argocd), argocd.calls) == (None, [])


async def test_a_host_that_is_slow_holds_up_no_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "WITHIN", timedelta(milliseconds=20))
    assert await brought(view("staging", Phase.WORKING), Hanging()) is None


async def test_what_would_be_too_large_is_left_to_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "READING_BYTES", 100)
    assert await brought(view("staging", Phase.WORKING)) is None


async def test_what_is_missing_is_found_by_the_place() -> None:
    cluster = shop()
    cluster.remove("Environment", "staging")
    assert await brought(view("staging", Phase.WORKING), cluster=cluster) is None


async def test_what_flux_deploys_only_the_place_knows() -> None:
    cluster = shop()
    flux = {"kustomization": "web", "namespace": "flux-system"}
    edit = {"file": "apps/web.yaml", "yamlPath": "spec.tag", "value": "${artifact.tag}"}
    cluster.objects["Environment", "shop", "staging"]["spec"] = {
        "deployments": [{"name": "web", "repositoryRef": {"name": "web"}, "flux": flux}],
        "write": {"git": {"repositoryRef": {"name": "web"}, "branch": "main", "edits": [edit]}},
    }
    asked = ReadEnvironmentInput(namespace="shop", environment="staging", repository="web")
    serving = ResourceConfigActivities(cluster.port(), FakeOpener(argocd=running()), FakePlaces())
    assert (await ActivityEnvironment().run(serving.read_environment, asked)).environment is not None
    assert await brought(view("staging", Phase.WORKING), cluster=cluster) is None
