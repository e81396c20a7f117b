"""EnvironmentWorkflow: the state of one place for one repository, its only observer, and the lane through it.

One step decides on all that is known and awaits nothing (`_step`, called by `runtime/loop.py`): who gets the lane, who
is sent what, what is read next, what is published. What it starts runs in the background and wakes it: reads and a
watch of the observer, a comparison, a list of live trackers, signals to members, the check of what Flux reported. The
roster owns members and lane, the observer what is declared and runs, the comparer the relations, and the sender what
each member was sent.

Between two steps only that and the handlers run. Those of signals take a view or an event and wake the step. That of
the update decides by itself, as the step does (`_look`), since its answer brings the grant. It awaits nothing either,
so that the grant is in the state before the answer leaves. What trackers and places keep to is the place protocol in
docs/internals/architecture.md.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.contracts import ConfigActivities
from activities.models.configuration import ListTrackersInput
from activities.models.places import BlockedBy, MemberSignal, PlaceReading, PlaceSignal, Role
from activities.models.reconciliations import FluxReport, Reconciliation
from activities.models.status import PublishPlaceInput
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from workflows import policies
from workflows.environment import carrying, observation, presentation
from workflows.environment.ancestry import Comparer
from workflows.environment.lane import Decision, LaneView, asks_for_lane, decide
from workflows.environment.members import LEAVING, Roster
from workflows.environment.observer import Observer
from workflows.environment.publishing import place_publisher
from workflows.environment.reports import Reports, declared_by
from workflows.environment.sending import Announcements, MemberSignals
from workflows.environment.state import EnvironmentStart, EnvironmentState, ObserverState, PlaceProgress, RosterState
from workflows.failures import failure_of, worth_showing
from workflows.identity import (
    ENVIRONMENT_WORKFLOW,
    MEMBER_SIGNAL,
    MEMBER_UPDATE,
    POKE_SIGNAL,
    PROGRESS_QUERY,
    RECONCILIATIONS_QUERY,
    REPORT_SIGNAL,
    Queues,
)
from workflows.runtime import lifetime
from workflows.runtime.backoff import Backoff, jittered
from workflows.runtime.loop import Loop
from workflows.runtime.publishing import GRACE
from workflows.runtime.timers import wait_until

LONGEST_LINGER = timedelta(hours=24)
LISTING = "the trackers that may be on their way are being listed, after a restart of the place"


@workflow.defn(name=ENVIRONMENT_WORKFLOW)
class EnvironmentWorkflow:
    """Take members' views, observe while there are any, grant the lane, signal each member what concerns it."""

    @workflow.init
    def __init__(self, start: EnvironmentStart) -> None:
        epoch = int(workflow.info().start_time.timestamp() * 1000)
        begins = start.carried is None
        state = start.carried or EnvironmentState(roster=RosterState(epoch=epoch), observer=ObserverState())
        self._start = start = replace(start, carried=None)
        self._queues = Queues(installation=start.installation)
        self._loop = Loop(history_limit=start.history_limit)
        self._background = self._loop.background
        self._roster = Roster(state.roster)
        self._observer = Observer(start, self._background, state.observer)
        self._reports = Reports(start, self._background, state.reports)
        self._comparer = Comparer(start, self._background, state.relations, state.comparer)
        self._sender = MemberSignals(
            start, self._roster, self._observer, self._background, sent=state.sent, vanished=self._vanish
        )
        self._publisher = place_publisher(self._queues, start.timings, sequence=state.sequence)
        self._settles_until = workflow.now() + (start.timings.settling if begins else timedelta(0))
        """Until when nothing is listed or published for which no one waits: who joins first has a hop to begin."""
        self._published: tuple[object, ...] | None = None
        self._shown: set[str] = set()
        """Names of the members in the status that was published last."""
        self._arrived_at: datetime | None = None
        """When everything that the holder brings had arrived for the first time."""
        self._listing = False
        self._unlisted = LISTING
        self._unlisted_since: datetime | None = None
        self._list_again = Backoff(initial=start.timings.reference_initial, maximum=start.timings.reference_maximum)
        self._ending = False
        self._handed_over = False
        """Whether what arrives now is known to no run any more."""
        self._lonely_since = state.lonely_since
        self._blocked_by: dict[str, BlockedBy] = {}

    @workflow.run
    async def run(self, start: EnvironmentStart) -> None:
        """Decide at every change until no one has been here for a while."""
        await self._loop.run(self._step, hand_over=self._continue, over=lambda: self._ending and self._publisher.idle)
        self._handed_over = True

    @workflow.signal(name=MEMBER_SIGNAL, description="A tracker sends its whole view")
    def member(self, signal: MemberSignal) -> None:
        """Take a tracker's view, unless a newer one is known."""
        view, reading = _parted(signal)
        if not self._take(view, reading) and self._roster.repeated(view):
            self._background.wake()

    @workflow.update(name=MEMBER_UPDATE, description="A tracker sends its whole view and gets the place's")
    def member_answered(self, signal: MemberSignal) -> PlaceSignal | None:
        """Take a tracker's view and return the place's, grant included; None where a signal is to bring it.

        Nothing is awaited: the server takes ten calls at once. The grant is in the state before it is returned. A lane
        is taken by the call that brings the view, and by no repeated one: its sender may have given it up.
        """
        if self._handed_over:
            raise ApplicationError("this run has ended", type="Ended", non_retryable=True)
        view, reading = _parted(signal)
        taken = self._take(view, reading)
        self._background.wake()
        if view.takes and not taken:
            self._roster.repeated(view)
            return None
        answer = self._sender.answer(view, self._look(workflow.now())[0], settles=taken)
        if answer is not None:
            self._roster.take(view)
        return answer

    def _take(self, signal: MemberSignal, reading: PlaceReading | None) -> bool:
        known = {one.tracker.uid: (one.hop, one.role) for one in self._roster.members}
        idle = all(member.role is Role.AHEAD for member in self._roster.members)
        if not self._roster.receive(signal, workflow.now()):
            return False
        if signal.phase not in LEAVING and known.get(signal.tracker.uid) != (signal.hop, signal.role):
            if reading is not None:
                self._observer.offer(reading, self._roster.members, workflow.now())
            self._observer.welcome(workflow.now(), idle=idle)
            self._comparer.hurry()
        self._background.wake()
        return True

    @workflow.signal(name=POKE_SIGNAL, description="Something may have changed: look again soon")
    def poke(self) -> None:
        """Look again soon."""
        self._observer.hurry(workflow.now())
        self._comparer.hurry()
        self._background.wake()

    @workflow.signal(name=REPORT_SIGNAL, description="An event of Flux reports on a Kustomization")
    def reported(self, report: FluxReport) -> None:
        """Keep what an event reports, and look at once where it may change anything."""
        if self._reports.take(report, declared_by(self._observer.environment), workflow.now()):
            self._observer.look_again(workflow.now())
            self._background.wake()

    @workflow.query(name=RECONCILIATIONS_QUERY, description="What Flux reported of each Kustomization")
    def reconciliations(self) -> tuple[Reconciliation, ...]:
        """Return what Flux reported of each Kustomization."""
        return self._reports.known

    @workflow.query(name=PROGRESS_QUERY, description="The lane and what runs here")
    def progress(self) -> PlaceProgress:
        """Return the state of the place as people read it."""
        return PlaceProgress(
            environment=self._start.environment,
            repository=self._start.repository,
            holder=self._holder(),
            members=len(self._roster.members),
            details=self._details(),
            again_at=self._observer.next_try(),
        )

    def _step(self, now: datetime) -> datetime | None:
        """Decide on all that is known and start whatever follows; nothing here waits. Return when to decide again."""
        announcements, blockers = self._look(now)
        self._sender.send(announcements)
        self._observer.pursue(now, self._roster.members, self._holder())
        self._publish()
        workflow.set_current_details(self._details())
        self._lonely_since = None if self._roster.entries else self._lonely_since or now
        if self._lonely_since is not None:
            self._reports.check(now)
        self._ending = self._deserted(now)
        return self._next_deadline(now, blockers)

    def _look(self, now: datetime) -> tuple[Announcements, tuple[str, ...]]:
        """Decide the lane on all that is known; return what members are to know, and who is in the way."""
        self._roster.expire(now)
        self._remember()
        decision = self._decide(now)
        if decision.grant is not None:
            self._roster.give(decision.grant, now)
        self._comparer.pursue(decision.pairs, now)
        self._blocked_by = self._waits(decision)
        if self._comparer.problem and decision.pairs:
            block = BlockedBy(tracker="", reason=self._comparer.problem)
            asking = {one.tracker.uid: block for one in self._roster.members if one.phase is Phase.READY}
            self._blocked_by = asking | decision.blocked_by
        timings = self._start.timings
        ask = self._roster.due_to_be_asked(
            now, blockers=decision.blockers, backstop=timings.backstop, holder_backstop=timings.holder_backstop
        )
        return Announcements(blocked_by=self._blocked_by, ask=ask), decision.blockers

    def _decide(self, now: datetime) -> Decision:
        occupied_by, because = self._roster.occupied(now)
        view = LaneView(
            members=self._roster.members,
            observations=self._observer.observed.observations,
            unobserved=self._observer.unobserved,
            briefly=self._observer.hiccups,
            occupied_by=occupied_by,
            occupied_because=because,
            missing=self._roster.missing,
            unlisted=self._unlisted,
        )
        return decide(view, self._comparer.ancestry)

    def _waits(self, decision: Decision) -> dict[str, BlockedBy]:
        """Return whom each Ready member waits for: whom it waited for before, while that is being found out again."""
        if not decision.pairs:
            return decision.blocked_by
        ready = {one.tracker.uid for one in self._roster.members if asks_for_lane(one)}
        before = {uid: block for uid, block in self._blocked_by.items() if uid in ready}
        return before | decision.blocked_by

    def _remember(self) -> None:
        """Without memory, find all live trackers, page by page, before the first of them could want the lane."""
        members = self._roster.members
        wanted = any(member.role is Role.TARGET for member in members)
        pressing = workflow.now() >= self._settles_until or any(map(asks_for_lane, members))
        if wanted and pressing and self._roster.lists_next and not self._listing:
            self._listing = True
            self._background.start(self._list_trackers())

    async def _list_trackers(self) -> None:
        start = self._start
        config = policies.config_read_shown(self._queues, start.timings, summary="list the live trackers")
        request = ListTrackersInput(namespace=start.namespace, repository=start.repository, cursor=self._roster.cursor)
        try:
            answer = await workflow.execute_activity_method(ConfigActivities.list_trackers, request, **config)
            self._roster.expect(answer.trackers, answer.then)
            self._unlisted, self._unlisted_since = LISTING, None
            self._list_again.reset()
        except ActivityError as error:
            failure, now = failure_of(error), workflow.now()
            self._unlisted_since = self._unlisted_since or now
            if worth_showing(failure, self._unlisted_since, now, passing=start.timings.passing):
                self._unlisted = f"the trackers that may be on their way cannot be listed: {failure.text}"
                self._background.wake()
            await workflow.sleep(
                max(jittered(self._list_again.next()), failure.wait), summary="list the live trackers again"
            )
        finally:
            self._listing = False

    def _vanish(self, tracker: TrackerRef) -> None:
        workflow.logger.info("tracker %s is gone", tracker.name)
        quarantine = self._start.timings.activity_start_to_close
        self._roster.vanish(tracker, workflow.now(), quarantine=quarantine)

    def _publish(self) -> None:
        # What lasts for moments would cost a write and show little: an open grant, a delivery that has just begun.
        begins = self._observer.begins_to_follow and self._roster.holder() is not None
        passes = begins or self._roster.grant is not None
        settles = workflow.now() < self._settles_until and self._roster.entries
        if self._observer.environment is None or passes or settles or self._leaves_now():
            return
        observed = self._observer.observed
        status = presentation.place_status(self._start.repository, observed, self._roster.members, self._holder())
        worth = presentation.worth_publishing(status, observed.observations)
        gone = self._shown - {one.tracker.name for one in self._roster.members}
        if observed.at is not None and (worth != self._published or gone):
            self._published, self._shown = worth, {one.tracker for one in status.lane.members}
            self._publisher.offer(
                PublishPlaceInput(namespace=self._start.namespace, environment=self._start.environment, status=status)
            )

    def _leaves_now(self) -> bool:
        """Return whether the holder has just arrived: it hands the lane back within moments, and both are one write.

        One that stays is published with the next look.
        """
        holder, observed = self._roster.holder(), self._observer.observed
        if holder is None or not observation.has_arrived(holder, observed.observations):
            self._arrived_at = None
            return False
        self._arrived_at = self._arrived_at or observed.at
        return self._arrived_at == observed.at

    def _next_deadline(self, now: datetime, blockers: tuple[str, ...]) -> datetime | None:
        """Return the next time to decide again; what is due already waits for something whose end wakes us."""
        timings = self._start.timings
        times = (
            *self._roster.deadlines(
                blockers=blockers, backstop=timings.backstop, holder_backstop=timings.holder_backstop
            ),
            self._observer.next_deadline(self._roster.members),
            self._comparer.next_deadline(),
            self._lonely_since + self._linger() if self._lonely_since is not None else None,
            self._reports.next_deadline() if self._lonely_since is not None else None,
            self._settles_until,
        )
        return min((one for one in times if one is not None and one > now), default=None)

    def _linger(self) -> timedelta:
        return min(self._start.linger * max(1, self._roster.known_trackers), LONGEST_LINGER)

    def _deserted(self, now: datetime) -> bool:
        if self._lonely_since is None or self._roster.entries or self._roster.occupied(now)[0]:
            return False
        if self._reports.known:
            # An event is not repeated: what it reported is lost with the run.
            return False
        return now >= self._lonely_since + self._linger() and not self._background.busy

    async def _continue(self) -> NoReturn:
        """Hand everything to the next run; what arrives meanwhile is handed over too.

        Only signals under way and the last status are awaited, and only a moment: reads may last for as long as a
        server is away. The next run begins what was under way again, since what it is due to do is carried.
        """
        await wait_until(lambda: not self._sender.busy, at_most=GRACE, why="last signals")
        # The next run publishes first of all.
        await self._publisher.give_up()
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._background.collect()
        self._handed_over = True
        state = EnvironmentState(
            roster=self._roster.state(),
            observer=self._observer.state(),
            sent=self._sender.carried(),
            relations=self._comparer.ancestry.relations(),
            comparer=self._comparer.state(),
            reports=self._reports.state(),
            sequence=self._publisher.sequence,
            lonely_since=self._lonely_since,
        )
        lifetime.hand_over(replace(self._start, carried=carrying.fitting(state)))

    def _holder(self) -> str:
        holder = self._roster.holder()
        return holder.tracker.name if holder is not None else ""

    def _details(self) -> str:
        return presentation.details(
            f"{self._start.environment} / {self._start.repository}",
            self._roster.members,
            self._holder(),
            self._blocked_by,
            self._observer.observed.observations,
            self._observer.problem,
        )


def _parted(signal: MemberSignal) -> tuple[MemberSignal, PlaceReading | None]:
    """Return a view as it is kept, and what its sender has read here as it joins."""
    return replace(signal, reading=None), signal.reading
