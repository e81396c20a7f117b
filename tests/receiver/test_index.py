"""Which workflows a notice concerns: those that wait for what it names, and no other."""

from dataclasses import replace

import pytest

from activities.models.drift import InstanceRef
from activities.models.repository_sync import RepositoryRef
from activities.models.tracking import TrackerRef
from providers.webhooks.events import (
    ApplicationNotice,
    InstructionNotice,
    Notice,
    PullRequestNotice,
    RepositoryName,
    RepositoryNotice,
    RunNotice,
)
from tests.receiver.world import (
    KEY,
    RUN_URL,
    World,
    declared,
    environment,
    repository,
    shop,
    tracker,
    waiting_for_run,
)
from tests.watcher.fakes import until
from worker.receiver.hooks import Hook
from worker.receiver.index import EARLY_LIMIT, EARLY_OF_NAMESPACE, Instructed, Place

REPOSITORY = Hook(namespace="shop", kind="GitRepository", name="web")
PROVIDER = Hook(namespace="shop", kind="ScmProvider", name="github")
SHARED = Hook(namespace="", kind="ClusterScmProvider", name="shared")
JENKINS = Hook(namespace="shop", kind="TestRunner", name="jenkins")
ACTIONS = Hook(namespace="shop", kind="TestRunner", name="actions")
ARGOCD = Hook(namespace="shop", kind="ArgoCDInstance", name="argocd")
MERGE = PullRequestNotice(repository=RepositoryName(full_name="Acme/Web"), number=412, ended=True)
RUN = RunNotice(url=f"{RUN_URL}/", keys=(KEY,))


def _tracker(one: TrackerRef | RepositoryRef | InstanceRef | Instructed) -> str:
    return f"{one.tracker.name} by {one.by}" if isinstance(one, Instructed) else one.name


def named(world: World, hook: Hook, notice: Notice) -> list[str]:
    """Return the trackers and places that are found; `followed` returns the repositories."""
    return [
        f"{one.namespace}/{one.environment}" if isinstance(one, Place) else f"{one.namespace}/{_tracker(one)}"
        for one in world.index.targets(hook, (notice,))
        if not isinstance(one, RepositoryRef | InstanceRef)
    ]


def followed(world: World, hook: Hook, notice: Notice) -> list[str]:
    """Return the repositories whose list is looked at."""
    return [one.name for one in world.index.targets(hook, (notice,)) if isinstance(one, RepositoryRef)]


def test_a_list_is_looked_at_for_what_discovery_may_want_and_for_who_waits_for_no_merge() -> None:
    world, pushed = shop(), RepositoryNotice(repository=RepositoryName(full_name="Acme/Web"))
    assert followed(world, REPOSITORY, MERGE) == []
    assert followed(world, REPOSITORY, pushed) == ["web"]
    world.apply(tracker(412, status={"state": "Testing", "pullRequest": {"state": "Merged"}}))
    assert followed(world, REPOSITORY, replace(MERGE, ended=False)) == ["web"]
    assert followed(world, REPOSITORY, MERGE) == []
    world.remove("PullRequestTracker", "web-412")
    assert followed(world, REPOSITORY, MERGE) == followed(world, REPOSITORY, pushed) == []
    document = repository("web")
    document["spec"]["discovery"] = {"baseBranches": [{"baseBranch": "main", "environment": "dev"}]}
    world.apply(document)
    assert followed(world, REPOSITORY, MERGE) == followed(world, PROVIDER, pushed) == ["web"]
    assert followed(world, JENKINS, MERGE) == []


@pytest.mark.parametrize("hook", [REPOSITORY, PROVIDER])
def test_a_pull_request_is_found_by_repository_and_number_without_regard_to_case(hook: Hook) -> None:
    world = shop()
    world.apply(tracker(413))
    world.apply(tracker(412, repository="api"))
    assert named(world, hook, MERGE) == ["shop/web-412"]


@pytest.mark.parametrize("hook", [JENKINS, ACTIONS, ARGOCD, SHARED])
def test_only_the_host_s_own_address_reports_pull_requests(hook: Hook) -> None:
    assert named(shop(), hook, MERGE) == []


@pytest.mark.parametrize(
    "status",
    [
        {"state": "Closed"},
        {"state": "Completed"},
        {"state": "AwaitingSync", "pullRequest": {"state": "Merged"}},
        {"state": "Held", "heldState": "Testing", "pullRequest": {"state": "Merged"}},
    ],
)
def test_who_knows_of_the_merge_or_is_over_is_not_poked(status: dict[str, object]) -> None:
    world = shop()
    world.apply(tracker(412, status=status))
    assert named(world, REPOSITORY, MERGE) == []


@pytest.mark.parametrize(
    "status", [{}, {"state": "AwaitingMerge"}, {"state": "Held", "pullRequest": {"state": "Open"}}]
)
def test_who_waits_for_the_merge_is_poked(status: dict[str, object]) -> None:
    world = shop()
    world.apply(tracker(412, status=status))
    assert named(world, REPOSITORY, MERGE) == ["shop/web-412"]


