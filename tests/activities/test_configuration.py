"""Policies, environments, repositories and live trackers, read from resources."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import environments
from activities.configuration import ResourceConfigActivities
from activities.models.budgets import TRACKERS_LISTED
from activities.models.configuration import (
    FindPolicyInput,
    FindPolicyResult,
    ListTrackersInput,
    PolicyOutcome,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
)
from activities.models.places import Counter, MemberSignal, Role, SendViewInput
from activities.models.tracking import Timings, TrackerRef
from crds.api.live_trackers import PAGE
from crds.api.ports import ApiForbidden, ApiUnavailable
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Phase
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.ports import Deployments
from tests.activities.cluster import Cluster, environment, policy, shop
from tests.activities.fakes import NEW, FakeDeployments, FakeOpener, FakePlaces, FakeScm, application


def activities(cluster: Cluster, opener: FakeOpener | None = None) -> ResourceConfigActivities:
    argocd = FakeDeployments(applications={f"web-{n}": application(f"web-{n}") for n in ("eu", "us")})
    everything = FakeOpener(scm=FakeScm(), argocd=argocd)
    return ResourceConfigActivities(cluster.port(), opener or everything, FakePlaces())


async def find(cluster: Cluster, source: str = "dev") -> FindPolicyResult:
    request = FindPolicyInput(namespace="shop", environment=source, repository="web")
    return await ActivityEnvironment().run(activities(cluster).find_policy, request)


async def read_place(
    cluster: Cluster, name: str = "staging", opener: FakeOpener | None = None
) -> ReadEnvironmentResult:
    request = ReadEnvironmentInput(namespace="shop", environment=name, repository="web")
    return await ActivityEnvironment().run(activities(cluster, opener).read_environment, request)


async def read_repository(
    cluster: Cluster, opener: FakeOpener | None = None, *, number: int | None = None
) -> ReadRepositoryResult:
    request = ReadRepositoryInput(namespace="shop", repository="web", number=number)
    return await ActivityEnvironment().run(activities(cluster, opener).read_repository, request)


async def test_a_policy_is_found_with_all_places_ahead() -> None:
    found = await find(shop())
    assert (found.outcome, found.ahead) == (PolicyOutcome.FOUND, ("staging", "prod"))
    assert found.policy is not None
    assert (found.policy.target, found.policy.generation, found.policy.auto_promote) == ("staging", 3, False)
    assert (found.policy.timeout, found.policy.tests[0].parameters) == (timedelta(hours=2), {"R": "${revision}"})


async def test_an_observed_repository_follows_no_policy_and_its_deployments_are_not_written() -> None:
    cluster = shop()
    cluster.objects["GitRepository", "shop", "web"]["spec"]["mode"] = "Observe"
    assert (await find(cluster)).outcome is PolicyOutcome.OBSERVING
    place = (await read_place(cluster)).environment
    assert place is not None
    assert [one.write for one in place.deployments] == [None]


async def test_no_policy_is_an_answer() -> None:
    assert (await find(shop(), source="prod")).outcome is PolicyOutcome.NOT_FOUND


async def test_an_unanswering_cluster_is_never_taken_for_a_missing_policy() -> None:
    cluster = shop()
    cluster.failure = ApiUnavailable("no answer in time")
    with pytest.raises(ApplicationError, match="no answer") as caught:
        await find(cluster)
    assert not caught.value.non_retryable


async def test_two_policies_are_ambiguous_and_both_are_named() -> None:
    cluster = shop()
    cluster.add("PromotionPolicy", "another", policy("dev", "prod"))
    found = await find(cluster)
    assert (found.outcome, found.names) == (PolicyOutcome.AMBIGUOUS, ("another", "dev-to-staging"))
    assert found.policy is None


async def test_the_policy_that_names_the_repository_wins() -> None:
    cluster = shop()
    cluster.add("PromotionPolicy", "mine", policy("dev", "staging", repositoryRefs=[{"name": "web"}]))
    found = await find(cluster)
    assert found.policy is not None
    assert found.policy.name == "mine"


async def test_an_invalid_policy_is_never_snapshotted_and_names_every_field() -> None:
    cluster = shop()
    test = {"name": "e2e", "runnerRef": {"name": "gone"}, "job": "web/e2e", "parameters": {"X": "${nonsense}"}}
    cluster.add("PromotionPolicy", "dev-to-staging", policy("dev", "staging", tests=[test]))
    found = await find(cluster)
    assert (found.outcome, found.policy) == (PolicyOutcome.INVALID, None)
    assert any(error.startswith("spec.tests[0].parameters.X") for error in found.errors)
    assert any(error.startswith("spec.tests[0].runnerRef.name") for error in found.errors)


async def test_a_policy_that_cannot_be_read_is_invalid_by_name_and_never_missing() -> None:
    cluster = shop()
    test = {"name": "e2e", "runnerRef": {"name": "jenkins"}, "job": "web/e2e", "timeout": "soon"}
    cluster.add("PromotionPolicy", "dev-to-staging", policy("dev", "staging", tests=[test]))
    found = await find(cluster)
    assert (found.outcome, found.policy, found.names) == (PolicyOutcome.INVALID, None, ("dev-to-staging",))
    assert any(error.startswith("spec.tests[0].timeout: ") for error in found.errors)


async def test_an_environment_is_read_for_one_repository() -> None:
    view = (await read_place(shop())).environment
    assert view is not None
    assert (view.final, view.delivery_timeout) == (False, timedelta(minutes=15))
    deployment = view.deployments[0]
    assert (deployment.name, deployment.component, deployment.application) == ("web", "web", "web-staging")
    assert (deployment.repository, deployment.write is not None) == ("acme/web", True)


async def test_a_selector_becomes_one_deployment_per_application() -> None:
    cluster = shop()
    cluster.add("Environment", "staging", environment("staging", selector={"matchLabels": {"app": "web"}}))
    view = (await read_place(cluster)).environment
    assert view is not None
    assert [one.name for one in view.deployments] == ["web/web-eu", "web/web-us"]


def _no_repository(cluster: Cluster) -> None:
    cluster.remove("GitRepository", "web")


def _no_environment(cluster: Cluster) -> None:
    cluster.remove("Environment", "staging")


def _nothing_deployed(cluster: Cluster) -> None:
    spec = environment("staging")
    spec["deployments"][0]["repositoryRef"]["name"] = "api"
    cluster.add("Environment", "staging", spec)


def _unknown_component(cluster: Cluster) -> None:
    spec = environment("staging")
    spec["deployments"][0]["component"] = "site"
    cluster.add("Environment", "staging", spec)


@pytest.mark.parametrize(
    ("spoil", "what", "named"),
    [
        (_no_environment, "Environment/staging", "`staging`"),
        (_nothing_deployed, "Environment/staging", "GitRepository `web`"),
        (_no_repository, "GitRepository/web", "`web`"),
        (_unknown_component, "Environment/staging", "component `site`"),
    ],
)
async def test_the_first_missing_thing_is_named(spoil: Any, what: str, named: str) -> None:
    cluster = shop()
    spoil(cluster)
    answer = await read_place(cluster)
    assert answer.environment is None
    assert answer.failure is not None
    assert (answer.failure.kind, answer.failure.object) == (FailureKind.REFERENCE_MISSING, what)
    assert named in answer.failure.message


async def test_a_missing_argo_cd_instance_is_a_problem_of_the_environment() -> None:
    failure = (await read_place(shop(), opener=FakeOpener(scm=FakeScm()))).failure
    assert failure is not None
    assert failure.object == "ArgoCDInstance/argocd"


@pytest.mark.parametrize("chosen", [{"application": "web-far"}, {"selector": {"matchLabels": {"app": "web"}}}])
async def test_a_missing_instance_of_one_deployment_leaves_the_others_readable(chosen: dict[str, Any]) -> None:
    @dataclass
    class OneMissing(FakeOpener):
        async def deployments(self, namespace: str, instance: str) -> Deployments:
            if instance == "far":
                return await FakeOpener().deployments(namespace, instance)
            return await super().deployments(namespace, instance)

    cluster = shop()
    spec = environment("staging")
    far = {"instanceRef": {"name": "far"}, "project": "shop", **chosen}
    spec["deployments"].append({"name": "far", "repositoryRef": {"name": "web"}, "argocd": far})
    cluster.add("Environment", "staging", spec)
    view = (await read_place(cluster, opener=OneMissing(argocd=FakeDeployments()))).environment
    assert view is not None
    assert [(one.name, one.application) for one in view.deployments] == [
        ("far", chosen.get("application", "")),
        ("web", "web-staging"),
    ]
    # One whose application is known learns at each read whether its instance is there by now.
    expected = "" if "application" in chosen else "ArgoCDInstance/far: it does not exist: create it"
    assert view.deployments[0].problem == expected


@dataclass
class Silent(FakeDeployments):
    """An Argo CD that never answers."""

    async def names(self, project: str, *, selector: str = "") -> tuple[str, ...]:
        self.note("names")
        return await asyncio.Future()


FAR: list[tuple[FakeDeployments, bool]] = [
    (FakeDeployments(errors={"names": [ProviderUnavailable("connection refused", status=503)]}), True),
    (FakeDeployments(errors={"names": [ProviderRateLimited("wait", retry_after=timedelta(hours=1))]}), True),
    (FakeDeployments(errors={"names": [ProviderBusy("20 calls are in flight")]}), True),
    (FakeDeployments(errors={"names": [ProviderMalformed("not JSON")] * 2}), False),
    (Silent(), True),
]


@pytest.mark.parametrize(("argocd", "passing"), FAR, ids=["down", "rate limited", "busy", "malformed", "silent"])
async def test_an_instance_that_does_not_answer_makes_only_its_own_deployments_unreadable(
    argocd: FakeDeployments, passing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Two(FakeOpener):
        async def deployments(self, namespace: str, instance: str) -> Deployments:
            return argocd if instance == "far" else await super().deployments(namespace, instance)

    monkeypatch.setattr(environments, "RESOLVING", timedelta(milliseconds=50))
    cluster = shop()
    spec = environment("staging", selector={"matchLabels": {"app": "web"}})
    where = {"instanceRef": {"name": "far"}, "project": "shop", "selector": {"matchLabels": {"app": "web"}}}
    for name in ("far", "farther"):
        spec["deployments"].insert(0, {"name": name, "repositoryRef": {"name": "web"}, "argocd": where})
    cluster.add("Environment", "staging", spec)
    near = FakeDeployments(applications={f"web-{n}": application(f"web-{n}") for n in ("eu", "us")})
    view = (await read_place(cluster, opener=Two(argocd=near))).environment
    assert view is not None
    found = {one.name: one for one in view.deployments}
    assert [name for name, one in found.items() if not one.unresolved] == ["web/web-eu", "web/web-us"]
    assert {name: one.passing for name, one in found.items() if one.unresolved} == {"far": passing, "farther": passing}
    assert "ArgoCDInstance/far" in found["far"].problem
    # Who does not answer is asked once for all of its deployments.
    assert argocd.calls.count("names") == (1 if passing else 2)


@pytest.mark.parametrize("refused", [True, False])
async def test_a_selector_that_yields_nothing_gives_the_reason(refused: bool) -> None:
    cluster = shop()
    cluster.add("Environment", "staging", environment("staging", selector={"matchLabels": {"app": "web"}}))
    argocd = FakeDeployments(errors={"names": [ProviderUnauthorized("permission denied")]} if refused else {})
    failure = (await read_place(cluster, opener=FakeOpener(argocd=argocd))).failure
    assert failure is not None
    assert failure.object == ("ArgoCDInstance/argocd" if refused else "Environment/staging")
    assert ("permission denied" if refused else "`app=web`") in failure.message


async def test_a_repository_without_components_is_one_component() -> None:
    view = (await read_repository(shop())).repository
    assert view is not None
    assert [component.name for component in view.components] == ["web"]


async def test_a_pull_request_is_read_alongside_its_repository_only_where_it_is_asked_for() -> None:
    found = await read_repository(shop(), number=412)
    assert found.repository is not None
    assert found.pull_request is not None
    assert (found.pull_request.number, found.pull_request.merge_sha) == (412, NEW)
    assert (await read_repository(shop())).pull_request is None


@pytest.mark.parametrize(
    "error", [ProviderUnavailable("no answer", status=504), ProviderRateLimited("slow down", status=429)]
)
async def test_a_pull_request_that_cannot_be_read_now_hides_nothing_of_its_repository(error: ProviderError) -> None:
    scm = FakeScm()
    scm.errors["get"] = [error]
    found = await read_repository(shop(), FakeOpener(scm=scm), number=412)
    assert found.repository is not None
    assert found.pull_request is None


async def test_a_repository_that_contradicts_itself_is_a_problem_with_fields() -> None:
    cluster = shop()
    spec = cluster.objects["GitRepository", "shop", "web"]["spec"]
    spec["components"] = [{"name": "api", "paths": ["api/**"], "image": "acme/api"}]
    failure = (await read_repository(cluster)).failure
    assert failure is not None
    assert "components[0]" in failure.message


async def test_a_missing_provider_is_a_problem() -> None:
    failure = (await read_repository(shop(), FakeOpener())).failure
    assert failure is not None
    assert failure.kind is FailureKind.REFERENCE_MISSING


async def test_trackers_whose_attempt_is_over_are_not_listed() -> None:
    cluster = shop()
    spec = {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev", "attempt": 2}
    cluster.add("PullRequestTracker", "web-1", spec)
    cluster.add("PullRequestTracker", "web-2", spec, status={"state": "Completed", "attempt": 2, "sequence": 1})
    cluster.add("PullRequestTracker", "web-3", spec, status={"state": "Completed", "attempt": 1, "sequence": 1})
    cluster.add("PullRequestTracker", "api-1", {**spec, "repositoryRef": {"name": "api"}})
    request = ListTrackersInput(namespace="shop", repository="web")
    result = await ActivityEnvironment().run(activities(cluster).list_trackers, request)
    assert [tracker.name for tracker in result.trackers] == ["web-1", "web-3"]
    assert result.trackers[0] == TrackerRef(namespace="shop", name="web-1", uid="uid-web-1", attempt=2)


async def test_thousands_of_trackers_are_listed_in_pages_between_which_the_event_loop_goes_on() -> None:
    cluster = shop()
    spec = {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev", "attempt": 1}
    for number in range(5000):
        over = {"state": "Completed", "attempt": 1, "promotions": "unreadable"}
        cluster.add("PullRequestTracker", f"web-{number}", spec, status=over if number % 2 else {})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    in_thread = asyncio.create_task(others())
    found = [one async for one in pages_of(cluster)]
    in_thread.cancel()

    assert [name for page in found for name in page] == sorted(f"web-{number}" for number in range(0, 5000, 2))
    assert max(len(page) for page in found) <= TRACKERS_LISTED
    assert cluster.pages == 5000 / PAGE
    assert turns >= cluster.pages - len(found)


async def pages_of(cluster: Cluster) -> AsyncIterator[list[str]]:
    """List page after page, as a place does."""
    request = ListTrackersInput(namespace="shop", repository="web")
    while True:
        result = await ActivityEnvironment().run(activities(cluster).list_trackers, request)
        yield [one.name for one in result.trackers]
        if result.then is None:
            return
        request = replace(request, cursor=result.then)


async def test_a_list_whose_token_expired_goes_on_behind_what_was_looked_at() -> None:
    cluster = shop()
    spec = {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev", "attempt": 1}
    for number in range(3 * TRACKERS_LISTED // 2):
        cluster.add("PullRequestTracker", f"web-{number:04d}", spec, status={})
    first = await ActivityEnvironment().run(
        activities(cluster).list_trackers, ListTrackersInput(namespace="shop", repository="web")
    )
    assert first.then is not None
    # The last one that was looked at is gone, and one came before it: neither is met, and nothing is left out.
    cluster.remove("PullRequestTracker", first.then.after)
    for then in (first.then, replace(first.then, token="")):
        cluster.expired = {first.then.token}
        rest = await ActivityEnvironment().run(
            activities(cluster).list_trackers, ListTrackersInput(namespace="shop", repository="web", cursor=then)
        )
        assert rest.trackers[0].name == f"web-{TRACKERS_LISTED:04d}"
        assert len(rest.trackers) == TRACKERS_LISTED // 2


async def test_only_the_repositorys_trackers_are_asked_for_where_the_api_server_can_select_them() -> None:
    cluster = shop()
    spec = {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev", "attempt": 1}
    cluster.add("PullRequestTracker", "web-1", spec)
    cluster.add("PullRequestTracker", "api-1", {**spec, "repositoryRef": {"name": "api"}})
    request = ListTrackersInput(namespace="shop", repository="web")
    for cluster.selects_nothing in (False, True):
        result = await ActivityEnvironment().run(activities(cluster).list_trackers, request)
        assert [tracker.name for tracker in result.trackers] == ["web-1"]
    assert cluster.selectors == ["spec.repositoryRef.name=web"] * 2


async def test_what_no_promotion_could_carry_is_refused_whole() -> None:
    for selected, named in ((201, "201 applications"), (200, "")):
        cluster = shop()
        cluster.add("Environment", "staging", environment("staging", selector={"matchLabels": {"app": "web"}}))
        argocd = FakeDeployments(applications={f"web-{n}": application(f"web-{n}") for n in range(selected)})
        result = await read_place(cluster, opener=FakeOpener(argocd=argocd))
        assert (result.failure is not None) is bool(named)
        assert named in (result.failure.message if result.failure else "")


async def test_a_place_is_signalled() -> None:
    places = FakePlaces()
    configured = ResourceConfigActivities(shop().port(), FakeOpener(), places)
    tracker = TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1)
    signal = MemberSignal(
        tracker=tracker,
        number=412,
        workflow_id="w",
        counter=Counter(),
        hop=1,
        role=Role.TARGET,
        phase=Phase.READY,
        held=False,
    )
    request = SendViewInput(namespace="shop", environment="staging", repository="web", signal=signal, timings=Timings())
    await ActivityEnvironment().run(configured.send_view, request)
    assert places.sent == [request]


async def test_a_forbidden_list_is_shown_as_such() -> None:
    cluster = shop()
    cluster.failure = ApiForbidden("promotionpolicies is forbidden: User worker cannot list")
    with pytest.raises(ApplicationError, match="cannot list") as caught:
        await find(cluster)
    assert caught.value.type == "ApiForbidden"
