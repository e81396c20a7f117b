"""Drift of applications: what a look finds, what is written to monitors, and what pull requests show of it."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.drift.activity import PromotedChanges
from activities.drift.monitors import monitor_name
from activities.drift.publishing import DriftStatuses
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.drift import (
    CreateDriftMonitorsInput,
    DriftReading,
    GoneTracker,
    InstanceRef,
    LookForDriftInput,
    LookForDriftResult,
    PresentDriftInput,
    PublishDriftInput,
    SyncDriftedInput,
    Verdict,
    WatchedDeployment,
)
from activities.models.revisions import Relation
from activities.models.state_labels import DRIFTED
from activities.models.tracking import TrackerRef
from activities.presentation import summary_marker
from activities.refusals import following
from crds.api.ports import Document, resource_of
from crds.api.recent import RecentWrites
from crds.reasons.vocabulary import Drift
from crds.v1alpha1.drift_monitor import DriftMonitor
from crds.v1alpha1.environment_status import EnvironmentHold
from crds.v1alpha1.git_repository import RepositoryMode
from crds.v1alpha1.kinds import BY_KIND
from providers.application_models import HelmParameter
from providers.errors import ProviderBlocked, ProviderError, ProviderMalformed, ProviderUnavailable
from providers.models import Comment
from tests.activities.cluster import environment, shop
from tests.activities.fakes import NEW, OLD, OTHER, FakeDeployments, FakeOpener, FakeScm, application
from tests.watcher.fakes import FakeDriftObserver, FakeKubernetes, FakeRollbacks
from workflows.drift import rules
from workflows.runtime.ancestry import KnownAncestry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRACKER = TrackerRef(namespace="shop", name="web-412", uid="uid-web-412", attempt=1)
LATER = TrackerRef(namespace="shop", name="web-413", uid="uid-web-413", attempt=1)
INSTANCE = InstanceRef(namespace="shop", name="argocd", uid="uid-argocd")
WEB = WatchedDeployment(
    deployment="web", application="web-staging", instance="argocd", project="shop", revision=OLD, tag=""
)
NAME = monitor_name("staging", "web", "web-staging")
MONITORS = resource_of(DriftMonitor.definition)


@dataclass
class World:
    """One namespace whose staging runs what was promoted."""

    argocd: FakeDeployments = field(
        default_factory=lambda: FakeDeployments(applications={"web-staging": application()})
    )
    scm: FakeScm = field(default_factory=FakeScm)
    kubernetes: FakeKubernetes = field(default_factory=FakeKubernetes)
    observer: FakeDriftObserver = field(default_factory=FakeDriftObserver)
    rollbacks: FakeRollbacks = field(default_factory=FakeRollbacks)
    ancestry: KnownAncestry = field(default_factory=KnownAncestry)
    opener: FakeOpener = field(init=False)

    def __post_init__(self) -> None:
        self.opener = FakeOpener(scm=self.scm, argocd=self.argocd)
        for (kind, _, _), document in shop().objects.items():
            self.kubernetes.put(resource_of(BY_KIND[kind].definition), document)
        for one in (TRACKER, LATER):
            self.apply("PullRequestTracker", one.name, {"repositoryRef": {"name": "web"}, "number": 412}, status={})

    @property
    def activities(self) -> PromotedChanges:
        return PromotedChanges(self.kubernetes, self.opener)

    def apply(self, kind: str, name: str, spec: dict[str, Any], **content: Any) -> None:
        metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1}
        document = {"apiVersion": "pilotage.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec, **content}
        self.kubernetes.put(resource_of(BY_KIND[kind].definition), document)

    def change(self, name: str = "web-staging", **changes: Any) -> None:
        """Have Argo CD show something else of an application."""
        self.argocd.applications[name] = replace(self.argocd.applications[name], **changes)

    async def create(
        self,
        *deployments: WatchedDeployment,
        tracker: TrackerRef = TRACKER,
        at: datetime = NOON,
        clusters: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        request = CreateDriftMonitorsInput(
            tracker=tracker,
            repository="web",
            environment="staging",
            deployments=deployments or (WEB,),
            promoted_at=at,
            clusters=clusters,
        )
        return (await ActivityEnvironment().run(self.activities.create_drift_monitors, request)).monitors

    async def look(self, **asked: Any) -> LookForDriftResult:
        request = LookForDriftInput(instance=INSTANCE, **asked)
        return await ActivityEnvironment().run(self.activities.look_for_drift, request)

    async def found(self) -> DriftReading:
        """Return the one reading of a look."""
        (reading,) = (await self.look()).readings
        return reading

    async def show(
        self,
        look: LookForDriftResult | None = None,
        *,
        at: datetime | None = None,
        through: RecentWrites | None = None,
    ) -> int:
        """Write what a look found, whatever is found again or not."""
        found = look or await self.look()
        decided = rules.decide(found.readings, self.ancestry)
        changes = tuple(one.change(one.reading.seen) for one in decided)
        return await self.publish(at=at or datetime.now(UTC), through=through, changes=changes)

    async def publish(self, *, at: datetime = NOON, through: RecentWrites | None = None, **content: Any) -> int:
        kubernetes = through or self.kubernetes
        statuses = DriftStatuses(kubernetes=kubernetes, observer=self.observer, rollbacks=self.rollbacks)
        request = PublishDriftInput(instance=INSTANCE, at=at, **content)
        return (await ActivityEnvironment().run(statuses.publish_drift, request)).written

    def monitor(self, name: str = NAME) -> Document:
        return self.kubernetes.objects[MONITORS.plural, "shop", name]

    @property
    def status(self) -> Document:
        found: Document = self.monitor()["status"]
        return found

    async def watched(self, **changes: Any) -> None:
        """Have staging watched and shown as in place, then change what Argo CD shows."""
        await self.create()
        await self.show()
        self.change(**changes)


async def test_each_deployment_gets_a_monitor_that_belongs_to_its_tracker() -> None:
    world = World()
    (name,) = await world.create()
    found = world.monitor(name)
    assert found["metadata"]["ownerReferences"][0]["uid"] == TRACKER.uid
    assert found["spec"]["revision"] == OLD
    assert DriftMonitor.from_wire(found).spec.promoted_at == NOON


async def test_only_the_deployments_that_are_named_get_a_monitor() -> None:
    world = World()
    api = replace(WEB, deployment="api", application="api-staging")
    assert await world.create(WEB, api, clusters=("api",)) == (monitor_name("staging", "api", "api-staging"),)


async def test_a_later_promotion_takes_a_monitor_over_and_keeps_what_people_set() -> None:
    world = World()
    await world.create()
    world.monitor()["spec"]["autoRemediate"] = "sync"
    later = replace(WEB, revision=NEW)
    assert await world.create(later, tracker=LATER, at=NOON + timedelta(hours=1)) == (NAME,)
    found = world.monitor()
    assert found["metadata"]["ownerReferences"][0]["uid"] == LATER.uid
    assert (found["spec"]["revision"], found["spec"]["trackerRef"]["name"]) == (NEW, LATER.name)
    assert found["spec"]["autoRemediate"] == "sync"


@pytest.mark.parametrize(
    ("revision", "at"), [(NEW, NOON - timedelta(hours=1)), (OLD, NOON + timedelta(hours=1))], ids=["older", "same"]
)
async def test_an_older_promotion_and_one_that_brought_nothing_leave_a_monitor_alone(
    revision: str, at: datetime
) -> None:
    world = World()
    await world.create()
    assert await world.create(replace(WEB, revision=revision), tracker=LATER, at=at) == ()
    assert world.monitor()["spec"]["trackerRef"]["name"] == TRACKER.name


async def test_making_monitors_again_changes_nothing() -> None:
    world = World()
    assert await world.create() == await world.create() == (NAME,)
    assert world.kubernetes.writes == []


async def test_what_is_as_it_was_promoted_is_read_once_and_then_only_listed() -> None:
    world = World()
    await world.create()
    found = await world.look()
    assert [one.verdict.kind for one in found.readings] == [None]
    await world.show(found)
    world.argocd.calls.clear()
    assert (await world.look()).readings == ()
    assert world.argocd.calls == ["fingerprints"]
    assert (world.status["drifted"], world.status.get("kind")) == (False, None)


MOVED = {"target_revisions": (OTHER,), "synced_revisions": (OTHER,), "deployed_revisions": (OTHER,)}


@pytest.mark.parametrize("changes", [MOVED, {"target_revisions": (OTHER,), "sync_status": "OutOfSync"}])
async def test_another_revision_that_runs_or_is_asked_for_is_moved_unless_it_contains_the_promoted_one(
    changes: dict[str, Any],
) -> None:
    world = World()
    await world.watched(**changes)
    found = await world.found()
    assert found.moved is not None
    assert (found.moved.kind, found.moved.expected) == (Drift.REVISION_MOVED, OLD[:12])
    assert found.pair is not None
    assert (found.pair.base, found.pair.head) == (OLD, OTHER)


async def rolled_back(world: World, revision: str = OTHER) -> None:
    """Have staging run an older revision, and show what a look finds."""
    world.ancestry.learn(OLD, revision, Relation.BEHIND)
    world.change(target_revisions=(revision,), synced_revisions=(revision,), deployed_revisions=(revision,))
    await world.show()


async def test_an_older_version_that_runs_again_is_shown_and_reported_once() -> None:
    world = World()
    await world.watched()
    await rolled_back(world)
    assert (world.status["kind"], world.status["rolledBackTo"]) == (Drift.REVISION_MOVED, OTHER)
    await world.show(await world.look(first=(NAME,), again=True))
    # An hour later the same is stated once more, without a comparison.
    world.status["lastCheckedAt"] = "2026-01-01T00:00:00Z"
    await world.show()
    assert world.status["rolledBackTo"] == OTHER
    assert world.rollbacks.reported == [(NAME, OTHER)]


async def test_an_outage_reports_no_rollback_again_and_a_return_to_what_was_promoted_ends_it() -> None:
    world = World()
    await world.watched()
    await rolled_back(world)
    world.argocd.errors["fingerprints"] = [ProviderUnavailable("no answer", status=504)]
    await world.publish(silent=(await world.look()).silent)
    assert (world.status["kind"], world.status["rolledBackTo"]) == (Drift.UNKNOWN, OTHER)
    await world.show()
    assert world.rollbacks.reported == [(NAME, OTHER)]
    world.change(target_revisions=(OLD,), synced_revisions=(OLD,), deployed_revisions=(OLD,))
    await world.show()
    assert "rolledBackTo" not in world.status
    await rolled_back(world)
    await rolled_back(world, NEW)
    assert world.rollbacks.reported == [(NAME, OTHER), (NAME, OTHER), (NAME, NEW)]


async def test_who_takes_a_monitor_over_is_rolled_back_by_its_own_right() -> None:
    world = World()
    await world.watched()
    await rolled_back(world)
    await world.create(replace(WEB, revision=NEW), tracker=LATER, at=NOON + timedelta(hours=1))
    world.monitor()["metadata"]["generation"] = 2
    world.ancestry.learn(NEW, OTHER, Relation.BEHIND)
    await world.show()
    assert world.rollbacks.reported == [(NAME, OTHER)] * 2


async def test_an_older_version_that_is_only_asked_for_is_no_rollback_yet() -> None:
    world = World()
    await world.watched(target_revisions=(OTHER,), sync_status="OutOfSync")
    world.ancestry.learn(OLD, OTHER, Relation.BEHIND)
    await world.show()
    assert (world.status["kind"], world.status.get("rolledBackTo")) == (Drift.REVISION_MOVED, None)
    assert world.rollbacks.reported == []


@pytest.mark.parametrize("relation", [Relation.DIVERGED, Relation.UNKNOWN, Relation.AHEAD])
async def test_what_is_not_known_to_be_older_is_no_rollback(relation: Relation) -> None:
    world = World()
    await world.watched(**MOVED)
    world.ancestry.learn(OLD, OTHER, relation)
    await world.show()
    assert world.rollbacks.reported == []
    assert "rolledBackTo" not in world.status


async def test_an_image_of_another_revision_is_a_changed_artifact() -> None:
    world = World()
    image = {"name": "web", "image": "registry.example/web", "tag": "sha-${revision}", "paths": ["**"]}
    repository = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
    world.apply("GitRepository", "web", {**repository, "components": [image]})
    world.change(images=(f"registry.example/web:sha-{OLD}",))
    await world.watched(images=(f"registry.example/web:sha-{OTHER}",))
    found = await world.found()
    assert found.moved is not None
    assert found.moved.kind is Drift.ARTIFACT_CHANGED


async def test_changed_parameters_are_named_and_their_values_never_shown() -> None:
    world = World()
    pointer = "/spec/source/helm/parameters"
    password = HelmParameter(name="db.password", value="hunter2", pointer=f"{pointer}/0")
    kept = HelmParameter(name="replicas", value="3", pointer=f"{pointer}/1")
    world.change(helm_parameters=(password, kept))
    await world.watched(helm_parameters=(replace(password, value="hunter3"), replace(kept, name="size")))
    found = await world.found()
    assert found.verdict.kind is Drift.PARAMETERS_CHANGED
    assert found.verdict.observed == "changed: db.password; added: size; removed: replicas"
    await world.show()
    assert "hunter" not in str(world.monitor())


async def test_the_parameter_that_a_promotion_writes_is_no_part_of_the_baseline() -> None:
    world = World()
    spec = environment("staging")
    spec["write"] = {"argocd": {"set": "HelmParameter", "parameter": "image.tag"}}
    world.apply("Environment", "staging", spec)
    tag = HelmParameter(name="image.tag", value="1", pointer="/spec/source/helm/parameters/0")
    world.change(helm_parameters=(tag,))
    await world.watched(helm_parameters=(replace(tag, value="2"),), health="Degraded")
    assert (await world.found()).verdict.kind is Drift.UNHEALTHY


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"sync_status": "OutOfSync"}, Drift.OUT_OF_SYNC),
        ({"health": "Degraded"}, Drift.UNHEALTHY),
        ({"health": "Missing"}, Drift.UNHEALTHY),
        ({"health": "Progressing"}, None),
    ],
)
async def test_what_argo_cd_shows_of_the_same_revision_is_drift_where_somebody_has_to_act(
    changes: dict[str, Any], kind: Drift | None
) -> None:
    world = World()
    await world.watched(**changes)
    assert (await world.found()).verdict.kind is kind


async def test_an_application_that_was_deleted_is_missing() -> None:
    world = World()
    await world.watched()
    del world.argocd.applications["web-staging"]
    assert (await world.found()).verdict.kind is Drift.APPLICATION_MISSING
    await world.show()
    # Its absence is known by now.
    assert (await world.look()).readings == ()


async def test_nothing_is_shown_while_an_operation_is_under_way() -> None:
    world = World()
    await world.watched(phase="Running", health="Degraded")
    assert (await world.look()).readings == ()


async def test_a_second_look_reads_what_was_found_and_lists_nothing() -> None:
    world = World()
    await world.watched(health="Degraded")
    world.argocd.calls.clear()
    found = await world.look(first=(NAME,), again=True)
    assert [one.verdict.kind for one in found.readings] == [Drift.UNHEALTHY]
    assert world.argocd.calls == ["get"]


@pytest.mark.parametrize(
    "error", [ProviderUnavailable("no answer", status=504), ProviderMalformed("the answer is larger than 8 MiB")]
)
async def test_a_list_that_fails_shows_nothing_of_any_application_but_that_it_is_unknown(error: ProviderError) -> None:
    world = World()
    await world.watched()
    world.argocd.errors["fingerprints"] = [error]
    found = await world.look()
    assert found.readings == ()
    assert [one.project for one in found.silent] == ["shop"]
    await world.publish(silent=found.silent)
    ready = {one["type"]: one for one in world.status["conditions"]}["Ready"]
    assert (world.status["kind"], ready["status"], ready["reason"]) == ("Unknown", "Unknown", "Unknown")
    assert "ArgoCDInstance/argocd" in world.status["observed"]
    # Once it answers, everything is read again.
    await world.show()
    assert world.status["drifted"] is False


async def test_a_missing_secret_makes_the_monitors_of_its_instance_unknown_and_no_others() -> None:
    world = World()
    other = replace(WEB, deployment="api", application="api", instance="other")
    await world.create(WEB, other)
    await world.show()
    world.opener.argocd = None
    (silence,) = (await world.look()).silent
    await world.publish(silent=(silence,))
    assert world.status["kind"] == "Unknown"
    assert "status" not in world.monitor(monitor_name("staging", "api", "api"))


async def test_a_server_that_answers_the_list_alone_is_silent_after_a_few_reads() -> None:
    world = World()
    several = [replace(WEB, application=f"web-{number}") for number in range(20)]
    for one in several:
        world.argocd.applications[one.application] = application(one.application)
    await world.create(*several)
    world.argocd.errors["get"] = [ProviderUnavailable("no answer", status=504)] * 20
    found = await world.look()
    assert [one.project for one in found.silent] == ["shop"]
    assert world.argocd.calls.count("get") <= 11


async def test_a_deployment_that_is_declared_no_more_is_named_and_others_are_judged() -> None:
    world = World()
    await world.create(WEB, replace(WEB, deployment="gone", application="web-staging"))
    found = {one.monitor: one.verdict for one in (await world.look()).readings}
    assert found[NAME].kind is None
    unknown = found[monitor_name("staging", "gone", "web-staging")]
    assert unknown.kind is Drift.UNKNOWN
    assert "no deployment `gone` any more" in unknown.observed


async def test_a_look_reads_so_many_applications_and_the_next_one_goes_on_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("activities.drift.looks.DRIFT_READINGS", 2)
    world = World()
    several = [replace(WEB, application=f"web-{number}") for number in range(5)]
    for one in several:
        world.argocd.applications[one.application] = application(one.application)
    names = sorted(await world.create(*several))
    first = await world.look()
    second = await world.look(cursor=first.cursor)
    assert [one.monitor for one in first.readings] == names[:2]
    assert [one.monitor for one in second.readings] == names[2:4]
    third = await world.look(cursor=second.cursor)
    assert third.readings[0].monitor == names[4]
    # Where the last one had its turn the next pass begins with the first, and not at once.
    assert [(one.left, one.cursor) for one in (first, second, third)] == [(3, names[1]), (1, names[3]), (0, "")]


@dataclass
class Undeclared:
    """Five monitors of what is declared no more, of which a look reads two."""

    world: World
    names: list[str]


@pytest.fixture
async def undeclared(monkeypatch: pytest.MonkeyPatch) -> Undeclared:
    monkeypatch.setattr("activities.drift.looks.DRIFT_READINGS", 2)
    world = World()
    names = await world.create(*(replace(WEB, deployment=f"gone-{number}") for number in range(5)))
    return Undeclared(world=world, names=sorted(names))


async def test_a_pass_goes_on_behind_what_was_read_although_a_suspicion_behind_that_was_read_first(
    undeclared: Undeclared,
) -> None:
    world, names = undeclared.world, undeclared.names
    found = await world.look(first=(names[4],))
    assert [one.monitor for one in found.readings] == [names[4], names[0]]
    assert (found.left, found.cursor) == (3, names[0])


async def test_what_stays_unknown_is_looked_at_once_in_each_pass_and_written_once_an_hour(
    undeclared: Undeclared,
) -> None:
    world, names = undeclared.world, undeclared.names

    async def look_at_all(at: datetime) -> tuple[list[str], int]:
        seen, written, cursor = [], 0, ""
        for _ in range(10):
            look = await world.look(cursor=cursor)
            seen += [one.monitor for one in look.readings]
            written += await world.show(look, at=at)
            if not look.left:
                return seen, written
            cursor = look.cursor
        raise AssertionError(f"a pass has no end: {seen}")

    now = datetime.now(UTC)
    seen, written = await look_at_all(now)
    assert (sorted({*seen}), written) == (names, 5)
    assert (await look_at_all(now + timedelta(minutes=5)))[1] == 0
    assert (await look_at_all(now + timedelta(hours=1)))[1] == 5


async def test_an_instance_that_was_deleted_or_made_again_is_gone() -> None:
    world = World()
    request = LookForDriftInput(instance=replace(INSTANCE, uid="another"))
    assert (await ActivityEnvironment().run(world.activities.look_for_drift, request)).gone


async def test_what_drifted_stands_in_status_condition_event_and_metric_and_goes_when_it_is_over() -> None:
    world = World()
    await world.watched(health="Degraded", ill=("Deployment shop/web is Degraded: CrashLoopBackOff",))
    await world.show()
    conditions = {one["type"]: one for one in world.status["conditions"]}
    assert (world.status["drifted"], world.status["kind"]) == (True, "Unhealthy")
    assert (conditions["InPlace"]["status"], conditions["Ready"]["reason"]) == ("False", "Unhealthy")
    assert "CrashLoopBackOff" in world.status["observed"]
    assert world.observer.shown == ["Unhealthy"]
    assert [reason for _, reason, _ in world.kubernetes.events.values()] == ["Unhealthy"]
    world.change(health="Healthy", ill=())
    await world.show(at=NOON + timedelta(minutes=5))
    assert world.status["drifted"] is False
    assert world.observer.shown == ["Unhealthy", "InPlace"]


async def test_a_write_that_is_repeated_after_a_lost_answer_changes_nothing_that_people_see() -> None:
    world = World()
    await world.watched(health="Degraded")
    found = await world.look()
    await world.show(found, at=NOON)
    before = dict(world.status)
    await world.show(found, at=NOON)
    assert world.status == before
    assert (len(world.kubernetes.events), world.observer.shown) == (1, ["Unhealthy"])


async def test_what_was_seen_of_an_earlier_promotion_is_not_written_over_a_later_one() -> None:
    world = World()
    await world.watched(health="Degraded")
    found = await world.look()
    await world.create(replace(WEB, revision=NEW), tracker=LATER, at=NOON + timedelta(hours=1))
    assert await world.show(found) == 0
    assert world.status["drifted"] is False


async def test_a_monitor_that_was_taken_over_is_written_though_only_the_one_before_is_known() -> None:
    world = World()
    await world.watched(health="Degraded")
    writes = RecentWrites(world.kubernetes)
    assert await world.show(through=writes) == 1
    # By a worker, whose writes the watcher learns of by its watch.
    await world.create(replace(WEB, revision=NEW), tracker=LATER, at=NOON + timedelta(hours=1))
    world.change(target_revisions=(NEW,), synced_revisions=(NEW,), deployed_revisions=(NEW,))
    world.change(operation_synced_revisions=(NEW,))
    assert await world.show(through=writes) == 1
    assert world.status["tracker"] == LATER.name


async def test_a_status_is_renewed_about_once_an_hour_and_shows_when() -> None:
    world = World()
    await world.create()
    await world.show(at=datetime.now(UTC) - timedelta(minutes=61))
    (renewed,) = (await world.look()).readings
    assert renewed.verdict.kind is None
    await world.show(at=datetime.now(UTC))
    assert (await world.look()).readings == ()


def finished(world: World) -> None:
    """Have the tracker's promotion end, with its summary on the pull request."""
    spec = {"repositoryRef": {"name": "web"}, "number": 412, "attempt": 1}
    available = {"type": "WorkflowAvailable", "status": "True", "reason": "Finished", "message": "attempt 1 ended"}
    conditions = [{**available, "lastTransitionTime": "2026-01-01T12:00:00Z"}]
    status = {"state": "Completed", "attempt": 1, "conditions": conditions}
    world.apply("PullRequestTracker", TRACKER.name, spec, status=status)
    body = f"### Pilotage: Completed\n\n{summary_marker('main/shop/web-412')}"
    world.scm.stored_comments.append(Comment(id="1", body=body))


