"""One look at a repository's list: who gets news, which trackers are made, and what is never done twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import known_trackers
from activities.discovery import tracker_name
from activities.models.repository_sync import (
    LATER_KEPT,
    MADE_KEPT,
    ListCursor,
    Remembered,
    SyncRepositoryInput,
    SyncRepositoryResult,
)
from activities.models.tracking import PullRequestState
from activities.repository_sync import READS_PER_LOOK, RepositorySyncs
from crds.api.ports import ApiForbidden, ApiResource, Document
from deploy.local.sandbox import seed
from deploy.local.sandbox.server import running_sandbox
from providers.errors import ProviderNotFound, ProviderUnavailable
from providers.http import HttpClients, HttpOptions
from providers.models import Capabilities, ChangeState, HostPullRequest
from providers.ports import ScmHost
from providers.pull_request_lists import ListedPullRequest
from tests.activities.cluster import Cluster, shop
from tests.activities.fakes import NEW, NOON, OLD, FakeOpener, FakeReceivers, FakeScm, FakeSink
from tests.providers.hosts import github

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DISCOVERY: dict[str, Any] = {"baseBranches": [{"baseBranch": "main", "environment": "dev"}]}


def listed(number: int, state: ChangeState = ChangeState.MERGED, *, ago: timedelta = HOUR, **fields: Any) -> Any:
    """Return a pull request that changed so long ago for the last time."""
    apart = {name: fields.pop(name) for name in ("whole", "labels_listed") if name in fields}
    change = HostPullRequest(
        number=number,
        title=f"Change {number}",
        author=fields.pop("author", "ada"),
        url=f"https://scm.example/{number}",
        state=state,
        head_sha=OLD,
        merge_sha=NEW if state is ChangeState.MERGED else None,
        branch=f"change-{number}",
        base_branch=fields.pop("base_branch", "main"),
        labels=fields.pop("labels", ()),
    )
    merged_at = NOON - ago if state is ChangeState.MERGED else None
    return ListedPullRequest(change=change, updated_at=NOON - ago, merged_at=merged_at, **apart)


class Killed(BaseException):
    """End the process at work, as no error of anybody's would."""


@dataclass
class Mortal(Cluster):
    """A cluster whose caller is killed after so many trackers were made, once."""

    killed_after: int | None = None

    async def create(self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any]) -> Document:
        if self.killed_after == 0:
            self.killed_after = None
            raise Killed
        if self.killed_after is not None:
            self.killed_after -= 1
        return await super().create(resource, namespace, document)


def mortal() -> Mortal:
    cluster = shop()
    return Mortal(objects=cluster.objects, secrets=cluster.secrets)


