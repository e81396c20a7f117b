"""The only observer of a place: reads on timers, follows the deployments while the lane is held.

Two tasks at most are under way: one reads what the Environment declares, the other reads the deployments, or watches
them until one changes. Each step of the workflow starts what is due (`pursue`). Handlers only bring the next time
forward (`hurry`, `welcome`, `look_again`), or take what a member that joins has just read, unless a task is under way
(`offer`).

What is read replaces what was known. A read that fails for a reason that usually passes replaces nothing and keeps the
lane from being granted (`unobserved`); once that has lasted for `Timings.passing` it is the place's failure, which
members and people are shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.contracts import ConfigActivities, DeliveryActivities, ObservationActivities
from activities.models.configuration import ReadEnvironmentInput, ReadEnvironmentResult
from activities.models.delivery import Observation, ReadDeploymentsInput, ReadDeploymentsResult, WatchDeploymentsInput
from activities.models.failures import Failure
from activities.models.places import EnvironmentInput, MemberSignal, PlaceReading, Role
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Phase
from workflows import policies
from workflows.environment import observation
from workflows.environment.newest import artifacts_of
from workflows.environment.state import ObserverState
from workflows.failures import failure_of, worth_showing
from workflows.identity import Queues
from workflows.runtime.background import Background
from workflows.runtime.backoff import Backoff
from workflows.runtime.loop import earliest
from workflows.selections import with_known

ENVIRONMENT_AGE = timedelta(minutes=1)
"""How old the environment's declaration may be when somebody joins: a hop is to start from the declared places."""


