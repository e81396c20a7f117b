"""The world in which the real workflows live: what is declared, who signals whom, what gets lost on the way."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from activities.models.configuration import (
    EnvironmentView,
    FindPolicyInput,
    FindPolicyResult,
    ListTrackersInput,
    ListTrackersResult,
    PolicyOutcome,
    PolicySnapshot,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
    TrackersCursor,
)
from activities.models.delivery import DeploymentRuns, ReadDeploymentsInput
from activities.models.drift import CreateDriftMonitorsInput, CreateDriftMonitorsResult
from activities.models.memberships import (
    JoinPlaceInput,
    JoinPlaceResult,
    OpenHopInput,
    OpenHopResult,
    SendViewsInput,
    SendViewsResult,
    TakeLaneInput,
    TakeLaneResult,
)
from activities.models.places import MemberSignal, PlaceSignal, SendViewInput
from activities.models.revisions import (
    CompareRevisionsInput,
    CompareRevisionsResult,
    ListChangedFilesInput,
    ListChangedFilesResult,
    PresentInput,
    PresentResult,
    ReadPullRequestInput,
    ReadPullRequestResult,
    Shown,
)
from activities.models.status import PublishPlaceInput, PublishStatusInput, PublishStatusResult
from activities.models.steering import ReadInstructionsInput, ReadInstructionsResult
from activities.models.testing import PollTestsInput, PollTestsResult, TriggerRoundInput, TriggerRoundResult
from activities.models.tracking import Component, RepositoryView, Timings, TrackerRef
from activities.parts import runs_of
from tests.workflows.environment.facts import COMPONENTS, ENVIRONMENTS, Commits, attempt_key
from tests.workflows.journeys.applications import Applications
from tests.workflows.journeys.oracle import Oracle
from tests.workflows.journeys.pipelines import Pipelines
from tests.workflows.journeys.traveller import INSTALLATION, NAMESPACE, REPOSITORY, Traveller
from tests.worlds.refusals import missing
from tests.worlds.stage import NOTHING, Run, Stage
from workflows.environment.state import EnvironmentStart
from workflows.environment.workflow import EnvironmentWorkflow
from workflows.identity import environment_workflow_id

TIMINGS = Timings(
    poll_initial=timedelta(seconds=4),
    poll_maximum=timedelta(seconds=12),
    poll_gap=timedelta(seconds=1),
    backstop=timedelta(seconds=120),
    holder_backstop=timedelta(seconds=40),
    merge_initial=timedelta(seconds=30),
    merge_maximum=timedelta(seconds=120),
    reference_initial=timedelta(seconds=2),
    reference_maximum=timedelta(seconds=20),
    observe_initial=timedelta(seconds=5),
    observe_maximum=timedelta(seconds=20),
    watch=timedelta(seconds=20),
    activity_start_to_close=timedelta(seconds=15),
    present_deadline=timedelta(seconds=60),
    listing_lag=timedelta(seconds=1),
)

TRIGGERS = ("trigger_round", "trigger_test")
WRITES = ("deliver_application", "sync_application")


class World:
    """Everything that is true, and the faults."""

    def __init__(self, seed: int) -> None:
        self.timings = TIMINGS
        self.seed = seed
        self._dice: dict[str, random.Random] = {}
        self.calm = False
        self.losses, self.lateness, self.slow_triggers = 0.05, 0.1, 0.05
        self.stage = Stage(self)
        self.commits = Commits(digits=7)
        self.applications = Applications(self.stage)
        self.pipelines = Pipelines(self.stage)
        self.travellers: dict[str, Traveller] = {}
        self.policies: dict[str, PolicySnapshot] = {}
        self.wave_pause = timedelta(0)
        self.delivered: dict[tuple[str, str], MemberSignal] = {}
        """(environment, uid) -> newest view that any run of the place was given."""
        self.writing: dict[int, tuple[str, str]] = {}
        """Write and sync activities in flight: id of the request -> (environment, attempt)."""
        self._watching: dict[int, float] = {}
        self.oracle = Oracle(self)
        self.applications.started = self.oracle.operation_starts

    def dice(self, concern: str) -> random.Random:
        """Return dice for one concern alone, so that one more status written does not turn a story into another."""
        if concern not in self._dice:
            self._dice[concern] = random.Random(f"{self.seed} {concern}")
        return self._dice[concern]

    def travel(self, components: tuple[str, ...]) -> Traveller:
        """Open a pull request."""
        number = len({one.ref.uid for one in self.travellers.values()}) + 1
        ref = TrackerRef(namespace=NAMESPACE, name=f"web-{number}", uid=f"u{number}", attempt=1)
        made = self.travellers[attempt_key(ref)] = Traveller(self, ref, number, components)
        return made

    def newest(self) -> list[Traveller]:
        """Return the newest attempt of each tracker."""
        return list({one.ref.uid: one for one in self.travellers.values()}.values())

    def restart(self, one: Traveller) -> Traveller:
        """Begin a newer attempt of a tracker, as the watcher does: it signals the one before first, if there."""
        if one.run is not None:
            one.run.call("deleted")
        ref = replace(one.ref, attempt=one.ref.attempt + 1)
        made = self.travellers[attempt_key(ref)] = Traveller(self, ref, one.number, one.components)
        made.commit = one.commit
        return made

    def place(self, environment: str) -> Run | None:
        """Return the run of a place that is alive."""
        return self.stage.runs.get(environment_workflow_id(INSTALLATION, NAMESPACE, environment, REPOSITORY))

    def traveller_of(self, run: Run) -> Traveller | None:
        return next((one for one in self.travellers.values() if one.workflow_id == run.workflow_id), None)

    def send(self, deliver: Callable[[], None]) -> None:
        """Deliver soon, sometimes late, twice or never."""
        dice, copies = self.dice("network"), 1
        if not self.calm:
            copies = 0 if dice.random() < self.losses else 2 if dice.random() < self.losses else 1
        for _ in range(copies):
            late = not self.calm and dice.random() < self.lateness
            self.stage.loop.call_later(dice.uniform(0.01, 25 if late else 1), deliver)

    def signal(self, workflow_id: str, name: str, argument: Any) -> bool:
        """Carry a place's signal to a tracker."""

        def deliver() -> None:
            if (run := self.stage.runs.get(workflow_id)) is not None:
                run.call(name, argument)

        if workflow_id not in self.stage.runs:
            return False
        self.send(deliver)
        return True

    def send_view(self, request: SendViewInput) -> object:
        """Carry a view to a place, mostly as a call that returns the place's."""
        environment, signal = request.environment, request.signal

        def receiver() -> Run:
            before = self.delivered.get((environment, signal.tracker.uid))
            if before is None or signal.counter.as_tuple() > before.counter.as_tuple():
                self.delivered[environment, signal.tracker.uid] = signal
            return self.place(environment) or self._start_place(environment)

        if signal.awaits_answer and self.dice("calls").random() < 0.8:
            return receiver().call("member_answered", signal) or NOTHING
        self.send(lambda: receiver().call("member", signal))
        return NOTHING

    def join_place(self, request: JoinPlaceInput) -> JoinPlaceResult:
        """Carry the view with which a place is joined, and read its declaration, now and then too slowly."""
        view, answered = request.view, self.send_view(request.view)
        asked = ReadEnvironmentInput(
            namespace=view.namespace, environment=view.environment, repository=view.repository, fresh=request.fresh
        )
        late = not self.calm and self.dice("join a place").random() < 0.1
        return JoinPlaceResult(
            environment=None if late else self.read_environment(asked).environment,
            answer=answered if isinstance(answered, PlaceSignal) else None,
        )

    def send_views(self, request: SendViewsInput) -> SendViewsResult:
        """Carry views to several places."""
        return self._carry_all(request.views)

    def _carry_all(self, views: tuple[SendViewInput, ...]) -> SendViewsResult:
        answers = [self.send_view(one) for one in views]
        return SendViewsResult(answer=next((one for one in answers if isinstance(one, PlaceSignal)), None))

    def open_hop(self, request: OpenHopInput) -> OpenHopResult:
        """Carry farewells, find the policy, and carry a view to its target; some of that is now and then too slow."""
        dice = self.dice("open a hop")
        left = self._carry_all(request.farewells)
        slow, late, lost = (not self.calm and dice.random() < 0.1 for _ in range(3))
        opened = replace(self._open(request, slow=slow, late=late), watched=request.watch is not None and not late)
        return opened if lost else replace(opened, left=True, farewell_answer=left.answer)

    def _open(self, request: OpenHopInput, *, slow: bool, late: bool) -> OpenHopResult:
        asked, found = request.find, self.find_policy(request.find)
        if found.policy is None:
            return OpenHopResult(found=found)
        target = found.policy.target
        declared = self.read_environment(
            ReadEnvironmentInput(namespace=asked.namespace, environment=target, repository=asked.repository)
        )
        answer = self.send_view(
            SendViewInput(
                namespace=asked.namespace,
                environment=target,
                repository=asked.repository,
                signal=replace(request.view, received=(request.received or {}).get(target)),
                timings=request.timings,
            )
        )
        return OpenHopResult(
            found=found,
            environment=None if slow else declared.environment,
            sent=not late,
            answer=answer if isinstance(answer, PlaceSignal) and not late else None,
        )

    def take_lane(self, request: TakeLaneInput) -> TakeLaneResult:
        """Carry the view that takes the lane to its place, then read the place, now and then too slowly.

        Who only gets in line by it holds the lane where the place grants it in the call.
        """
        signal = request.view.signal
        answered = self.send_view(request.view)
        answer = answered if isinstance(answered, PlaceSignal) else None
        if signal.takes and (answer is None or answer.grant is None or answer.grant.answers != signal.counter):
            return TakeLaneResult(taken=False, answer=answer)
        late = not self.calm and self.dice("read with the lane").random() < 0.1
        observations = None if late else self.applications.read_deployments(request.read).observations
        return TakeLaneResult(observations=observations, answer=answer)

    def create_drift_monitors(self, _request: CreateDriftMonitorsInput) -> CreateDriftMonitorsResult:
        """Have what arrived watched, which changes nothing here."""
        return CreateDriftMonitorsResult()

    def _start_place(self, environment: str) -> Run:
        start = EnvironmentStart(
            installation=INSTALLATION,
            namespace=NAMESPACE,
            environment=environment,
            repository=REPOSITORY,
            timings=self.timings,
        )
        identity = environment_workflow_id(INSTALLATION, NAMESPACE, environment, REPOSITORY)
        return self.stage.start(identity, EnvironmentWorkflow, start)

    def begins(self, run: Run, name: str, request: Any) -> tuple[float, float]:
        """Return how long an activity takes to act, and its answer to arrive."""
        traveller = self.traveller_of(run)
        if traveller is not None:
            self.oracle.acts(traveller)
            if name == "trigger_test":
                self.oracle.trigger_begins(traveller, request.key)
            if name == "trigger_round":
                for part in request.tests:
                    self.oracle.trigger_begins(traveller, part.key)
        if name in WRITES:
            assert traveller is not None, "only a promotion writes"
            self.oracle.write_begins(traveller, request)
            environment = self.applications.all[request.deployment.application].environment
            self.writing[id(request)] = (environment, traveller.key)
        if name == "watch_deployments":
            self._watching[id(request)] = self.stage.loop.clock
        if self.calm:
            return 0.02, 0.01
        dice = self.dice(name)
        slow = dice.random() < (0.2 if name in WRITES else self.slow_triggers if name in TRIGGERS else 0.05)
        return dice.uniform(0.01, 12 if slow else 0.5), dice.uniform(0.01, 2 if slow else 0.1)

    def loses_answer(self, run: Run, name: str, request: Any) -> bool:
        """Return whether the answer of an activity that has acted is lost."""
        lost = not self.calm and self.dice(f"lost {name}").random() < 0.02
        if name in WRITES and not (lost and run.alive):
            self.writing.pop(id(request), None)
        return lost

    def act(self, _run: Run, name: str, request: Any) -> Any:
        """Do what an activity does."""
        for part in (self, self.applications, self.pipelines):
            if name != "watch_deployments" and (found := getattr(part, name, None)) is not None:
                return found(request)
        return self.applications.watch_deployments(request, self._watching[id(request)])

    def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        policy = self.policies.get(request.environment)
        outcome = PolicyOutcome.FOUND if policy else PolicyOutcome.NOT_FOUND
        ahead = ENVIRONMENTS[ENVIRONMENTS.index(request.environment) + 1 :]
        return FindPolicyResult(outcome=outcome, policy=policy, ahead=ahead)

    def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        declared = sorted(
            (one.spec for one in self.applications.of(request.environment)), key=lambda one: (one.wave, one.name)
        )
        if not declared:
            return ReadEnvironmentResult(failure=missing(f"Environment/{request.environment}"))
        view = EnvironmentView(
            name=request.environment,
            final=request.environment == ENVIRONMENTS[-1],
            vars={},
            delivery_timeout=timedelta(seconds=60),
            deployments=tuple(declared),
            wave_pause=self.wave_pause,
        )
        return ReadEnvironmentResult(environment=view)

    def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        components = tuple(Component(name=name, paths=(f"{name}/**",)) for name in COMPONENTS)
        view = RepositoryView(
            name=REPOSITORY, owner="acme", repository=REPOSITORY, full_name="acme/web", components=components
        )
        late = not self.calm and self.dice("read meanwhile").random() < 0.1
        alongside = None if request.number is None or late else self._numbered(request.number).pull_request()
        return ReadRepositoryResult(repository=view, pull_request=alongside)

    def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        """Answer with two at a time: what a place does between two pages is part of the journeys."""
        after = request.cursor.after if request.cursor else ""
        live = sorted((one.ref for one in self.newest() if one.vanished or not one.over), key=lambda one: one.name)
        page = tuple(one for one in live if one.name > after)[:2]
        return ListTrackersResult(trackers=page, then=TrackersCursor(after=page[-1].name) if len(page) == 2 else None)

    def _numbered(self, number: int) -> Traveller:
        return next(one for one in self.newest() if one.number == number)

    def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        return ReadPullRequestResult(pull_request=self._numbered(request.number).pull_request())

    def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        return ListChangedFilesResult(components=self._numbered(request.number).components, files=1)

    def trigger_round(self, request: TriggerRoundInput) -> TriggerRoundResult:
        """Trigger, then read the source, now and then too slowly."""
        answer = self.pipelines.trigger_round(request)
        return replace(answer, source=self._source_read(request.source))

    def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        """Read the runs, and the source once all are over."""
        answer = self.pipelines.poll_tests(request)
        over = all(one.state.final for one in answer.reports)
        return replace(answer, source=self._source_read(request.source) if over else None)

    def _source_read(self, request: ReadDeploymentsInput | None) -> tuple[DeploymentRuns, ...] | None:
        late = not self.calm and self.dice("read meanwhile").random() < 0.1
        return None if request is None or late else runs_of(self.applications.read_deployments(request))

    def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        return CompareRevisionsResult(
            relations=tuple(self.commits.relation(pair.base, pair.head) for pair in request.pairs)
        )

    def read_instructions(self, _request: ReadInstructionsInput) -> ReadInstructionsResult:
        return ReadInstructionsResult(unsupported="no one steers here")

    def present_on_pull_request(self, _request: PresentInput) -> PresentResult:
        return PresentResult(shown=Shown())

    def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        one = self.travellers[attempt_key(request.tracker)]
        self.oracle.commands.published(request.events)
        if one not in self.newest():
            return PublishStatusResult(written=False, reason="OtherAttempt")
        self.oracle.published(one, request.status)
        return PublishStatusResult(written=True)

    def publish_place(self, _request: PublishPlaceInput) -> PublishStatusResult:
        return PublishStatusResult(written=True)