@dataclass
class Scene:
    """One repository, its list and its trackers; each look begins with what the one before remembered."""

    cluster: Mortal = field(default_factory=mortal)
    scm: FakeScm = field(default_factory=FakeScm)
    host: ScmHost | None = None
    """What is asked in the place of the fake."""
    receivers: FakeReceivers = field(default_factory=FakeReceivers)
    now: datetime = NOON
    cursor: ListCursor = field(default_factory=lambda: ListCursor(since=NOON - DAY))
    """As of a repository that was followed yesterday."""
    remembered: Remembered = field(default_factory=Remembered)

    def __post_init__(self) -> None:
        self.repository["metadata"]["uid"] = "uid-web"

    @property
    def repository(self) -> dict[str, Any]:
        return self.cluster.objects["GitRepository", "shop", "web"]

    def discover(self, **fields: Any) -> None:
        self.repository["spec"]["discovery"] = {**DISCOVERY, **fields}

    def show(self, *pulls: ListedPullRequest) -> None:
        """Put pull requests into the list, the one updated last first."""
        numbers = {one.change.number for one in pulls}
        kept = [one for one in self.scm.listed if one.change.number not in numbers]
        self.scm.listed = tuple(sorted([*pulls, *kept], key=lambda one: one.updated_at, reverse=True))

    def track(self, *numbers: int, state: str = "AwaitingMerge") -> None:
        for number in numbers:
            self.cluster.add(
                "PullRequestTracker",
                tracker_name("web", number),
                {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev", "attempt": 1},
                status={"state": state, "attempt": 1},
            )
            metadata = self.cluster.objects["PullRequestTracker", "shop", tracker_name("web", number)]["metadata"]
            metadata["uid"] = f"uid-{number}"

    @property
    def trackers(self) -> set[int]:
        return {one["spec"]["number"] for (kind, _, _), one in self.cluster.objects.items() if _is_tracker(kind)}

    def untrack(self, number: int) -> None:
        self.cluster.remove("PullRequestTracker", tracker_name("web", number))

    async def look(self, *, keep: bool = True) -> SyncRepositoryResult:
        """Look once; without `keep` as if the answer had been lost."""
        syncs = RepositorySyncs(
            self.cluster.port(),
            FakeOpener(scm=self.host or self.scm),
            self.receivers,
            FakeSink(),
            clock=lambda: self.now,
        )
        request = SyncRepositoryInput(
            namespace="shop",
            repository="web",
            uid="uid-web",
            cursor=self.cursor,
            remembered=self.remembered,
        )
        result: SyncRepositoryResult = await ActivityEnvironment().run(syncs.sync_repository, request)
        if keep:
            self.cursor, self.remembered = result.cursor, result.remembered
        return result

    async def looks(self) -> list[SyncRepositoryResult]:
        """Look until the list is read to its end."""
        results = [await self.look()]
        while results[-1].more:
            results.append(await self.look())
        return results

    async def look_at_each(self) -> SyncRepositoryResult:
        """Look once, and read by itself what the list shows."""
        self.scm.changes_by_number = {one.change.number: one.change for one in self.scm.listed}
        return await self.look()

    @property
    def signalled(self) -> list[tuple[str, PullRequestState]]:
        return [(name, news.pull_request.state) for name, news in self.receivers.news]


def _is_tracker(kind: str) -> bool:
    return kind == "PullRequestTracker"


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_merge_is_signalled_to_its_tracker_once(scene: Scene) -> None:
    scene.track(7)
    scene.show(listed(7, ChangeState.OPEN, ago=2 * HOUR), listed(8, ago=2 * HOUR))
    await scene.look()
    scene.receivers.news.clear()
    scene.show(listed(7, ago=HOUR))
    result = await scene.look()
    assert scene.signalled == [("web-7", PullRequestState.MERGED)]
    assert result.calls == 1
    again = await scene.look()
    assert again.unchanged
    assert len(scene.receivers.news) == 1


@pytest.mark.parametrize("dated", [datetime.max.replace(tzinfo=UTC), NOON + timedelta(days=40_000)])
async def test_a_pull_request_of_the_next_century_hides_no_news(scene: Scene, dated: datetime) -> None:
    scene.track(7, 8)
    scene.show(replace(listed(8, ChangeState.OPEN), updated_at=dated), listed(7, ChangeState.OPEN, ago=2 * HOUR))
    await scene.look()
    scene.receivers.news.clear()
    scene.show(listed(7, ago=HOUR))
    for _ in range(2):
        await scene.look()
    assert scene.signalled == [("web-7", PullRequestState.MERGED)]


async def test_times_of_no_time_are_no_reason_to_stop_looking(scene: Scene) -> None:
    scene.track(7)
    scene.cursor = ListCursor()
    scene.discover()
    scene.show(replace(listed(7, ChangeState.OPEN), updated_at=datetime.min.replace(tzinfo=UTC)))
    assert [(await scene.look()).listed for _ in range(2)] == [1, 0]
    scene.show(listed(7, ago=HOUR))
    await scene.look()
    assert scene.signalled[-1] == ("web-7", PullRequestState.MERGED)


async def test_entries_that_cannot_be_read_are_named(scene: Scene) -> None:
    scene.scm.unreadable = "1 of 2 entries cannot be read: no `state`"
    scene.show(listed(7))
    [failure] = (await scene.look()).failures
    assert failure.message == scene.scm.unreadable


async def test_a_thousand_trackers_that_wait_cost_one_call_a_look(scene: Scene) -> None:
    numbers = range(1, 1001)
    scene.track(*numbers)
    scene.show(*(listed(number, ChangeState.OPEN, ago=DAY + number * timedelta(minutes=1)) for number in numbers))
    assert [(await scene.look()).calls for _ in range(3)] == [1, 1, 1]
    scene.show(listed(700, ago=timedelta(0)))
    result = await scene.look()
    assert (result.calls, result.signalled, scene.signalled[-1]) == (1, 1, ("web-700", PullRequestState.MERGED))


async def test_nothing_is_read_of_trackers_and_pull_requests_while_the_list_is_as_it_was(scene: Scene) -> None:
    scene.track(7)
    scene.discover()
    scene.show(listed(7, ChangeState.OPEN))
    await scene.look()
    scene.scm.calls.clear()
    scene.cluster.pages = 0
    result = await scene.look()
    assert (result.unchanged, result.calls, scene.scm.calls, scene.cluster.pages) == (True, 1, ["page"], 0)


async def test_trackers_are_made_for_what_matches_alone(scene: Scene) -> None:
    scene.discover(requiredLabels=["Ship"], authors=["Ada"], mergedWithin="24h")
    ship: dict[str, Any] = {"labels": ("ship", "x")}
    scene.show(
        listed(1, **ship),
        listed(2, ChangeState.OPEN, ago=400 * DAY, **ship),
        listed(3, ago=2 * DAY, **ship),
        listed(4, ChangeState.CLOSED, **ship),
        listed(5, author="mallory", **ship),
        listed(6, base_branch="next", **ship),
        listed(7, labels=("x",)),
        listed(8, labels_listed=False, **ship),
    )
    result = await scene.look()
    assert scene.trackers == {1, 2}
    assert result.made == ("web-1", "web-2")
    assert result.discovered is not None
    assert result.discovered.complete
    made = scene.cluster.objects["PullRequestTracker", "shop", "web-1"]
    assert made["spec"] == {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev"}
    assert made["metadata"]["labels"] == {"pilotage.dev/discovered-by": "web"}


async def test_each_branch_has_an_environment_of_its_own_and_trackers_carry_the_template(scene: Scene) -> None:
    branches = [{"baseBranch": "main", "environment": "dev"}, {"baseBranch": "next", "environment": "staging"}]
    template = {"labels": {"team": "web"}, "annotations": {"example.com/why": "discovered"}}
    scene.discover(baseBranches=branches, trackerTemplate=template)
    scene.show(listed(1), listed(2, base_branch="next"))
    await scene.look()
    found = [scene.cluster.objects["PullRequestTracker", "shop", f"web-{number}"] for number in (1, 2)]
    assert [one["spec"]["environment"] for one in found] == ["dev", "staging"]
    assert found[0]["metadata"]["labels"]["team"] == "web"
    assert found[0]["metadata"]["annotations"] == {"example.com/why": "discovered"}


async def test_a_tracker_that_was_deleted_on_purpose_stays_deleted(scene: Scene) -> None:
    scene.discover()
    scene.show(listed(1, ChangeState.OPEN))
    await scene.look()
    scene.untrack(1)
    scene.show(listed(1, ChangeState.OPEN, ago=timedelta(0), labels=("again",)))
    result = await scene.look()
    assert (scene.trackers, result.made) == (set(), ())


async def test_a_tracker_of_a_person_that_was_deleted_is_not_made_either(scene: Scene) -> None:
    scene.discover(requiredLabels=["ship"])
    scene.track(1)
    scene.show(listed(1, ChangeState.OPEN))
    await scene.look()
    scene.untrack(1)
    scene.show(listed(1, ChangeState.OPEN, ago=timedelta(0), labels=("ship",)))
    await scene.look()
    assert scene.trackers == set()


async def test_another_discovery_is_looked_for_among_all_pull_requests(scene: Scene) -> None:
    scene.track(9)
    scene.show(listed(1, ChangeState.OPEN, ago=90 * DAY), listed(2, ago=2 * DAY), listed(9, ago=timedelta(0)))
    await scene.look()
    assert scene.trackers == {9}
    scene.discover()
    await scene.looks()
    assert scene.trackers == {1, 9}
    scene.discover(mergedWithin="72h")
    await scene.looks()
    assert scene.trackers == {1, 2, 9}
    assert (await scene.look()).unchanged


async def test_ten_thousand_old_pull_requests_at_github_are_listed_once_and_cost_no_quota_again(scene: Scene) -> None:
    matching = (17, 1234, 5000, 9998, 10_000)
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    async with running_sandbox() as sandbox:
        github_state = sandbox.state.github
        repository = github_state.repositories[seed.REPOSITORY]
        sides = {"head": {"ref": "umbrellas", "sha": seed.HEAD_SHA}, "base": {"ref": "main", "sha": seed.PREVIOUS_SHA}}
        for number in range(1, 10_001):
            merged = {"merged": True, "merge_sha": seed.MERGE_SHA} if number not in matching else {}
            age = 50 * DAY.total_seconds() + 60 * (10_000 - number)
            github_state.add_pull(repository, {"number": number, "age_seconds": age, **sides, **merged})
        scene.host = github(clients, base=f"{sandbox.url}/github", token=seed.GITHUB_TOKEN)
        scene.now = datetime.now(UTC)
        scene.discover(mergedWithin="168h")
        results = await scene.looks()
        listed_calls = [one["status"] for one in sandbox.state.journal.entries(system="github")]
        assert (scene.trackers, set(listed_calls)) == (set(matching), {200})
        assert len(listed_calls) == sum(one.calls for one in results) <= 110
        # The first look at what changed since asks for a shorter page.
        idle = [await scene.look() for _ in range(4)][1:]
        asked = [one["status"] for one in sandbox.state.journal.entries(system="github")]
        assert (asked[len(listed_calls) + 1 :], [one.unchanged for one in idle]) == ([304] * 3, [True] * 3)
        await clients.aclose()


async def test_a_look_whose_answer_was_lost_makes_nothing_twice(scene: Scene) -> None:
    scene.discover()
    scene.show(listed(1), listed(2))
    scene.track(2, state="Completed")
    first = await scene.look(keep=False)
    second = await scene.look()
    assert (first.made, second.made) == (("web-1",), ())
    assert scene.trackers == {1, 2}
    assert set(scene.remembered.made) == {1, 2}


async def test_one_that_is_killed_between_two_trackers_leaves_each_to_be_made_once(scene: Scene) -> None:
    scene.discover()
    scene.show(*(listed(number) for number in range(1, 6)))
    scene.cluster.killed_after = 2
    with pytest.raises(Killed):
        await scene.look()
    assert scene.trackers == {1, 2}
    result = await scene.look()
    assert result.made == ("web-3", "web-4", "web-5")
    assert scene.trackers == {1, 2, 3, 4, 5}


async def test_beyond_the_cap_matches_wait_and_are_made_once_there_is_room(scene: Scene) -> None:
    scene.discover(maxTrackers=2)
    scene.show(*(listed(number) for number in range(1, 5)))
    result = await scene.look()
    assert scene.trackers == {1, 2}
    assert result.discovered is not None
    assert (result.discovered.complete, result.discovered.reason) == (False, "TooManyMatches")
    scene.scm.calls.clear()
    assert (await scene.look()).discovered == result.discovered
    assert scene.scm.calls == ["page"]
    scene.track(1, state="Completed")
    scene.scm.change = listed(3).change
    await scene.look()
    assert scene.trackers == {1, 2, 3}


async def test_what_is_waited_for_in_too_many_numbers_is_read_again_as_a_whole(scene: Scene) -> None:
    scene.discover(maxTrackers=1)
    scene.scm.list_page = 100
    scene.show(*(listed(number) for number in range(1, LATER_KEPT + 50)))
    await scene.looks()
    assert len(scene.remembered.later) == LATER_KEPT
    assert scene.remembered.read_again
    scene.remembered = replace(scene.remembered, later=())
    result = await scene.look()
    assert (result.cursor.since, result.remembered.read_again) == (None, False)


@dataclass
class Refusing(Mortal):
    """A cluster that takes no tracker of some pull requests, and for a while none at all."""

    refused: set[int] = field(default_factory=set)
    away: bool = False

    async def create(self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any]) -> Document:
        if self.away or document["spec"]["number"] in self.refused:
            raise ApiForbidden("admission webhook denied the request", status=403)
        return await super().create(resource, namespace, document)


def refusing(*refused: int) -> Scene:
    """Return a scene with many matches, of which some never get a tracker, and at first none."""
    cluster = mortal()
    scene = Scene(
        cluster=Refusing(objects=cluster.objects, secrets=cluster.secrets, refused={*refused}, away=True),
        cursor=ListCursor(),
    )
    scene.scm.list_page = 100
    scene.discover(maxTrackers=1000)
    return scene


def recover(scene: Scene) -> None:
    assert isinstance(scene.cluster, Refusing)
    scene.cluster.away = False


async def test_what_can_never_be_made_keeps_no_other_one_from_its_turn() -> None:
    refused, others = range(1, READS_PER_LOOK + 1), range(100, 103)
    scene = refusing(*refused)
    scene.show(*(listed(number) for number in (*refused, *others)))
    await scene.look()
    recover(scene)
    for _ in range(2):
        await scene.look_at_each()
    assert scene.trackers == {*others}
    assert set(scene.remembered.later) == {*refused}


async def test_what_had_no_room_is_read_again_although_some_of_the_others_can_never_be_made() -> None:
    many = range(1, LATER_KEPT + 51)
    scene = refusing(1)
    scene.show(*(listed(number) for number in many))
    await scene.looks()
    assert (len(scene.remembered.later), scene.remembered.read_again) == (LATER_KEPT, True)
    recover(scene)
    for _ in range(20):
        await scene.look_at_each()
    assert scene.trackers == {*many} - {1}
    assert (scene.remembered.later, scene.remembered.read_again) == ((1,), False)


async def test_news_of_a_tracker_are_not_left_out_for_those_that_wait_for_room() -> None:
    scene = Scene(cursor=ListCursor())
    scene.scm.list_page = 100
    scene.discover(maxTrackers=1)
    scene.track(9000)
    scene.show(*(listed(number) for number in range(1, LATER_KEPT + 50)))
    await scene.looks()
    assert len(scene.remembered.later) == LATER_KEPT
    scene.receivers.errors = [ApplicationError("Temporal is away")]
    scene.show(listed(9000, ago=timedelta(0)))
    await scene.look()
    assert 9000 in scene.remembered.later
    await scene.look_at_each()
    assert [name for name, _ in scene.signalled] == ["web-9000"]


async def test_old_pull_requests_in_great_number_cost_a_call_a_page(scene: Scene) -> None:
    scene.discover()
    scene.scm.list_page = 100
    scene.show(*(listed(number, ago=(90 - number // 200) * DAY) for number in range(1, 10_001)))
    scene.show(*(listed(number, ChangeState.OPEN, ago=50 * DAY) for number in (17, 1234, 5000, 9998, 10_000)))
    results = await scene.looks()
    assert scene.trackers == {17, 1234, 5000, 9998, 10_000}
    assert sum(one.calls for one in results) <= 110
    assert (await scene.look()).unchanged


async def test_a_tracker_that_cannot_be_made_is_made_by_the_next_look(scene: Scene) -> None:
    scene.discover()
    scene.show(listed(1))
    scene.cluster.create_errors = [ApiForbidden("may not create trackers", status=403)]
    result = await scene.look()
    assert result.discovered is not None
    assert (result.discovered.reason, result.failures[0].object) == ("TrackersRefused", "pull request #1")
    scene.scm.change = listed(1).change
    assert (await scene.look()).made == ("web-1",)


async def test_news_that_could_not_be_sent_are_sent_by_the_next_look(scene: Scene) -> None:
    scene.track(1, 2)
    scene.show(listed(1), listed(2))
    scene.receivers.errors = [RuntimeError("away")]
    await scene.look()
    assert scene.signalled == [("web-2", PullRequestState.MERGED)]
    scene.scm.change = listed(1).change
    await scene.look()
    assert scene.signalled[1:] == [("web-1", PullRequestState.MERGED)]


async def test_a_tracker_deleted_by_hand_mid_promotion_ends_no_look(scene: Scene) -> None:
    scene.track(1)
    scene.show(listed(1, ChangeState.OPEN))
    await scene.look()
    scene.untrack(1)
    scene.show(listed(1, ago=timedelta(0)), listed(2, ago=timedelta(0)))
    result = await scene.look()
    assert (result.failures, result.signalled) == ((), 0)


async def test_what_a_list_leaves_out_is_read_for_trackers_alone(scene: Scene) -> None:
    scene.scm.capabilities = Capabilities(labels=False)
    scene.track(1)
    scene.scm.change = listed(1).change
    scene.show(*(listed(number, whole=False, labels_listed=False) for number in (1, 2, 3)))
    result = await scene.look()
    assert (result.calls, scene.scm.calls) == (2, ["page", "get"])
    assert scene.receivers.news[0][1].pull_request.merge_sha == NEW


async def test_where_a_list_knows_no_order_by_update_what_is_open_no_more_is_read(scene: Scene) -> None:
    scene.scm.lists_by_update = False
    scene.track(1, 2)
    scene.show(listed(1, ChangeState.OPEN), listed(2, ChangeState.OPEN))
    await scene.look()
    scene.receivers.news.clear()
    scene.scm.listed = scene.scm.listed[1:]
    [left] = [one.change.number for one in scene.scm.listed]
    gone = 3 - left
    scene.scm.change = listed(gone).change
    await scene.look()
    assert scene.signalled == [(f"web-{gone}", PullRequestState.MERGED)]
    scene.scm.calls.clear()
    await scene.look()
    assert scene.scm.calls == ["page"]


@pytest.mark.parametrize("uid", ["uid-other", None], ids=["recreated", "deleted"])
async def test_a_repository_that_is_gone_is_looked_at_no_more(scene: Scene, uid: str | None) -> None:
    if uid is None:
        scene.cluster.remove("GitRepository", "web")
    else:
        scene.repository["metadata"]["uid"] = uid
    result = await scene.look(keep=False)
    assert (result.gone, scene.scm.calls) == (True, [])


@pytest.mark.parametrize("error", [ProviderNotFound("gone"), ProviderUnavailable("away")], ids=["renamed", "away"])
async def test_a_host_that_does_not_list_fails_the_look_and_changes_nothing(scene: Scene, error: Any) -> None:
    scene.track(7)
    scene.show(listed(7))
    scene.scm.errors = {"page": [error]}
    with pytest.raises(ApplicationError) as raised:
        await scene.look()
    assert raised.value.type == type(error).__name__
    assert scene.receivers.news == []
    await scene.look()
    assert scene.signalled == [("web-7", PullRequestState.MERGED)]


async def test_of_two_that_name_one_repository_the_younger_makes_no_trackers(scene: Scene) -> None:
    scene.discover()
    scene.show(listed(1))
    scene.repository["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    scene.cluster.add(
        "GitRepository", "older", {**scene.repository["spec"], "github": {"owner": "ACME", "name": "Web"}}
    )
    older = scene.cluster.objects["GitRepository", "shop", "older"]["metadata"]
    older.update({"creationTimestamp": "2026-01-01T00:00:00Z", "uid": "uid-older"})
    result = await scene.look()
    assert scene.trackers == set()
    assert result.discovered is not None
    assert (result.discovered.reason, "`older`" in result.discovered.message) == ("Conflict", True)


async def test_what_is_remembered_stays_small_and_forgets_towards_making_nothing(scene: Scene) -> None:
    scene.discover(maxTrackers=1000)
    scene.scm.list_page = 100
    scene.remembered = Remembered(made=tuple(range(1, MADE_KEPT + 1)))
    scene.show(listed(MADE_KEPT + 1), listed(MADE_KEPT + 2))
    await scene.look()
    assert (len(scene.remembered.made), scene.remembered.floor) == (MADE_KEPT, 2)
    scene.show(listed(1, ChangeState.OPEN, ago=timedelta(0)))
    assert (await scene.look()).made == ()


async def test_many_news_list_the_trackers_instead_of_asking_for_each(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_trackers, "_LISTED_FROM", 5)
    numbers: Iterable[int] = range(1, 11)
    scene.track(*numbers)
    scene.show(*(listed(number) for number in numbers))
    await scene.look()
    assert scene.cluster.pages == 1
    assert len(scene.signalled) == 10


async def test_a_list_of_trackers_is_no_longer_than_the_news_however_many_there_are(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_trackers, "_LISTED_FROM", 5)
    scene.track(*range(1000, 2000))
    scene.show(*(listed(number) for number in range(1990, 2000)))
    await scene.look()
    assert scene.cluster.pages == 2
    assert {name for name, _ in scene.signalled} == {tracker_name("web", number) for number in range(1990, 2000)}


LEFT = ("pilotage/testing", "pilotage/env/staging", "promoted/staging")


@pytest.fixture
def testing(scene: Scene) -> Scene:
    """A tracker in Testing, after its first hop, that shows the pull request as it was before its labels."""
    scene.track(1)
    status = scene.cluster.objects["PullRequestTracker", "shop", "web-1"]["status"]
    status |= {
        "state": "Testing",
        "environment": "staging",
        "promotions": [{"target": "staging", "result": "Promoted"}, {"target": "prod", "result": "Failed"}],
        "pullRequest": {
            "state": "Merged",
            "headSHA": OLD,
            "mergeSHA": NEW,
            "title": "Change 1",
            "baseBranch": "main",
            "labels": ["ship", "pilotage/pending"],
        },
    }
    return scene


@pytest.mark.parametrize("others", [0, 30])
async def test_labels_that_a_promotion_left_itself_are_no_news_to_it(testing: Scene, others: int) -> None:
    numbers = range(2, 2 + others)
    testing.track(*numbers)
    testing.show(listed(1, labels=("ship", *LEFT)), *map(listed, numbers))
    await testing.look()
    assert {name for name, _ in testing.signalled} == {tracker_name("web", number) for number in numbers}


@pytest.mark.parametrize("others", [0, 30])
async def test_the_first_labels_of_a_promotion_that_waits_for_its_merge_are_no_news_to_it(
    testing: Scene, others: int
) -> None:
    status = testing.cluster.objects["PullRequestTracker", "shop", "web-1"]["status"]
    status |= {"state": "AwaitingMerge", "environment": "dev", "promotions": []}
    status["pullRequest"] |= {"state": "Open", "mergeSHA": None}
    numbers = range(2, 2 + others)
    testing.track(*numbers)
    testing.show(listed(1, ChangeState.OPEN, labels=("ship", "pilotage/awaiting-merge")), *map(listed, numbers))
    await testing.look()
    assert {name for name, _ in testing.signalled} == {tracker_name("web", number) for number in numbers}


@pytest.mark.parametrize(
    "labels",
    [
        ("ship", *LEFT, "pilotage/hold"),
        ("ship", *LEFT, "pilotage/ready-to-promote"),
        ("ship", *LEFT, "promoted/prod"),
        ("ship", *LEFT[1:]),
        ("ship", *LEFT[:2]),
        ("ship", "pilotage/testing", "pilotage/env/prod", "promoted/staging"),
        LEFT,
    ],
)
async def test_labels_that_people_set_or_took_off_are_news(testing: Scene, labels: tuple[str, ...]) -> None:
    testing.show(listed(1, labels=labels))
    await testing.look()
    assert [news.pull_request.labels for _, news in testing.receivers.news] == [labels]