def test_a_pull_request_that_a_delivery_waits_for_pokes_its_promotion_and_one_that_it_waits_for_no_more_does_not() -> (
    None
):
    world = shop()
    world.apply(repository("config"))
    delivering = {"state": "Promoting", "pullRequest": {"state": "Merged"}}
    awaiting = {**delivering, "hop": {"pullRequests": [{"repository": "config", "number": 7}]}}
    ended = PullRequestNotice(repository=RepositoryName(full_name="acme/config"), number=7, ended=True)
    world.apply(tracker(412, status=awaiting))
    assert named(world, PROVIDER, ended) == ["shop/web-412"]
    assert named(world, PROVIDER, PullRequestNotice(repository=ended.repository, number=8)) == []
    assert named(world, REPOSITORY, ended) == named(world, PROVIDER, MERGE) == []
    world.apply(tracker(412, status=delivering))
    assert named(world, PROVIDER, ended) == []


def test_a_status_of_the_attempt_before_shows_nothing_of_this_one() -> None:
    world = shop()
    document = tracker(412, status={"state": "Completed", "pullRequest": {"state": "Merged"}})
    document["spec"]["attempt"] = 2
    world.apply(document)
    [found] = world.index.targets(REPOSITORY, (MERGE,))
    assert found == TrackerRef(namespace="shop", name="web-412", uid="uid-web-412", attempt=2)