async def present(world: World, *, gone: GoneTracker | None = None) -> Any:
    request = PresentDriftInput(installation="main", namespace="shop", tracker=TRACKER.name, gone=gone)
    return await ActivityEnvironment().run(world.activities.present_drift, request)


async def test_a_finished_pull_request_gets_a_label_and_a_part_of_its_comment_and_loses_both() -> None:
    world = World()
    finished(world)
    world.scm.label_names.append("theirs")
    await world.watched(health="Degraded")
    await world.show()
    await present(world)
    await present(world)
    assert world.scm.label_names == ["theirs", DRIFTED]
    (comment,) = world.scm.stored_comments
    assert comment.body.count("#### Drift") == 1
    assert "**Unhealthy** staging/web" in comment.body
    world.change(health="Healthy")
    await world.show()
    await present(world)
    assert world.scm.label_names == ["theirs"]
    assert "Drift" not in world.scm.stored_comments[0].body
    assert world.scm.stored_comments[0].body.startswith("### Pilotage: Completed\n\n<!--")


async def test_a_deleted_tracker_leaves_nothing_of_drift_on_its_pull_request() -> None:
    world = World()
    finished(world)
    world.scm.label_names.append("theirs")
    await world.watched(health="Degraded")
    await world.show()
    await present(world)
    gone = GoneTracker(name=TRACKER.name, repository="web", number=412, uid=TRACKER.uid)
    await present(world, gone=gone)
    assert world.scm.label_names == ["theirs"]
    assert "Drift" not in world.scm.stored_comments[0].body


