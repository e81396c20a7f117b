"""Membership of a promotion in the environments on its way: our standing in each, and their newest views.

Each environment's own workflow sends its whole view, numbered by a counter, and gets ours in return; what is lost or
late is harmless, since only the newest view of either side counts. Signals are taken by the handler, which only notes
that an answer is owed: answers are sent by the step at hand at its next wait, so that nothing is sent from a state that
is being changed.

A grant of the lane is taken only by a step, and only while we stand in line and it answers our newest Ready. What
environments know of us is carried; what they sent is not: a new run sends its view to all again; their answers are its
first views. The rules that a tracker keeps are listed in docs/internals/architecture.md, and played by a model.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityConfig

from activities.contracts import ConfigActivities
from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES
from activities.models.configuration import EnvironmentView, FindPolicyInput
from activities.models.delivery import Observation, ReadDeploymentsInput
from activities.models.memberships import JoinPlaceInput, SendViewsInput, TakeLaneInput, TakeLaneResult
from activities.models.places import Counter, MemberSignal, PlaceSignal, Role, SendViewInput
from activities.models.promotion import PromotionInput
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Phase
from workflows import policies
from workflows.failures import failure_of
from workflows.identity import Queues
from workflows.promotion.state import PromotionState
from workflows.runtime.backoff import Backoff, jittered


class Membership:
    """Hold the environments' views, and send ours."""

    def __init__(self, request: PromotionInput, story: PromotionState) -> None:
        self.request = request
        self.story = story
        self.timings = request.timings
        self.queues = Queues(installation=request.installation)
        self.ready_counter: Counter | None = None
        self.granted = False
        self.hold_sent = False
        self._begun = workflow.now()
        self._asking_ahead = Backoff(initial=self.timings.reference_initial, maximum=self.timings.reference_maximum)
        self._ask_ahead_at: datetime | None = None
        """When who is ahead is asked again; None while no answer to that is owed."""
        self._hurried = False
        """Whether it is to be asked at once, also where the question that is under way fails."""
        self._sent_at: dict[str, datetime] = {}
        self._views: dict[str, PlaceSignal] = dict(story.views)
        self._to_answer: set[str] = set(story.farewells_owed)

    @property
    def phase(self) -> Phase:
        """The phase that we last sent to the target of the hop."""
        return self.story.phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self.story.phase = phase

    @property
    def member_of(self) -> dict[str, Role]:
        """Environment -> role, for every place that has a view of ours which was not Gone."""
        return self.story.member_of

    @property
    def _held(self) -> bool:
        return self.story.hold is not None

    def view(self, environment: str) -> PlaceSignal | None:
        """Return the newest view of a place, if there is one yet."""
        return self._views.get(environment)

    def views_of(self, *environments: str) -> dict[str, PlaceSignal]:
        """Return the newest views of these places, without grants: the next run asks for the lane by itself."""
        return {one: replace(self._views[one], grant=None) for one in environments if one in self._views}

    def receive(self, signal: PlaceSignal) -> None:
        """Take a place's view if it is newer; a new run of the place, or a grant we cannot take, is answered."""
        known = self._views.get(signal.environment)
        if known is not None and signal.counter.as_tuple() <= known.counter.as_tuple():
            return
        self._views[signal.environment] = signal
        ours = signal.environment in self.member_of
        if known is not None and known.counter.epoch != signal.counter.epoch:
            self._to_answer.add(signal.environment)
        if signal.asks or (known is None and not ours):
            self._to_answer.add(signal.environment)
        if signal.grant is None or not self._is_target(signal.environment):
            if signal.grant is not None:
                self._to_answer.add(signal.environment)
            return
        ready = self.ready_counter
        fresh = ready is not None and signal.grant.answers.as_tuple() >= ready.as_tuple()
        if self.phase is Phase.READY and fresh and not self._held:
            self.granted = True
        elif self.phase is not Phase.HOLDER:
            self._to_answer.add(signal.environment)

    def _is_target(self, environment: str) -> bool:
        return self.story.hop is not None and self.story.hop.policy.target == environment

    def leave_line(self) -> None:
        """Forget what the hop's lane meant to us."""
        self.phase, self.ready_counter, self.granted = Phase.WORKING, None, False

    async def set_phase(self, phase: Phase) -> None:
        """Take a phase at the target of the hop and send it."""
        self._begin(phase)
        if self.story.hop is not None:
            await self.send(self.story.hop.policy.target, Role.TARGET, phase)

    def _begin(self, phase: Phase) -> None:
        self.phase = phase
        if phase is not Phase.READY:
            self.ready_counter, self.granted = None, False

    async def send(self, environment: str, role: Role, phase: Phase) -> None:
        """Send one place our whole view."""
        view = self._next_view(environment, role, phase)
        config = policies.send_view(self.queues, self.timings, summary=f"send {environment}: {phase}")
        try:
            self.answered(await workflow.execute_activity_method(ConfigActivities.send_view, view, **config))
        except ActivityError as refusal:
            self._send_later(refusal, environment)

    async def join(self, environment: str, role: Role, *, fresh: bool) -> EnvironmentView | None:
        """Become a member of a place; return its Environment, where it could be read alongside."""
        view = self._next_view(environment, role, Phase.WORKING)
        request = JoinPlaceInput(namespace=view.namespace, repository=view.repository, view=view, fresh=fresh)
        config = policies.send_view(self.queues, self.timings, summary=f"join {environment}")
        try:
            joined = await workflow.execute_activity_method(ConfigActivities.join_place, request, **config)
        except ActivityError as refusal:
            self._send_later(refusal, environment)
            return None
        self.answered(joined.answer)
        return joined.environment

    async def send_views(self, *standings: tuple[str, Role, Phase]) -> None:
        """Send several places our whole view in one activity: (environment, role, phase) of each.

        Of one place at most an answer is awaited.
        """
        if len(standings) == 1:
            await self.send(*standings[0])
        else:
            await self._send_together(policies.send_view, *standings)

    async def leave_all(self) -> None:
        """Send our last view to every place that knows of us or is owed our view; lasts until each has it."""
        ahead = self.story.ahead if self.hold_sent else ()
        leaving = sorted({*self.member_of, *self._to_answer, *ahead})
        self.story.hold_untold = False
        if leaving:
            await self._send_together(
                policies.send_last_view, *((one, self.member_of.get(one, Role.AHEAD), Phase.GONE) for one in leaving)
            )

    async def _send_together(self, policy: Callable[..., ActivityConfig], *standings: tuple[str, Role, Phase]) -> None:
        views = self.next_views(*standings)
        summary = "send " + ", ".join(f"{environment}: {phase}" for environment, _, phase in standings)
        config = policy(self.queues, self.timings, summary=summary)
        request = SendViewsInput(
            namespace=self.request.tracker.namespace, repository=self.request.spec.repository, views=views
        )
        try:
            sent = await workflow.execute_activity_method(ConfigActivities.send_views, request, **config)
            self.answered(sent.answer)
        except ActivityError as refusal:
            self._send_later(refusal, *(one.environment for one in views))

    async def take_lane(self, reading: ReadDeploymentsInput | None) -> tuple[Observation, ...] | None:
        """Take the lane of the hop's target; return what the target ran then, None where it was not read."""
        hop = self.story.hop
        if hop is None or reading is None:
            await self.set_phase(Phase.HOLDER)
            return None
        self._begin(Phase.HOLDER)
        view = self._next_view(hop.policy.target, Role.TARGET, Phase.HOLDER)
        config = policies.send_view(self.queues, self.timings, summary=f"take the lane of {hop.policy.target}")
        found = await self._ask_for_lane(view, reading, config)
        return found.observations if found is not None else None

    async def stand_in_line(self, reading: ReadDeploymentsInput | None) -> TakeLaneResult | None:
        """Stand in line for the lane of the hop's target, and take it where it is free; None where nothing was asked.

        Who is held or ended meanwhile has the lane all the same, and hands it back.
        """
        hop = self.story.hop
        if hop is None or reading is None:
            await self.set_phase(Phase.READY)
            return None
        self._begin(Phase.READY)
        view = self._next_view(hop.policy.target, Role.TARGET, Phase.READY)
        view = replace(view, signal=replace(view.signal, takes=True))
        config = policies.stand_in_line(self.queues, self.timings, summary=f"stand in line for {hop.policy.target}")
        found = await self._ask_for_lane(view, reading, config)
        if found is not None:
            self.answered(found.answer)
            if found.taken:
                self._begin(Phase.HOLDER)
        return found

    async def _ask_for_lane(
        self, view: SendViewInput, reading: ReadDeploymentsInput, config: ActivityConfig
    ) -> TakeLaneResult | None:
        """Take the lane, or stand in line for it; None where the place is sent our view later."""
        request = TakeLaneInput(namespace=reading.namespace, repository=reading.repository, view=view, read=reading)
        try:
            return await workflow.execute_activity_method(ConfigActivities.take_lane, request, **config)
        except ActivityError as refusal:
            self._send_later(refusal, view.environment)
            return None

    def answered(self, answer: PlaceSignal | None) -> None:
        """Take the view that a place answered with, if it did."""
        if answer is not None:
            self.receive(answer)

    def _send_later(self, refusal: ActivityError, *environments: str) -> None:
        # At the next wait, so that commands and deadlines come in between.
        workflow.logger.warning("a view could not be sent to a place", exc_info=refusal)
        self._to_answer.update(environments)

    def joining_view(self) -> tuple[MemberSignal, dict[str, Counter]]:
        """Return the view with which a target is joined that is not known yet, and what we received of all places."""
        received = {environment: view.counter for environment, view in self._views.items()}
        return replace(self._next_signal(Role.TARGET, Phase.WORKING, None), artifacts=()), received

    def next_views(self, *standings: tuple[str, Role, Phase]) -> tuple[SendViewInput, ...]:
        """Return what sends several places our whole view: (environment, role, phase) of each; it is to be sent."""
        return tuple(self._next_view(*one) for one in standings)

    def joined(self, environment: str, answer: PlaceSignal | None) -> None:
        """Note that a target was sent the view with which it is joined."""
        self.member_of[environment] = Role.TARGET
        self._sent_at[environment] = workflow.now()
        self.answered(answer)

    def _next_signal(self, role: Role, phase: Phase, received: PlaceSignal | None) -> MemberSignal:
        """Return our whole view under a counter of its own: what is returned is sent."""
        story = self.story
        # Grows with the clock, so that a reset of the workflow uses no counter twice.
        story.signals = max(story.signals + 1, int(workflow.now().timestamp() * 1000))
        counter = Counter(epoch=self.request.tracker.attempt, n=story.signals)
        if phase is Phase.READY and role is Role.TARGET:
            self.ready_counter = counter
        # A place judges by commits alone; hundreds of members times their images would be too much for it to carry.
        found = story.hop.round.artifacts if story.hop and story.hop.round else ()
        artifacts = tuple(Artifact(component=one.component, revision=one.revision) for one in found)
        return MemberSignal(
            tracker=self.request.tracker,
            number=self.request.spec.number,
            workflow_id=workflow.info().workflow_id,
            counter=counter,
            hop=story.hops,
            role=role,
            phase=phase,
            held=self._held,
            revision=story.pull_request.merge_sha if story.pull_request else None,
            components=story.components or (),
            artifacts=artifacts,
            received=received.counter if received else None,
        )

    def _next_view(self, environment: str, role: Role, phase: Phase) -> SendViewInput:
        """Return what sends our whole view to one place."""
        signal = self._next_signal(role, phase, self._views.get(environment))
        if phase in (Phase.GONE, Phase.ARRIVED):
            self.member_of.pop(environment, None)
        else:
            self.member_of[environment] = role
        self._to_answer.discard(environment)
        self._sent_at[environment] = workflow.now()
        return SendViewInput(
            namespace=self.request.tracker.namespace,
            environment=environment,
            repository=self.request.spec.repository,
            signal=signal,
            timings=self.timings,
        )

    def farewells_owed(self) -> tuple[str, ...]:
        """Return the places that we left, or never joined, and that wait for our view; members get it anyway."""
        return tuple(sorted(self._to_answer - set(self.member_of)))

    def phase_at(self, environment: str) -> tuple[Role, Phase]:
        """Return our role and phase at a place; Gone where we are no member any more."""
        role = self.member_of.get(environment)
        if role is None:
            return Role.AHEAD, Phase.GONE
        return role, self.phase if role is Role.TARGET else Phase.WORKING

    async def send_again(self) -> None:
        """Repeat our view to every place that knows us: the backstop of a lost signal."""
        for environment in sorted(self.member_of):
            self._sent_at[environment] = workflow.now()
            await self._send_as_is(environment)

    def silent_for(self) -> timedelta:
        """Return how long ago the place that we neglected most received our view."""
        now = workflow.now()
        return max((now - self._sent_at.get(one, self._begun) for one in self.member_of), default=timedelta(0))

    async def _send_as_is(self, environment: str) -> None:
        """Repeat our view to one place; a received grant is answered by taking or leaving it, never by Ready."""
        role, phase = self.phase_at(environment)
        if not (self.granted and role is Role.TARGET and phase is Phase.READY):
            await self.send(environment, role, phase)

    @property
    def unanswered(self) -> bool:
        """Whether a place waits for our view."""
        return bool(self._to_answer) or (self.story.hold_untold and not self.asks_ahead_in)

    @property
    def asks_ahead_in(self) -> timedelta:
        """How long until who is ahead is asked again; zero where that is due, or no one waits for it."""
        at = self._ask_ahead_at
        return max(at - workflow.now(), timedelta(0)) if at is not None else timedelta(0)

    async def answer(self) -> None:
        """Send our view to every place that waits for it."""
        for environment in sorted(self._to_answer):
            self._to_answer.discard(environment)
            await self._send_as_is(environment)
        if self.story.hold_untold and not self.asks_ahead_in:
            self.story.hold_untold, self.hold_sent = False, True
            self._ask_ahead_at, self._hurried = None, False
            await self._learn_ahead()
            await self._send_hold()

    def hold_changed(self) -> None:
        """Have a hold or a release sent to every place ahead."""
        self.story.hold_untold = True
        self.ask_ahead_now()

    def ask_ahead_now(self) -> None:
        """Ask at once who is ahead, where that was asked in vain: somebody may have fixed the cause."""
        self._ask_ahead_at, self._hurried = None, True

    async def _learn_ahead(self) -> None:
        """Find out which places are ahead before the first hop: untold, a newer change would carry this one past.

        Asked until answered, at the waits of the steps; meanwhile the hold shows why it does not count ahead.
        """
        story = self.story
        if story.ahead or not self._held:
            return
        request = FindPolicyInput(
            namespace=self.request.tracker.namespace,
            environment=story.environment,
            repository=self.request.spec.repository,
        )
        config = policies.config_read_shown(
            self.queues, self.timings, summary=f"find who is ahead of {story.environment}"
        )
        try:
            found = await workflow.execute_activity_method(ConfigActivities.find_policy, request, **config)
        except ActivityError as refusal:
            self._note_untold(failure_of(refusal, "PromotionPolicy").text)
            pause = timedelta(0) if self._hurried else jittered(self._asking_ahead.next())
            story.hold_untold, self._ask_ahead_at = True, workflow.now() + pause
            return
        self._asking_ahead.reset()
        self._note_untold("")
        story.ahead = found.ahead

    def _note_untold(self, why: str) -> None:
        # A release may have come while it was asked.
        if self.story.hold is not None:
            self.story.hold = replace(self.story.hold, untold=cut(why, LINE_BYTES))

    async def _send_hold(self) -> None:
        """Send every place ahead of the tracker that it is held, or no longer: hold must mean something everywhere."""
        for environment in self.story.ahead:
            if self.member_of.get(environment, Role.AHEAD) is Role.AHEAD:
                await self.send(environment, Role.AHEAD, Phase.WORKING if self._held else Phase.GONE)
            else:
                await self._send_as_is(environment)
        if self.story.environment in self.member_of:
            await self._send_as_is(self.story.environment)
