"""Signals from a place to its members: each receives what is new to it, one signal at a time, newest view only.

The workflow's step decides who needs what (`Announcements`); the sender compares that with a digest of what each
member was sent last, and sends the difference in the background. While a signal to a member is under way nothing else
is sent to it: the next step sees what is still new. So a signal is never older than the one before it.

A run that continues as new carries the digests of what arrived for certain, and no other. A receiver that is gone is
reported to the step, which treats its lane as a vanished holder's. What a place answers in the call of a member counts
as sent. What members do with a view is in `workflows/promotion/membership.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.models.budgets import VALUE_BYTES
from activities.models.delivery import Observation
from activities.models.places import BlockedBy, EnvironmentInput, MemberSignal, PlaceSignal, Role
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import Phase
from workflows.environment import observation
from workflows.environment.members import Roster
from workflows.environment.observer import Observer
from workflows.environment.state import Member, Sent
from workflows.identity import PLACE_SIGNAL, promotion_workflow_id
from workflows.runtime.background import Background
from workflows.sizes import digest, encoded_size

SIGNALS_AT_ONCE = 50
"""The server allows 2,000 pending signals of one workflow; far fewer keep a workflow task small."""

SIGNALS_BYTES = VALUE_BYTES
"""All signals under way together: those of one workflow task travel in one message."""

NOT_FOUND = "ExternalWorkflowExecutionNotFound"


@dataclass(frozen=True, kw_only=True)
class Announcements:
    """Hold what the members are to know in this step."""

    blocked_by: dict[str, BlockedBy] = field(default_factory=dict)
    ask: tuple[TrackerRef, ...] = ()


class MemberSignals:
    """Signal members and ask trackers; a tracker that is not there any more is reported as vanished."""

    def __init__(
        self,
        start: EnvironmentInput,
        roster: Roster,
        observer: Observer,
        background: Background,
        *,
        sent: dict[str, Sent],
        vanished: Callable[[TrackerRef], None],
    ) -> None:
        self.sent = dict(sent)
        self._start = start
        self._roster = roster
        self._observer = observer
        self._background = background
        self._vanished = vanished
        self._busy: dict[str, int] = {}
        """Bytes of the signal that is under way to each tracker."""
        self._full = False
        self._answered = 0
        """Bytes of the answers of this task to members that called."""

    @property
    def busy(self) -> bool:
        """Whether a signal is on its way."""
        return bool(self._busy)

    def carried(self) -> dict[str, Sent]:
        """Return what members received for certain: a signal under way may get lost with the run that sends it."""
        return {uid: sent for uid, sent in self.sent.items() if uid not in self._busy}

    def send(self, announced: Announcements) -> None:
        """Send every signal that is due and whose receiver is not being signalled already."""
        asked = set(announced.ask)
        self._full, self._answered = False, 0
        for member in self._roster.entries:
            uid = member.signal.tracker.uid
            before, news = self._news(member.signal, announced)
            asks = member.signal.tracker in asked
            due = asks or self._owes(member) or before != news
            if not (due and self._can_answer(member) and self._free(uid)):
                continue
            if self._send(member.signal.workflow_id, member.signal.tracker, member.signal, announced, asks=asks):
                self.sent[uid] = news
        members = {member.signal.tracker.uid for member in self._roster.entries}
        here = {member.signal.tracker for member in self._roster.entries}
        for tracker in announced.ask:
            if tracker not in here and self._free(tracker.uid):
                workflow_id = promotion_workflow_id(
                    self._start.installation, tracker.namespace, tracker.name, tracker.uid, tracker.attempt
                )
                self._send(workflow_id, tracker, None, announced, asks=True)
        self.sent = {uid: sent for uid, sent in self.sent.items() if uid in members}

    def answer(self, asked: MemberSignal, announced: Announcements, *, settles: bool) -> PlaceSignal | None:
        """Return the answer to a member's call; None where a signal is to bring it.

        The call that brought the view `settles` what is owed to it. A view that comes again is answered with what is
        true now, and stays owed whatever it was owed: its sender may have signalled it because it gave this call up.
        """
        member = next((one for one in self._roster.entries if one.signal == asked), None)
        if member is None or not self._can_answer(member):
            return None
        signal = self._signal(asked, announced, asks=False)
        size = encoded_size(signal)
        if self._answered and self._answered + size > SIGNALS_BYTES:
            return None
        self._answered += size
        if settles:
            self.sent[asked.tracker.uid] = self._news(asked, announced)[1]
            self._roster.answered(asked.tracker.uid)
        return signal

    def _free(self, uid: str) -> bool:
        return uid not in self._busy and len(self._busy) < SIGNALS_AT_ONCE and not self._full

    def _owes(self, member: Member) -> bool:
        """Return whether a member must be answered now: a holder waits for its delivery, and not for an answer."""
        patient = (
            member.signal.phase is Phase.HOLDER and workflow.now() - member.received_at < self._start.timings.watch
        )
        return member.answer_due and not patient

    def _can_answer(self, member: Member) -> bool:
        """Hold a first answer back until there is an observation, or a reason why there is none."""
        return self._observer.answers or member.signal.role is Role.AHEAD

    def _news(self, member: MemberSignal, announced: Announcements) -> tuple[Sent | None, Sent]:
        """Return what a member knows and what there is to know; they differ where something is new to it.

        That its grant has ended is none: it states it itself. Who becomes the holder reads the place by itself, so that
        it knows of what was seen until then: that is noted as sent here, once.
        """
        uid, observed = member.tracker.uid, self._observer.observed.observations
        grant, before = self._roster.grant, self.sent.get(uid)
        known = before or Sent()
        block = announced.blocked_by.get(uid)
        text = [] if block is None else [block.tracker, block.reason]
        news = Sent(
            text=digest(*text, "" if member.role is Role.AHEAD else self._observer.problem),
            grant=grant.since if grant is not None and grant.uid == uid else known.grant,
            holds=member.phase is Phase.HOLDER,
        )
        if not news.holds:
            return before, replace(news, seen=_seen(member, observed))
        essences = {
            one.deployment: observation.essence(member, one) for one in observation.concerning(member, observed)
        }
        loud = {name: digest(essence) for name, essence in essences.items() if essence}
        if not known.holds and known.seen == _seen(replace(member, phase=Phase.READY), observed):
            before = known = self.sent[uid] = replace(known, deployments=loud, holds=True)
        quiet = {name: known.deployments[name] for name in essences if name in known.deployments}
        return before, replace(news, seen=known.seen, deployments=quiet | loud)

    def _send(
        self,
        workflow_id: str,
        tracker: TrackerRef,
        member: MemberSignal | None,
        announced: Announcements,
        *,
        asks: bool,
    ) -> bool:
        """Send a signal unless all that are under way would be too large together; return whether it was sent."""
        signal = self._signal(member, announced, asks=asks)
        size = encoded_size(signal)
        if self._busy and sum(self._busy.values()) + size > SIGNALS_BYTES:
            self._full = True
            return False
        if asks:
            self._roster.asked(tracker, workflow.now())
        if member is not None:
            self._roster.answered(tracker.uid)
        self._busy[tracker.uid] = size
        self._background.start(self._deliver(workflow_id, tracker, signal))
        return True

    def _signal(self, member: MemberSignal | None, announced: Announcements, *, asks: bool) -> PlaceSignal:
        """Return what is true now, under a counter of its own; who is no member is only asked."""
        holder, observed = self._roster.holder(), self._observer.observed
        uid = member.tracker.uid if member is not None else ""
        return PlaceSignal(
            environment=self._start.environment,
            counter=self._roster.next_counter(workflow.now()),
            observed=observation.as_sent(member, observed.observations) if member is not None else (),
            observed_at=observed.at,
            holder=holder.tracker.name if holder is not None else "",
            grant=self._roster.grant_for(uid),
            blocked_by=announced.blocked_by.get(uid),
            failure=self._observer.failure,
            moved_by=observation.moves_concerning(member, observed),
            asks=asks,
        )

    async def _deliver(self, workflow_id: str, tracker: TrackerRef, signal: PlaceSignal) -> None:
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(PLACE_SIGNAL, signal)
        except ApplicationError as error:
            if error.type == NOT_FOUND:
                self._vanished(tracker)
            else:
                # Such as a receiver with too many signals: it is signalled again later.
                workflow.logger.warning("tracker %s cannot be signalled", tracker.name, exc_info=error)
                await workflow.sleep(self._start.timings.holder_backstop, summary=f"signal {tracker.name} again")
                self.sent.pop(tracker.uid, None)
        finally:
            self._busy.pop(tracker.uid, None)


def _seen(member: MemberSignal, observed: Sequence[Observation]) -> str:
    """Return the digest of all that concerns a member which does not hold the lane."""
    return digest(
        *(f"{one.deployment} {observation.essence(member, one)}" for one in observation.concerning(member, observed))
    )