async def test_what_is_unknown_leaves_the_label_as_it_is() -> None:
    world = World()
    finished(world)
    await world.watched(health="Degraded")
    await world.show()
    await present(world)
    world.argocd.errors["fingerprints"] = [ProviderUnavailable("no answer", status=504)]
    await world.publish(silent=(await world.look()).silent)
    await present(world)
    assert world.scm.label_names == [DRIFTED]


async def test_a_promotion_that_goes_on_is_reported_instead() -> None:
    world = World()
    await world.watched(health="Degraded")
    await world.show()
    presented = await present(world)
    assert presented.promotion == TRACKER
    assert (presented.notice.drifted, len(presented.notice.lines)) == (True, 1)
    # As the rest of the comment writes times.
    assert re.search(r" since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", presented.notice.lines[0])
    assert world.scm.label_names == []


async def test_a_promotion_whose_end_is_still_being_shown_shows_drift_with_it() -> None:
    world = World()
    finished(world)
    world.kubernetes.objects["pullrequesttrackers", "shop", TRACKER.name]["status"]["conditions"][0]["reason"] = (
        "Running"
    )
    await world.watched(health="Degraded")
    await world.show()
    # What shows the end would else overwrite it, and knows of no drift.
    assert (await present(world)).promotion == TRACKER
    assert (world.scm.label_names, "Drift" in world.scm.stored_comments[0].body) == ([], False)


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_promotion_that_goes_on_takes_for_news_that_a_monitor_is_none_of_its_own_any_more(
    taken_over: bool,
) -> None:
    world = World()
    await world.watched(health="Degraded")
    await world.show()
    before = (await present(world)).notice
    if taken_over:
        newer = replace(WEB, revision=NEW)
        assert await world.create(newer, tracker=LATER, at=NOON + timedelta(hours=1)) == (NAME,)
    else:
        del world.kubernetes.objects[MONITORS.plural, "shop", NAME]
    after = (await present(world)).notice
    assert (after.drifted, after.lines) == (False, ())
    assert after.order > before.order