class Observer:
    """Keep what the place is declared to be and what it runs as fresh as its members need it."""

    def __init__(self, start: EnvironmentInput, background: Background, state: ObserverState) -> None:
        self.observed = state.observed
        self.environment = state.environment
        self._environment_failure = state.environment_failure
        self._environment_due = state.environment_due
        self._environment_pauses = Backoff(
            initial=start.timings.reference_initial, maximum=start.timings.reference_maximum
        )
        self._reading_failure = state.failure
        self._failing_since = state.failing_since
        self._hidden = ""
        """Why the last read failed, as a whole or in part, while that may end by itself any moment."""
        self._failed_since: datetime | None = None
        self._pause = state.pause
        self._due = state.due
        self._hurried = False
        """Whether something declared may have changed: a mirror of it may not know yet."""
        self._start = start
        self._object = f"Environment/{start.environment}"
        self._queues = Queues(installation=start.installation)
        self._background = background
        self._reading_environment = False
        self._reading: Callable[[], object] | None = None
        self._outdated = False
        """Whether something was reported since the read that is under way began."""
        self._watching = False
        self._watch_ends: datetime | None = None
        self._watched: tuple[Artifact, ...] = ()
        """What the holder brings for whom the watch was begun."""
        self._followed: tuple[str, int] | None = None
        """The tracker and hop for which a watch was begun last."""
        self._first_watch = False
        """Whether that is its first one, which is short: what arrives within it is published together with it."""
        self._members: tuple[MemberSignal, ...] = ()
        self._holder = ""

    def state(self) -> ObserverState:
        """Return everything as one frozen value."""
        return ObserverState(
            environment=self.environment,
            environment_failure=self._environment_failure,
            environment_due=self._environment_due,
            observed=self.observed,
            failure=self._reading_failure,
            failing_since=self._failing_since,
            pause=self._pause,
            due=self._due,
        )

    @property
    def failure(self) -> Failure | None:
        """Why the place cannot be observed; None while it can."""
        return self._environment_failure or self._reading_failure

    @property
    def problem(self) -> str:
        """What people read of the failure; empty while there is none."""
        return self.failure.named if self.failure is not None else ""

    @property
    def unobserved(self) -> str:
        """Why the observations must not be believed for a grant; empty when they may."""
        return (
            self.problem or self._hidden or ("" if self.observed.at is not None else "the place was not observed yet")
        )

    @property
    def hiccups(self) -> bool:
        """Whether reads fail of what usually passes: nothing is granted meanwhile, and nothing sent."""
        return bool(self._hidden) and self.failure is None

    @property
    def begins_to_follow(self) -> bool:
        """Whether a holder's first watch is under way, whose end is published."""
        return self._first_watch

    @property
    def answers(self) -> bool:
        """Whether there is anything to send: a first observation, or why there is none."""
        return self.observed.at is not None or self.failure is not None

    def hurry(self, now: datetime) -> None:
        """Look again soon: a signal reports that something changed."""
        self._environment_due, self._hurried = now, True
        gap = min(self._start.timings.poke_gap, self._start.timings.poll_gap)
        self._look_at(now if self.observed.at is None else max(now, self.observed.at + gap))

    def offer(self, reading: PlaceReading, members: Sequence[MemberSignal], now: datetime) -> None:
        """Take what a member has read as it joins, where a read by ourselves would be due and is not under way."""
        at, busy = reading.deployments.read_at, self._reading is not None or self._reading_environment
        if busy or self._hurried or not self._is_fresh(at, now) or self._is_fresh(self.observed.at, now):
            return
        self._members = tuple(members)
        self._take_environment(ReadEnvironmentResult(environment=reading.environment))
        self._take(reading.deployments)

    def _is_fresh(self, at: datetime | None, now: datetime) -> bool:
        return at is not None and now - at <= self._start.timings.observe_initial

    def welcome(self, now: datetime, *, idle: bool) -> None:
        """Look again for a member that joins, unless what is known is fresh.

        While a place is idle nothing is read: what it knew from before may have been replaced since, and is no
        observation any more.
        """
        timings = self._start.timings
        again = timings.holder_backstop - ENVIRONMENT_AGE
        if self._environment_due is not None and self._environment_due - now < again:
            self._environment_due = now
        if not self._is_fresh(self.observed.at, now):
            self._look_at(now)
            if idle:
                self.observed = replace(self.observed, at=None)

    def look_again(self, now: datetime) -> None:
        """Look at once: what was reported a watch does not see, and a read that is under way may not have."""
        self._outdated = self._reading is not None and not self._watching
        self._look_at(now)
        self.stop_watching()

    def _look_at(self, when: datetime) -> None:
        self._pause = None
        self._due = when if self._due is None else min(self._due, when)

    def pursue(self, now: datetime, members: Sequence[MemberSignal], holder: str) -> None:
        """Start the read or watch that is due; without members nothing is."""
        self._members, self._holder = tuple(members), holder
        if not any(member.role is not Role.AHEAD for member in members):
            return
        if not self._reading_environment and (self._environment_due is None or now >= self._environment_due):
            self._reading_environment = True
            self._background.start(self._read_environment())
        holds = next((one for one in members if one.role is Role.TARGET and one.tracker.name == holder), None)
        if self._watching and holds is not None and artifacts_of(holds) != self._watched:
            # Quiet about what the holder before brought, and loud about what this one does.
            self.stop_watching()
        if self._reading is not None or self.environment is None or self._environment_failure is not None:
            return
        if holds is not None and self._worth_watching(holds):
            followed = (holds.tracker.uid, holds.hop)
            self._first_watch, self._followed = followed != self._followed, followed
            self._reading = self._background.start(self._watch(artifacts_of(holds)))
        elif (due := self._look_due(members)) is None or now >= due:
            self._reading = self._background.start(self._read())

    def _look_due(self, members: Sequence[MemberSignal]) -> datetime | None:
        """Return when to look next; None is at once. Where nothing is about to change, only now and then.

        Who has but joined its target reads it by itself once it takes the lane.
        """
        observed = self.observed
        asked_for = self._pause is None or self._reading_failure or self._hidden
        if asked_for or observed.at is None or not all(one.settled for one in observed.observations):
            return self._due
        if any(self._awaits_change(one) for one in members):
            return self._due
        return max(filter(None, (self._due, observed.at + self._start.timings.observe_maximum)))

    def _awaits_change(self, member: MemberSignal) -> bool:
        """Return whether a member goes on once something changed here; one that brought all of its own leaves."""
        if member.phase is Phase.HOLDER:
            return not observation.has_arrived(member, self.observed.observations)
        return member.role is Role.SOURCE or (member.role is Role.TARGET and member.phase is not Phase.WORKING)

    def _worth_watching(self, holder: MemberSignal) -> bool:
        """Return whether the deployments can be read, and the holder, which leaves once all arrived, awaits more."""
        if self.observed.at is None or self._reading_failure or self._hidden or self._stale_for_watching():
            return False
        return not observation.has_arrived(holder, self.observed.observations)

    def _stale_for_watching(self) -> bool:
        """Return whether deployments were declared or dropped since they were observed."""
        declared = {one.name for one in self.environment.deployments} if self.environment else set()
        return declared != {one.deployment for one in self.observed.observations} or not declared

    def next_deadline(self, members: Sequence[MemberSignal]) -> datetime | None:
        """Return when something must be read."""
        if not any(member.role is not Role.AHEAD for member in members):
            return None
        idle = self._reading is None and self.environment is not None and self._environment_failure is None
        return earliest(
            None if self._reading_environment else self._environment_due,
            self._look_due(members) if idle else None,
        )

    def next_try(self) -> datetime | None:
        """Return when to try again what cannot be read; None while that is tried, and where all of it can be read."""
        if self._environment_failure is not None:
            return None if self._reading_environment else self._environment_due
        fails = self._reading_failure is not None or any(one.problem for one in self.observed.observations)
        if not fails:
            return None
        return self._watch_ends if self._watching else self._look_due(self._members) if self._reading is None else None

    def stop_watching(self) -> None:
        """Cancel a watch, so that the run can end; its successor observes again."""
        if self._watching and self._reading is not None:
            self._reading()

    async def _read_environment(self) -> None:
        start = self._start
        config = policies.config_read(self._queues, start.timings, summary=f"read environment {start.environment}")
        request = ReadEnvironmentInput(
            namespace=start.namespace,
            environment=start.environment,
            repository=start.repository,
            fresh=self._hurried,
        )
        self._hurried = False
        try:
            answer = await workflow.execute_activity_method(ConfigActivities.read_environment, request, **config)
        except ActivityError as error:
            answer = ReadEnvironmentResult(failure=failure_of(error, self._object))
        finally:
            self._reading_environment = False
        self._take_environment(answer)

    def _take_environment(self, answer: ReadEnvironmentResult) -> None:
        self._environment_failure, unresolved = answer.failure, False
        if answer.environment is not None:
            unresolved = any(one.unresolved for one in answer.environment.deployments)
            view = with_known(answer.environment, self.environment)
            if self.environment is None or self.environment.deployments != view.deployments:
                self._look_at(workflow.now())
                self.stop_watching()
            self.environment = view
        if self._environment_failure is not None or unresolved:
            self._environment_due = workflow.now() + self._environment_pauses.next()
        else:
            self._environment_due = workflow.now() + self._start.timings.holder_backstop
            self._environment_pauses.reset()
        if self._hurried:
            # A poke came while it was read: what that is about may have changed after it.
            self._environment_due = workflow.now()

    async def _read(self) -> None:
        environment = self.environment
        deployments = environment.deployments if environment else ()
        request = ReadDeploymentsInput(
            namespace=self._start.namespace,
            repository=self._start.repository,
            deployments=deployments,
            refresh=any(not one.settled for one in self.observed.observations),
        )
        config = policies.delivery_read(
            self._queues, self._start.timings, summary=f"read what runs in {self._start.environment}"
        )
        try:
            if deployments:
                answer = await workflow.execute_activity_method(DeliveryActivities.read_deployments, request, **config)
            else:
                answer = ReadDeploymentsResult(observations=(), read_at=workflow.now())
            self._take(answer)
        except ActivityError as error:
            self._fail(error)
        finally:
            self._reading = None

    async def _watch(self, artifacts: tuple[Artifact, ...]) -> None:
        start, timings = self._start, self._start.timings
        request = WatchDeploymentsInput(
            namespace=start.namespace,
            repository=start.repository,
            deployments=self.environment.deployments if self.environment else (),
            known=observation.as_watched(self.observed.observations),
            duration=min(timings.watch, timings.publish_within) if self._first_watch else timings.watch,
            artifacts=artifacts,
        )
        config = policies.observation_watch(
            self._queues, start.timings, summary=f"watch {start.environment} for {self._holder}"
        )
        self._watching, self._watched, self._watch_ends = True, artifacts, workflow.now() + start.timings.watch
        try:
            answer = await workflow.execute_activity_method(ObservationActivities.watch_deployments, request, **config)
            self._take(answer)
        except ActivityError as error:
            if not is_cancelled_exception(error):
                self._fail(error)
        finally:
            self._reading, self._watching, self._first_watch = None, False, False

    def _take(self, answer: ReadDeploymentsResult) -> None:
        known, now = self.observed, workflow.now()
        read: Sequence[Observation] = answer.observations
        at = answer.read_at
        lost = next((one.problem for one in read if one.passing), "")
        self._failing_since = (self._failing_since or now) if lost else None
        hidden = ""
        if self._failing_since is not None and now - self._failing_since < self._start.timings.passing:
            hidden = lost
            read, at = observation.bridged(known, read, at)
        changed = observation.matters(known.observations, read)
        self.observed = observation.after_read(known, read, at, self._members, self._holder)
        self._reading_failure, self._hidden, self._failed_since = None, hidden, None
        if any(one.problem for one in read) and self._environment_due is not None:
            # An application that is gone may be one that a selector no longer finds, or that was renamed.
            again = workflow.now() + self._start.timings.reference_maximum
            self._environment_due = min(self._environment_due, again)
        self._again(changed=changed)

    def _fail(self, error: ActivityError) -> None:
        failure, now = failure_of(error, self._object), workflow.now()
        self._failed_since = self._failed_since or now
        if worth_showing(failure, self._failed_since, now, passing=self._start.timings.passing):
            self._reading_failure, self._hidden = failure, ""
        elif self._reading_failure is None:
            self._hidden = f"deployments cannot be read: {failure.text}"
        self._again(changed=False, at_least=failure.wait)

    def _again(self, *, changed: bool, at_least: timedelta = timedelta(0)) -> None:
        self._pause = observation.next_pause(self._pause, self._start.timings, changed=changed)
        self._due = workflow.now() + max(self._pause, at_least)
        if self._outdated:
            self._outdated = False
            self._look_at(workflow.now() + at_least)
