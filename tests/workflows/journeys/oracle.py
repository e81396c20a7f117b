"""What must always hold, judged from what is true and not from what anybody believes."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from activities.models.configuration import DeploymentSpec, SourceMoved
from activities.models.delivery import DeliverApplicationInput, SyncApplicationInput
from activities.models.places import MemberSignal
from activities.models.status import PromotionRecord, TrackerStatus
from activities.models.testing import RunState
from activities.models.tracking import Artifact
from tests.workflows.environment.facts import ENVIRONMENTS, Broken, attempt_key
from tests.workflows.journeys.applications import HOOK_FAILED, Application, Moment
from tests.workflows.journeys.ledger import Ledger
from tests.worlds.stage import START
from tests.worlds.waits import actionable
from workflows.environment.members import LEAVING
from workflows.promotion.state import Hop, Round

if TYPE_CHECKING:
    from tests.workflows.journeys.traveller import Traveller
    from tests.workflows.journeys.world import World

ROUNDS_WITHOUT_A_PERSON = 7
"""The first one, five because the source moved, and one that a `retest` met half-way."""

LONGEST_UNSEEN = 60.0
"""Seconds that a view of a place may be old: a slow read, a pause, and a slow signal."""

LONGEST_UNTOLD, LONGEST_UNTOLD_WRITING = 90.0, 150.0
"""Seconds until a hold has been sent: one place after the other, slowly; a write and its sync return first."""

LONGEST_UNDECLARED = LONGEST_UNSEEN + 40.0
"""Seconds until everybody knows of a deployment that was declared: a place reads declarations every 40."""


class Oracle:
    """Raise Broken as soon as a guarantee does not hold."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.writes = self.grants = self.rounds = self.failed_waves = self.later_waves = self.retries = 0
        self.commands = Ledger(self.broken)
        self._tests: dict[str, tuple[Artifact, ...]] = {}
        """Key of a run -> what its round was about when it was first triggered."""
        self._rounds: dict[str, tuple[int, int]] = {}
        """Attempt -> hop, and how many rounds had begun in it when a person last gave `retest`."""
        self._retried: dict[str, datetime] = {}
        self._entered: dict[str, float] = {}
        """Attempt -> when it last began to promote."""

    def broken(self, what: str) -> None:
        """Note and raise."""
        found = Broken(f"at {self.world.stage.loop.clock:.1f}: {what}")
        self.world.stage.errors.append(found)
        raise found

    def write_begins(self, one: "Traveller", request: DeliverApplicationInput | SyncApplicationInput) -> None:
        """Judge a write before it is made: the lane, the hold, the round, and the waves before it."""
        self.writes += 1
        story, name = one.story, one.ref.name
        environment = self.world.applications.all[request.deployment.application].environment
        hop, round_ = story.hop, story.hop.round if story.hop else None
        if hop is None or round_ is None or not one.promoting or one.target != environment:
            self.broken(f"{name} writes to {environment} in {story.state}")
            return
        others = {key for place, key in self.world.writing.values() if place == environment}
        others |= {two.key for two in self.world.travellers.values() if two.promoting and two.target == environment}
        if others - {one.key}:
            self.broken(f"{name} writes to {environment}, and so may {sorted(others)}")
        if story.hold is not None and (hop.wave_started is None or hop.wave_started > story.hold.since):
            self.broken(f"{name} is held, yet begins a wave in {environment}")
        self.commands.write_begins(one)
        if request.artifact not in round_.artifacts:
            self.broken(f"{name} writes {request.artifact.revision}, which is none of its round")
        self._tested(one, hop, round_)
        self._earlier_waves(one, hop, request.deployment)

    def trigger_begins(self, one: "Traveller", key: str) -> None:
        """Remember what a run is about."""
        round_ = one.story.hop.round if one.story.hop else None
        self._tests.setdefault(key, round_.artifacts if round_ else ())

    def _tested(self, one: "Traveller", hop: Hop, round_: Round) -> None:
        """Guarantee 3: each required test passed, and the source ran the artifact after the newest trigger."""
        runs = self.world.pipelines.runs
        keys = {test.spec.name: test.key for test in round_.tests}
        concerning = [
            spec for spec in hop.policy.tests if not spec.components or set(spec.components) & set(one.components)
        ]
        now = self.world.stage.loop.clock
        required = [runs.get(keys.get(spec.name, "")) for spec in concerning if spec.required]
        for run in required:
            if run is None or run.state(now) is not RunState.PASSED:
                self.broken(f"{one.ref.name} writes although {run} has not passed")
            elif self._tests[run.key] != round_.artifacts:
                self.broken(f"{one.ref.name} writes on a verdict about {self._tests[run.key]}")
        triggered = [runs[key] for key in keys.values() if key in runs]
        since = max((run.begun for run in triggered), default=0.0)
        if hop.policy.on_source_moved is SourceMoved.RETEST:
            since = max((run.ends for run in required if run is not None), default=since)
        if not self._ran(hop.policy.source, round_.artifacts, since):
            self.broken(f"{one.ref.name} promotes what {hop.policy.source} has not run since {since:.1f}")

    def _ran(self, environment: str, artifacts: tuple[Artifact, ...], since: float) -> bool:
        """Return whether all that an environment deploys of these components ran them, at one time since then."""
        components = {one.component: one.revision for one in artifacts}
        ours = [
            one
            for one in self.world.applications.all.values()
            if one.environment == environment and one.spec.component in components
        ]
        times = {since} | {moment.at for one in ours for moment in one.moments if moment.at > since}
        return any(self._ran_at(ours, components, time) for time in times)

    def _ran_at(self, ours: list[Application], components: dict[str, str], time: float) -> bool:
        there: dict[str, list[bool]] = {name: [] for name in components}
        for one in ours:
            moment = next((known for known in reversed(one.moments) if known.at <= time), None)
            if moment is None or not moment.exists:
                continue
            runs, declared = moment.runs == components[one.spec.component], one.moments[0].at
            if runs or declared == 0 or time - declared > LONGEST_UNDECLARED:
                there[one.spec.component].append(runs)
        return all(there[name] and all(there[name]) for name in components)

    def _earlier_waves(self, one: "Traveller", hop: Hop, deployment: DeploymentSpec) -> None:
        """No wave is written before all of the earlier ones have arrived."""
        declared = hop.view.deployments if hop.view else ()
        earlier = [spec for spec in declared if spec.wave < deployment.wave and spec.component in one.components]
        self.later_waves += bool(earlier)
        for spec in earlier:
            if not self._arrived(one, hop, spec):
                self.broken(f"{one.ref.name} writes {deployment.name} before {spec.name} arrived")

    def _arrived(self, one: "Traveller", hop: Hop, spec: DeploymentSpec) -> bool:
        """Return whether an application was settled with the artifact at a time since the promotion began to write."""
        since = (one.story.since - START).total_seconds() if one.story.since else 0.0
        artifacts = hop.round.artifacts if hop.round else ()
        wanted = next(two.revision for two in artifacts if two.component == spec.component)
        application = self.world.applications.all[spec.application]
        return application.ever(since, lambda moment: self._holds(moment, wanted))

    def _holds(self, moment: Moment, revision: str) -> bool:
        return moment.exists and moment.settled and self.world.commits.contains(moment.runs, revision)

    def operation_starts(self, application: Application, request: SyncApplicationInput) -> None:
        """Guarantee 4, where an environment really moves; and nothing that arrived is written again."""
        commits, wanted = self.world.commits, request.artifact.revision
        known = application.truth()
        if known.runs is not None and not commits.contains(wanted, known.runs) and not self._accepted(request):
            self.broken(f"{application.spec.application} moves backwards from {known.runs} to {wanted}")
        for one in self.world.travellers.values():
            if one.promoting and one.target == application.environment and one.story.since is not None:
                since = (one.story.since - START).total_seconds()
                last = application.moments[-1]
                if last.at <= since and self._holds(last, wanted):
                    self.broken(f"{one.ref.name} writes {application.spec.application} again, which has {wanted}")

    def _accepted(self, request: SyncApplicationInput) -> bool:
        """Return whether a person promotes over exactly what runs there."""
        application = self.world.applications.all[request.deployment.application]
        for one in self.world.travellers.values():
            hop = one.story.hop
            for seen in (hop.override if hop else None) or ():
                if seen.application == request.deployment.application and application.truth().runs in (
                    seen.runs,
                    seen.written,
                    seen.operating,
                ):
                    return True
        return False

    def granted(self, environment: str, candidate: MemberSignal, stale: bool) -> None:
        """No tracker whose hold the place was sent is moved along, nor a held one itself."""
        self.grants += 1
        commits = self.world.commits
        for (name, _uid), view in self.world.delivered.items():
            one = self.world.travellers[attempt_key(view.tracker)]
            been_there = ENVIRONMENTS.index(one.story.environment) >= ENVIRONMENTS.index(environment)
            if name != environment or stale or been_there or one.over or not self._knows_hold(one, view):
                continue
            for artifact in candidate.artifacts:
                if view.components and artifact.component not in view.components:
                    continue
                missing = [
                    two
                    for two in self.world.applications.of(environment, (artifact.component,))
                    if not commits.contains(two.truth().runs, view.revision or "")
                ]
                if missing and view.revision and commits.contains(artifact.revision, view.revision):
                    self.broken(f"{candidate.tracker.name} was granted {environment} although {one.key} is held")

    def _knows_hold(self, one: "Traveller", view: MemberSignal) -> bool:
        """Return whether a place knows of a hold, or must by now: a lost signal is repeated at the backstop."""
        if one.story.hold is None or not view.held or view.revision is None:
            return False
        untold = LONGEST_UNTOLD_WRITING if one.promoting else LONGEST_UNTOLD
        patience = untold + (1.25 * self.world.timings.backstop.total_seconds() if self.world.losses else 0)
        held_for = (self.world.stage.now() - one.story.hold.since).total_seconds()
        return view.phase not in LEAVING or held_for > patience

    def published(self, one: "Traveller", status: TrackerStatus) -> None:
        """Everybody who waits shows for what, and a record shows what is true."""
        waiting = status.waiting_for
        if not status.state.terminal and (waiting is None or not actionable(waiting)):
            self.broken(f"{one.ref.name} waits in {status.state} without a reason and a way out: {waiting}")
        if one.status is None or status.sequence > one.status.sequence:
            known = one.status.promotions if one.status else ()
            for record in status.promotions[len(known) :]:
                self._recorded(one, record)
            one.status = status

    def _recorded(self, one: "Traveller", record: PromotionRecord) -> None:
        """A tracker that shows a hop as done has every component of the change in the target."""
        if record.result == "Failed":
            self._failed(one, record)
            return
        until = (record.at - START).total_seconds()
        promoted = record.result == "Promoted"
        since = self._entered.get(one.key, 0.0) if promoted else until - LONGEST_UNSEEN
        named = {result.application for result in record.applications}
        if promoted and all(result.result == "AlreadyContained" for result in record.applications):
            self.broken(f"{one.ref.name} shows Promoted, but others brought all of {record.target}")
        for artifact in record.artifacts:
            ours = [
                two
                for two in self.world.applications.all.values()
                if two.spec.application in named and two.spec.component == artifact.component
            ]
            if not ours:
                self.broken(f"{one.ref.name} shows {record.result}, but {record.target} has no {artifact.component}")
            for two in ours:
                if not two.ever(since, partial(self._has, artifact.revision, promoted), until=until):
                    self.broken(f"{one.ref.name} shows {record.result}, but {two.spec.application} is without it")

    def _failed(self, one: "Traveller", record: PromotionRecord) -> None:
        """A retry is not ended by what failed before it."""
        self.failed_waves += 1
        retried = self._retried.get(one.key)
        for result in record.applications:
            state = self.world.applications.all[result.application].state
            failed = result.result == "Failed" and record.error.endswith(HOOK_FAILED) and state.phase == "Failed"
            if failed and retried and state.finished_at and state.finished_at < retried < record.at:
                self.broken(f"{one.ref.name} fails by what happened to {result.application} before the retry")

    def _has(self, revision: str, promoted: bool, moment: Moment) -> bool:
        there = moment.exists and self.world.commits.contains(moment.runs, revision)
        return there and (moment.settled or not promoted)

    def acts(self, one: "Traveller") -> None:
        """Look at a promotion whenever it does anything."""
        story = one.story
        self.commands.look(one)
        if one.promoting and story.since is not None:
            self._entered[one.key] = (story.since - START).total_seconds()
        hops, base = self._rounds.get(one.key, (0, 0))
        if hops != story.hops:
            base = 0
        self._rounds[one.key] = (story.hops, base)
        self.rounds = max(self.rounds, story.rounds - base)
        if story.rounds - base > ROUNDS_WITHOUT_A_PERSON:
            self.broken(f"{one.ref.name} tests for the {story.rounds - base}th time because its source moves")

    def retried(self, one: "Traveller") -> None:
        """Remember when a person gave `retry`."""
        self.retries += 1
        self._retried[one.key] = self.world.stage.now()

    def retested(self, one: "Traveller") -> None:
        """Count rounds again after a person's command."""
        self._rounds[one.key] = (one.story.hops, one.story.rounds)