async def sync(world: World, *, uid: str = "") -> WriteResult:
    request = SyncDriftedInput(namespace="shop", monitor=NAME, key="drift-1", uid=uid)
    return await ActivityEnvironment().run(world.activities.sync_drifted, request)


async def remediated(world: World, **changes: Any) -> None:
    """Have staging watched, drift put right by itself, and something else shown."""
    await world.watched(**changes)
    world.monitor()["spec"]["autoRemediate"] = "sync"


async def test_what_got_out_of_sync_is_synced_once_to_what_was_promoted() -> None:
    world = World()
    await remediated(world, sync_status="OutOfSync")
    assert [(await sync(world)).outcome for _ in range(2)] == [WriteOutcome.DONE, WriteOutcome.ALREADY]
    assert world.argocd.syncs == [("web-staging", (OLD,), "drift-1")]


async def test_a_revision_that_somebody_else_wants_is_never_rolled_back() -> None:
    world = World()
    await remediated(world, target_revisions=(OTHER,), sync_status="OutOfSync")
    assert (await sync(world)).outcome is WriteOutcome.CONFLICT
    assert (world.argocd.syncs, world.argocd.patches) == ([], [])


async def test_what_a_promotion_wrote_as_a_tag_is_synced_as_long_as_it_stands_there() -> None:
    world = World()
    spec = environment("staging")
    spec["write"] = {"argocd": {"set": "HelmParameter", "parameter": "image.tag"}}
    world.apply("Environment", "staging", spec)
    tag = HelmParameter(name="image.tag", value="v1", pointer="/spec/source/helm/parameters/0")
    world.change(helm_parameters=(tag,))
    await world.create(replace(WEB, tag="v1"))
    world.monitor()["spec"]["autoRemediate"] = "sync"
    world.change(sync_status="OutOfSync")
    assert (await sync(world)).outcome is WriteOutcome.DONE
    world.change(helm_parameters=(replace(tag, value="v2"),), operation_pending=False)
    assert (await sync(world)).outcome is WriteOutcome.CONFLICT


