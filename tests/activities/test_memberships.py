"""Steps of a promotion at its places: sent and read in one activity, each part by itself."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.configuration import ResourceConfigActivities
from activities.models.configuration import DeploymentSpec, FindPolicyInput, PolicyOutcome, WriteSpec
from activities.models.delivery import Observation, ReadDeploymentsInput
from activities.models.drift import CreateDriftMonitorsInput, WatchedDeployment
from activities.models.memberships import OpenHopInput, SendViewsInput, TakeLaneInput
from activities.models.places import Counter, Grant, MemberSignal, PlaceSignal, Role, SendViewInput
from activities.models.revisions import Relation, RevisionPair
from activities.models.tracking import Artifact, Timings, TrackerRef
from crds.reasons.vocabulary import Phase
from providers.application_models import ApplicationRef, ApplicationState
from providers.errors import ProviderError, ProviderUnavailable
from providers.models import Ancestry
from tests.activities.cluster import Cluster, shop
from tests.activities.fakes import FakeDeployments, FakeOpener, FakeScm, application

VIEW, READY, EARLIER = Counter(epoch=1, n=3), Counter(epoch=1, n=8), Counter(epoch=1, n=7)


@dataclass
class AnsweringPlaces:
    """Answer views that await it; some places cannot be reached."""

    away: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    views: list[SendViewInput] = field(default_factory=list)
    granted: Counter | None = None
    """The Ready that the lane is granted for."""
    observed: tuple[Observation, ...] = ()

    async def send(self, request: SendViewInput) -> PlaceSignal | None:
        if request.environment in self.away:
            raise ConnectionError("no route")
        self.sent.append(request.environment)
        self.views.append(request)
        if not request.signal.awaits_answer:
            return None
        return PlaceSignal(
            environment=request.environment,
            counter=VIEW,
            observed=self.observed,
            observed_at=None,
            grant=Grant(answers=self.granted, hop=1) if self.granted is not None else None,
        )


class Hanging(FakeDeployments):
    """An Argo CD server that does not answer."""

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        await asyncio.Event().wait()
        return await super().get(ref, refresh=refresh)

    async def list(self, project: str) -> tuple[ApplicationState, ...]:
        await asyncio.Event().wait()
        return await super().list(project)


def member(phase: Phase, role: Role = Role.TARGET) -> MemberSignal:
    return MemberSignal(
        tracker=TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1),
        number=412,
        workflow_id="w",
        counter=Counter(epoch=1, n=1),
        hop=1,
        role=role,
        phase=phase,
        held=False,
    )


def view(environment: str, phase: Phase, role: Role = Role.TARGET) -> SendViewInput:
    return SendViewInput(
        namespace="shop", environment=environment, repository="web", signal=member(phase, role), timings=Timings()
    )


def serving(
    places: AnsweringPlaces, argocd: FakeDeployments | None = None, cluster: Cluster | None = None
) -> ResourceConfigActivities:
    return ResourceConfigActivities((cluster or shop()).port(), FakeOpener(argocd=argocd), places)


TAKES = TakeLaneInput(
    namespace="shop",
    repository="web",
    view=view("staging", Phase.HOLDER),
    read=ReadDeploymentsInput(
        namespace="shop",
        repository="web",
        deployments=(
            DeploymentSpec(
                name="web-eu",
                component="web",
                wave=0,
                instance="argocd",
                project="shop",
                application="web-eu",
                write=WriteSpec(),
            ),
        ),
    ),
)


async def test_who_takes_the_lane_reads_the_target_in_the_same_call() -> None:
    places = AnsweringPlaces()
    argocd = FakeDeployments(applications={"web-eu": application("web-eu")})
    taken = await ActivityEnvironment().run(serving(places, argocd).take_lane, TAKES)
    assert places.sent == ["staging"]
    assert [one.deployment for one in taken.observations or ()] == ["web-eu"]


@pytest.mark.parametrize(
    ("answers", "taken"),
    [
        (READY, True),
        (EARLIER, False),
        (None, False),
    ],
    ids=["granted", "granted for an earlier view", "not granted"],
)
async def test_who_stands_in_line_takes_the_lane_where_it_is_granted_in_the_call(
    answers: Counter | None, taken: bool
) -> None:
    argocd = FakeDeployments(applications={"web-eu": application("web-eu")})
    places = AnsweringPlaces(granted=answers)
    ready = replace(view("staging", Phase.READY), signal=replace(member(Phase.READY), counter=READY, takes=True))
    found = await ActivityEnvironment().run(serving(places, argocd).take_lane, replace(TAKES, view=ready))
    # The view that takes the lane is the only one: the place has it taken with its answer.
    assert (found.taken, places.sent, bool(argocd.calls)) == (taken, ["staging"], taken)


async def test_a_read_that_hangs_keeps_no_one_from_taking_the_lane() -> None:
    places = AnsweringPlaces()
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, start_to_close_timeout=timedelta(seconds=0.2))
    taken = await environment.run(serving(places, Hanging()).take_lane, TAKES)
    assert (places.sent, taken.observations) == (["staging"], None)


async def test_nothing_is_read_for_a_lane_that_was_not_taken() -> None:
    argocd = FakeDeployments(applications={"web-eu": application("web-eu")})
    with pytest.raises(ApplicationError, match="no route"):
        await ActivityEnvironment().run(serving(AnsweringPlaces(away={"staging"}), argocd).take_lane, TAKES)
    assert argocd.calls == []


async def test_a_place_that_cannot_be_reached_keeps_no_other_one_from_its_view() -> None:
    places = AnsweringPlaces(away={"staging"})
    request = SendViewsInput(
        namespace="shop",
        repository="web",
        views=(view("staging", Phase.WORKING, Role.SOURCE), view("dev", Phase.GONE, Role.SOURCE)),
    )
    with pytest.raises(ApplicationError, match="no route"):
        await ActivityEnvironment().run(serving(places).send_views, request)
    assert places.sent == ["dev"]
    places.away.clear()
    again = await ActivityEnvironment().run(serving(places).send_views, request)
    assert again.answer is not None
    assert again.answer.environment == "staging"


def opens(source: str = "dev") -> OpenHopInput:
    return OpenHopInput(
        namespace="shop",
        repository="web",
        find=FindPolicyInput(namespace="shop", environment=source, repository="web"),
        view=member(Phase.WORKING),
        timings=Timings(),
        received={"staging": Counter(epoch=7, n=8)},
    )


async def test_a_hop_is_opened_with_its_policy_its_target_and_what_that_answers() -> None:
    places = AnsweringPlaces()
    argocd = FakeDeployments(applications={f"web-{n}": application(f"web-{n}") for n in ("eu", "us")})
    opened = await ActivityEnvironment().run(serving(places, argocd).open_hop, opens())
    assert opened.found.policy is not None
    assert opened.environment is not None
    assert opened.environment.name == opened.found.policy.target == "staging"
    assert (opened.sent, opened.answer and opened.answer.environment) == (True, "staging")
    assert [view.signal.received for view in places.views] == [Counter(epoch=7, n=8)]


RUNS = Observation(deployment="web", component="web", application="web", runs="a" * 40, written="b" * 40, settled=False)
PAIRS = (RevisionPair(base="a" * 40, head="c" * 40), RevisionPair(base="b" * 40, head="c" * 40))


@pytest.mark.parametrize(
    ("refused", "compared", "relations"),
    [([], PAIRS, (Relation.AHEAD, Relation.DIVERGED)), ([ProviderUnavailable("no answer", status=503)], (), ())],
    ids=["the host answers", "the host is away"],
)
async def test_what_the_target_runs_is_compared_as_the_hop_is_opened(
    refused: list[ProviderError], compared: tuple[RevisionPair, ...], relations: tuple[Relation, ...]
) -> None:
    scm = FakeScm(relations={("a" * 40, "c" * 40): Ancestry.AHEAD, ("b" * 40, "c" * 40): Ancestry.DIVERGED})
    scm.errors["compare"] = refused
    configured = ResourceConfigActivities(shop().port(), FakeOpener(scm=scm), AnsweringPlaces(observed=(RUNS,)))
    artifacts = (Artifact(component="web", revision="c" * 40), Artifact(component="db", revision="d" * 40))
    opened = await ActivityEnvironment().run(configured.open_hop, replace(opens(), artifacts=artifacts))
    assert (opened.sent, opened.compared, opened.relations) == (True, compared, relations)


async def test_what_arrived_is_watched_as_the_next_hop_is_opened() -> None:
    cluster = shop()
    watch = CreateDriftMonitorsInput(
        tracker=TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1),
        repository="web",
        environment="dev",
        deployments=(
            WatchedDeployment(
                deployment="web", application="web", instance="argocd", project="shop", revision="c" * 40, tag=""
            ),
        ),
        promoted_at=datetime(2026, 1, 2, 12, tzinfo=UTC),
    )
    opened = await ActivityEnvironment().run(
        serving(AnsweringPlaces(), cluster=cluster).open_hop, replace(opens(), watch=watch)
    )
    assert opened.watched
    assert [name for kind, _, name in cluster.objects if kind == "DriftMonitor"]


async def test_without_a_policy_no_place_is_sent_a_view() -> None:
    places = AnsweringPlaces()
    opened = await ActivityEnvironment().run(serving(places).open_hop, opens("nowhere"))
    assert opened.found.outcome is PolicyOutcome.NOT_FOUND
    assert (opened.environment, opened.sent, places.sent) == (None, False, [])


async def test_a_target_that_cannot_be_reached_or_read_is_left_out_of_the_answer() -> None:
    opened = await ActivityEnvironment().run(serving(AnsweringPlaces(away={"staging"})).open_hop, opens())
    assert opened.found.policy is not None
    assert (opened.environment, opened.sent, opened.answer) == (None, False, None)


async def test_what_ends_the_hop_before_is_sent_with_what_opens_the_next_one_also_where_that_fails() -> None:
    farewells = (view("staging", Phase.WORKING, Role.SOURCE), view("dev", Phase.GONE, Role.SOURCE))
    places = AnsweringPlaces()
    opened = await ActivityEnvironment().run(serving(places).open_hop, replace(opens("nowhere"), farewells=farewells))
    assert (sorted(places.sent), opened.left) == (["dev", "staging"], True)
    assert opened.farewell_answer is not None
    assert opened.farewell_answer.environment == "staging"
    away = AnsweringPlaces(away={"dev"})
    refused = await ActivityEnvironment().run(serving(away).open_hop, replace(opens("nowhere"), farewells=farewells))
    assert (away.sent, refused.left, refused.farewell_answer) == (["staging"], False, None)