def test_a_tracker_that_is_gone_or_going_is_not_poked() -> None:
    world = shop()
    world.remove("PullRequestTracker", "web-412")
    assert named(world, REPOSITORY, MERGE) == []
    document = tracker(412)
    document["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    world.apply(document)
    assert named(world, REPOSITORY, MERGE) == []


def test_another_repository_s_pull_request_concerns_no_one() -> None:
    other = PullRequestNotice(repository=RepositoryName(full_name="acme/api"), number=412)
    assert named(shop(), REPOSITORY, other) == named(shop(), PROVIDER, other) == []


def test_a_shared_provider_reaches_every_namespace_and_an_own_one_its_own_only() -> None:
    world = shop()
    shared = {"kind": "ClusterScmProvider", "name": "shared"}
    for namespace in ("one", "two"):
        world.apply(repository("web", namespace=namespace, provider=shared))
        world.apply(tracker(412, namespace=namespace))
    assert named(world, SHARED, MERGE) == ["one/web-412", "two/web-412"]
    assert named(world, PROVIDER, MERGE) == ["shop/web-412"]


def test_a_project_that_was_renamed_is_found_by_its_number_and_another_one_of_its_name_is_not() -> None:
    world = shop()
    project = {"namespace": "acme", "name": "web", "projectId": 7}
    world.apply(declared("GitRepository", "web", {"scmProviderRef": {"name": "gitlab"}, "gitlab": project}))
    for project_id, found in ((7, ["shop/web-412"]), (8, [])):
        named_so = RepositoryName(full_name="acme/shop" if found else "acme/web", project_id=project_id)
        assert named(world, REPOSITORY, PullRequestNotice(repository=named_so, number=412)) == found


@pytest.mark.parametrize("notice", [RunNotice(url=RUN_URL), RunNotice(keys=(KEY,)), RunNotice(url=f"{RUN_URL}/?a#b")])
def test_a_run_is_found_by_its_address_or_its_key(notice: RunNotice) -> None:
    world = shop()
    world.apply(tracker(412, status=waiting_for_run()))
    assert named(world, JENKINS, notice) == ["shop/web-412"]


@pytest.mark.parametrize("state", ["Passed", "Failed", "Pending"])
def test_a_run_that_no_tracker_waits_for_concerns_no_one(state: str) -> None:
    world = shop()
    world.apply(tracker(412, status=waiting_for_run(state=state)))
    assert named(world, JENKINS, RUN) == []


@pytest.mark.parametrize(("hook", "found"), [(ACTIONS, True), (REPOSITORY, True), (PROVIDER, True), (JENKINS, False)])
def test_a_run_of_a_host_is_reported_at_its_runner_its_repository_or_its_provider(hook: Hook, *, found: bool) -> None:
    world = shop()
    world.apply(tracker(412, status=waiting_for_run(runner="actions")))
    assert named(world, hook, RUN) == ["shop/web-412"] * found


def test_a_runner_s_secret_reaches_no_run_of_another_runner_or_namespace() -> None:
    world = shop()
    world.apply(tracker(412, status=waiting_for_run(runner="other")))
    world.apply(tracker(412, status=waiting_for_run(), namespace="elsewhere"))
    assert named(world, JENKINS, RUN) == named(world, REPOSITORY, RUN) == []


@pytest.mark.parametrize(("application", "project", "found"), [
    ("web-dev", "", True), ("web-dev", "shop", True), ("web-dev", "other", False), ("web-prod", "shop", False),
])  # fmt: skip
def test_an_application_is_found_where_it_is_deployed(application: str, project: str, *, found: bool) -> None:
    notice = ApplicationNotice(name=application, project=project)
    assert named(shop(), ARGOCD, notice) == ["shop/dev"] * found


def test_a_selector_may_mean_any_application_of_its_project() -> None:
    world = shop()
    world.apply(environment("staging", None))
    assert named(world, ARGOCD, ApplicationNotice(name="web-7")) == ["shop/staging"]


def test_a_place_that_no_change_is_on_the_way_to_is_not_poked() -> None:
    world = shop()
    world.apply(tracker(412, status={"state": "Completed"}))
    assert named(world, ARGOCD, ApplicationNotice(name="web-dev")) == []


@pytest.mark.parametrize(("application", "looks"), [("web-dev", 1), ("other", 0)])
def test_drift_is_looked_for_where_a_deployed_application_changed_whether_or_not_anybody_is_on_the_way(
    application: str, looks: int
) -> None:
    world = shop()
    world.apply(tracker(412, status={"state": "Completed"}))
    found = world.index.targets(ARGOCD, (ApplicationNotice(name=application),))
    assert list(found) == [InstanceRef(namespace="shop", name="argocd", uid="uid-argocd")] * looks


async def test_a_run_that_ended_before_its_tracker_showed_it_is_poked_for_once_shown() -> None:
    world = shop()
    assert named(world, JENKINS, RUN) == []
    world.apply(tracker(412, status=waiting_for_run(state="Pending")))
    world.apply(tracker(412, status=waiting_for_run(url="")))
    await until(lambda: bool(world.poked), seconds=10)
    world.apply(tracker(412, status=waiting_for_run()))
    # The address is news, and was reported as well; the two are one poke, or two of the same workflow.
    assert {_tracker(one) for one in world.poked if not isinstance(one, Place)} == {"web-412"}
    await world.pokes.close()


async def test_a_run_that_another_address_reported_is_not_poked_for_once_shown() -> None:
    world = shop()
    named(world, ACTIONS, RUN)
    world.apply(tracker(412, status=waiting_for_run()))
    assert world.pokes._at_work == {}


def test_what_was_reported_too_early_is_bounded_and_one_namespace_forgets_its_own() -> None:
    world = shop()
    other = Hook(namespace="docs", kind="TestRunner", name="jenkins")
    named(world, other, RunNotice(url="https://ci.example.com/docs"))
    for runner in range(4):
        hook = Hook(namespace="shop", kind="TestRunner", name=f"jenkins-{runner}")
        for number in range(EARLY_OF_NAMESPACE):
            named(world, hook, RunNotice(url=f"https://ci.example.com/{runner}/{number}"))
    assert len(world.index._early) == EARLY_OF_NAMESPACE + 1
    assert (other, "https://ci.example.com/docs") in world.index._early
    for number in range(2 * EARLY_LIMIT):
        hook = Hook(namespace=f"n{number % 8}", kind="TestRunner", name="jenkins")
        named(world, hook, RunNotice(url=f"https://ci.example.com/{number}"))
    assert len(world.index._early) == EARLY_LIMIT


def test_an_index_forgets_what_its_trackers_name_no_more() -> None:
    world = shop()
    for number in range(400, 420):
        world.apply(tracker(number, status=waiting_for_run(key=f"{number:032x}")))
        world.apply(tracker(number, status={"state": "Completed"}))
    for number in range(400, 420):
        world.remove("PullRequestTracker", f"web-{number}")
    tables = (world.index._by_pull, world.index._by_run, world.index._on_the_way)
    assert [table._keys for table in tables] == [{}] * 3


def test_the_mirrors_forget_names_of_what_was_deleted() -> None:
    world = shop()
    world.remove("GitRepository", "web")
    world.remove("Environment", "dev")
    assert [table._keys for table in (world.mirrors._named, world.mirrors._deployed)] == [{}] * 2


def test_what_cannot_be_read_hides_nothing_else() -> None:
    world = shop()
    world.apply(declared("GitRepository", "broken", {"scmProviderRef": {"name": "github"}}))
    world.apply(declared("TestRunner", "broken", {}))
    world.apply(declared("Environment", "empty", {}))
    assert named(world, PROVIDER, MERGE) == ["shop/web-412"]


def test_who_labelled_or_wrote_concerns_the_tracker_also_once_it_is_merged() -> None:
    world = shop()
    world.apply(tracker(412, status={"attempt": 1, "pullRequest": {"state": "Merged"}}))
    command = InstructionNotice(repository=RepositoryName(full_name="Acme/Web"), number=412, by="grace")
    assert named(world, PROVIDER, MERGE) == []
    assert named(world, PROVIDER, command) == ["shop/web-412 by grace"]