async def test_an_observed_repository_shows_nothing_on_its_pull_request_and_requests_no_sync() -> None:
    world = World()
    finished(world)
    world.opener.mode = RepositoryMode.OBSERVE
    repository = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
    world.apply("GitRepository", "web", {**repository, "mode": "Observe"})
    await remediated(world, sync_status="OutOfSync")
    await world.show()
    await present(world)
    assert (world.status["kind"], world.scm.label_names) == ("OutOfSync", [])
    assert (await sync(world)).outcome is WriteOutcome.REFUSED
    assert world.argocd.syncs == []


async def test_a_sync_window_is_waited_for_and_what_is_in_sync_by_then_is_left_alone() -> None:
    world = World()
    await remediated(world, sync_status="OutOfSync")
    world.argocd.errors["sync"] = [ProviderBlocked("a sync window")]
    assert (await sync(world)).outcome is WriteOutcome.BLOCKED
    world.change(sync_status="Synced")
    assert (await sync(world)).outcome is WriteOutcome.ALREADY
    assert world.argocd.syncs == []


async def test_no_sync_is_requested_while_a_person_holds_the_environment() -> None:
    world = World()
    await remediated(world, sync_status="OutOfSync")
    until = NOON + timedelta(hours=2)
    world.opener.holds["staging"] = EnvironmentHold(id="hold-1", by="alice", since=NOON, until=until)
    held = await sync(world)
    assert (held.outcome, held.until) == (WriteOutcome.HELD, until)
    assert "staging is held by alice" in held.message
    assert world.argocd.syncs == []
    world.opener.holds.clear()
    assert (await sync(world)).outcome is WriteOutcome.DONE


async def test_a_sync_is_requested_with_no_secret_that_was_read_before() -> None:
    world = World()
    await remediated(world, sync_status="OutOfSync")
    with following() as reached:
        await sync(world)
    assert reached.shares_none


@pytest.mark.parametrize(
    "write",
    [
        {
            "git": {
                "repositoryRef": {"name": "config"},
                "branch": "main",
                "edits": [{"file": "a", "kustomizeImage": "web"}],
            }
        },
        {"branch": {"repositoryRef": {"name": "config"}, "source": "main", "target": "prod"}},
    ],
    ids=["files", "a branch"],
)
async def test_what_git_is_written_for_is_synced_by_no_drift(write: dict[str, Any]) -> None:
    world = World()
    world.apply("Environment", "staging", {**environment("staging"), "write": write})
    await remediated(world, sync_status="OutOfSync")
    assert (await sync(world)).outcome is WriteOutcome.REFUSED
    assert world.argocd.syncs == []


async def test_only_a_monitor_that_wants_it_asks_for_syncs() -> None:
    world = World()
    await world.watched(sync_status="OutOfSync")
    assert not (await world.found()).syncs
    world.monitor()["spec"]["autoRemediate"] = "sync"
    assert (await world.found()).syncs


def test_names_of_monitors_differ_wherever_what_they_watch_does() -> None:
    named = {
        monitor_name(*one)
        for one in [
            ("dev", "web", "web"),
            ("dev", "web/team", "web"),
            ("dev-web", "team", "web"),
            ("dev", "web", "team/web"),
            ("d" * 63, "w" * 317, "a" * 253),
        ]
    }
    assert len(named) == 5
    assert all(len(one) <= 128 for one in named)


def test_the_verdict_of_what_is_unknown_keeps_its_text_within_bounds() -> None:
    assert len(Verdict(kind=Drift.UNKNOWN, observed="🚢" * 1000).observed.encode()) <= 300
