"""DriftWorkflow: what was promoted through one ArgoCDInstance is looked at again and again, while it is watched.

A whole look reads all monitors. What it finds for the first time is looked at once more soon after, alone, and is shown
only where both looks found it (`rules.py`). The run awaits one activity after the other. Next to it only the handlers
run: they note what is owed (a deleted tracker, a pull request to be shown) and bring the next whole look forward.

What is suspected, silent, owed or to be synced is carried. Monitors are not: a look compares what runs with what their
own statuses show. A host that gives no answer waits for the next look, and keeps no other one from its turn.
"""

from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.contracts import DriftActivities, DriftStatusActivities
from activities.models.budgets import DRIFT_OWED
from activities.models.delivery import WriteOutcome
from activities.models.drift import (
    DriftWorkflowInput,
    GoneTracker,
    LookForDriftInput,
    LookForDriftResult,
    OpenSync,
    PresentDriftInput,
    PublishDriftInput,
    SyncDriftedInput,
)
from activities.models.revisions import PAIRS_PER_CALL
from crds.texts.plain import counted
from workflows import policies
from workflows.drift import pacing, rules
from workflows.drift.presentation import DriftProgress, details
from workflows.failures import failure_of
from workflows.identity import (
    DRIFT_SIGNAL,
    DRIFT_WORKFLOW,
    POKE_SIGNAL,
    PRESENT_SIGNAL,
    PROGRESS_QUERY,
    TRACKER_GONE_SIGNAL,
    Queues,
    promotion_workflow_id,
)
from workflows.runtime import lifetime
from workflows.runtime.ancestry import KnownAncestry, compare_revisions
from workflows.runtime.snapshot import Snapshot
from workflows.runtime.timers import wait_until

_ASKED_LATER = (WriteOutcome.BUSY, WriteOutcome.BLOCKED, WriteOutcome.HELD)
"""Outcomes of a sync that is requested again: somebody else's operation ends, and so do sync windows and holds."""


@workflow.defn(name=DRIFT_WORKFLOW)
class DriftWorkflow:
    """Look, look again at what was found, write and show what both looks found; end with the last monitor."""

    @workflow.init
    def __init__(self, start: DriftWorkflowInput) -> None:
        self._start = start
        self._queues = Queues(installation=start.installation)
        self._suspicions = {one.monitor: one for one in start.pending}
        self._silent = start.silent
        self._owed = list(start.owed)
        self._syncs = list(start.syncs)
        self._cursor = start.cursor
        self._gone = list(start.gone)
        self._repositories: dict[str, str] = {}
        """Of trackers that are owed, as far as this run has read them; the others count as those of one."""
        self._unanswered: dict[str, None] = {}
        """Repositories whose hosts did not compare commits when they were asked last, the least recent first."""
        self._ancestry = KnownAncestry()
        self._poked = False
        self._monitors = 0
        self._looked: pacing.Looked | None = None

    @workflow.run
    async def run(self, start: DriftWorkflowInput) -> None:
        """Look until nothing is watched any more."""
        again = False
        while True:
            if not (again or self._cursor):
                # A pass answers the pokes that came before it; what one of them is about may be behind it by now.
                self._poked = False
            await self._clear()
            look = await self._look(again)
            if look is not None and look.gone:
                if not (self._gone or self._owed):
                    return
                # Pull requests show still what was found through it; nothing else is left to do.
                again, self._syncs = False, []
            elif look is not None and not (again or look.monitors or self._left_to_do):
                return
            if look is not None:
                await self._take(look, again)
            await self._request_syncs()
            await self._present()
            self._note(look, again)
            workflow.set_current_details(details(self.progress()))
            again = await self._wait()
            # What was found once is looked at again before anything is handed over.
            if not again and lifetime.due(start.history_limit):
                lifetime.hand_over(self._carried())

    @workflow.signal(name=POKE_SIGNAL, description="Something may have changed: look soon")
    def poke(self) -> None:
        """Look soon."""
        self._poked = True

    @workflow.signal(name=TRACKER_GONE_SIGNAL, description="A tracker was deleted: take what drifted from its change")
    def tracker_gone(self, tracker: GoneTracker) -> None:
        """Take what drifted from the pull request of a deleted tracker."""
        self._gone = [*self._gone, tracker][-DRIFT_OWED:]
        self._poked = True

    @workflow.signal(name=PRESENT_SIGNAL, description="A monitor was deleted: show what is left of its tracker's")
    def present(self, tracker: str) -> None:
        """Show on a tracker's pull request what its monitors report now."""
        self._owed = list(dict.fromkeys((*self._owed, tracker)))[-DRIFT_OWED:]
        self._poked = True

    @property
    def _left_to_do(self) -> bool:
        return bool(self._poked or self._gone or self._owed)

    @workflow.query(name=PROGRESS_QUERY, description="What the last look found")
    def progress(self) -> DriftProgress:
        """Return what the last look found."""
        return DriftProgress(
            instance=self._start.instance,
            monitors=self._monitors,
            looked_at=self._looked.at if self._looked is not None else None,
            suspicions=tuple(self._suspicions.values()),
            silent=self._silent,
        )

    async def _look(self, again: bool) -> LookForDriftResult | None:
        """Look at all, or at what was found once more; None where nothing is known of any."""
        request = LookForDriftInput(
            instance=self._start.instance,
            first=tuple(self._suspicions),
            again=again,
            projects=self._unconfirmed() if again else (),
            cursor=self._cursor,
        )
        what = f"{counted(len(self._suspicions), 'application')} again" if again else "all applications"
        config = policies.drift_look(self._queues, self._start.timings, summary=f"look at {what}")
        try:
            return await workflow.execute_activity_method(DriftActivities.look_for_drift, request, **config)
        except ActivityError as error:
            # An outage of ours is no evidence of what was promoted; the timer looks again.
            workflow.logger.warning("drift cannot be looked for", exc_info=error)
            return None

    async def _take(self, look: LookForDriftResult, again: bool) -> None:
        """Decide on what was found, and write what is to be shown."""
        await self._compare(look)
        found = rules.damp(self._suspicions, rules.decide(look.readings, self._ancestry))
        self._ancestry.decided()
        known = {one.project for one in self._silent if one.shown}
        self._silent = rules.silences(self._silent, look, self._unconfirmed() if again else None)
        news = tuple(one for one in self._silent if one.shown and one.project not in known)
        self._suspicions = {one.monitor: one for one in found.suspicions}
        if not again:
            self._monitors, self._cursor = look.monitors, look.cursor
        self._syncs += [
            OpenSync(monitor=one.monitor, key=f"drift-{one.uid}-{int(workflow.now().timestamp())}", uid=one.uid)
            for one in rules.syncs_wanted(found.shown)
        ]
        self._owed = list(dict.fromkeys((*self._owed, *rules.trackers_to_present(found.shown))))[-DRIFT_OWED:]
        known_of = {**self._repositories, **rules.repositories_of(found.shown)}
        self._repositories = {name: known_of[name] for name in self._owed if name in known_of}
        if not found.changes and not news:
            return
        request = PublishDriftInput(
            instance=self._start.instance, at=workflow.now(), changes=found.changes, silent=news
        )
        summary = f"publish {counted(len(found.changes), 'monitor')}"
        summary += f", {counted(len(news), 'project')} without answer" if news else ""
        config = policies.kubernetes_publish(self._queues, self._start.timings, summary=summary)
        try:
            await workflow.execute_activity_method(DriftStatusActivities.publish_drift, request, **config)
        except ActivityError as refusal:
            # Only a refusal that no retry fixes gets here; the next look finds the same again.
            workflow.logger.warning("what monitors found was refused", exc_info=refusal)

    async def _compare(self, look: LookForDriftResult) -> None:
        """Have the repositories' hosts know whether what runs contains what was promoted."""
        patience = self._patience()
        asked = rules.pairs_of(look.readings, self._ancestry)
        for repository in pacing.in_turn(asked, tuple(self._unanswered)):
            if patience.is_over(repository, workflow.now()):
                continue
            self._unanswered.pop(repository, None)
            pairs = self._ancestry.in_turn(asked[repository])
            for begin in range(0, len(pairs), PAIRS_PER_CALL):
                some = pairs[begin : begin + PAIRS_PER_CALL]
                try:
                    answer = await compare_revisions(
                        self._queues,
                        self._start.timings,
                        namespace=self._start.instance.namespace,
                        repository=repository,
                        pairs=some,
                        some=True,
                    )
                except ActivityError as error:
                    workflow.logger.warning("revisions of %s cannot be compared", repository, exc_info=error)
                    if failure_of(error).passing:
                        patience.silent.add(repository)
                        self._unanswered[repository] = None
                    break
                self._ancestry.take(some, answer)

    async def _request_syncs(self) -> None:
        """Request each sync that is wanted; one that something is in the way of is tried again after a later look.

        All are of one Argo CD: where it gives no answer, none of them is requested before that.
        """
        later: list[OpenSync] = []
        for number, one in enumerate(self._syncs, start=1):
            request = SyncDriftedInput(
                namespace=self._start.instance.namespace, monitor=one.monitor, key=one.key, uid=one.uid
            )
            config = policies.drift_signal(self._queues, self._start.timings, summary=f"sync for {one.monitor}")
            try:
                result = await workflow.execute_activity_method(DriftActivities.sync_drifted, request, **config)
            except ActivityError as error:
                workflow.logger.warning("a sync cannot be requested", exc_info=error)
                later.append(one)
                if failure_of(error).passing:
                    later = [*self._syncs[number:], *later]
                    break
                continue
            if result.outcome in _ASKED_LATER:
                later.append(one)
        self._syncs = later[-DRIFT_OWED:]

    async def _present(self) -> None:
        """Show on pull requests what changed; a host that does not answer is tried again after the next look."""
        owed, self._owed = self._owed, []
        refused: list[str] = []
        patience = self._patience()
        for tracker in owed:
            repository = self._repositories.get(tracker, "")
            if patience.is_over(repository, workflow.now()):
                self._owed.append(tracker)
                continue
            try:
                await self._present_one(self._presentation_of(tracker))
            except ActivityError as error:
                workflow.logger.warning("drift of %s cannot be shown", tracker, exc_info=error)
                passing = failure_of(error).passing
                if passing:
                    patience.silent.add(repository)
                if passing or self._monitors:
                    # Where nothing is watched any more, nothing but a host that is away keeps this workflow.
                    refused.append(tracker)
        self._owed += refused

    async def _clear(self) -> None:
        """Take what drifted from the pull requests of deleted trackers; a host that is away is tried again later."""
        gone, self._gone = self._gone, []
        away: list[GoneTracker] = []
        patience = self._patience()
        for tracker in gone:
            if patience.is_over(tracker.repository, workflow.now()):
                self._gone.append(tracker)
                continue
            try:
                await self._present_one(replace(self._presentation_of(tracker.name), gone=tracker))
            except ActivityError as error:
                workflow.logger.warning("drift of %s stays shown", tracker.name, exc_info=error)
                if failure_of(error).passing:
                    patience.silent.add(tracker.repository)
                    away.append(tracker)
        self._gone += away

    def _patience(self) -> pacing.Patience:
        return pacing.Patience(until=workflow.now() + self._start.timings.drift_confirm)

    def _presentation_of(self, tracker: str) -> PresentDriftInput:
        return PresentDriftInput(
            installation=self._start.installation, namespace=self._start.instance.namespace, tracker=tracker
        )

    async def _present_one(self, request: PresentDriftInput) -> None:
        """Show it on the pull request, or have the promotion show it as long as that goes on."""
        config = policies.drift_signal(self._queues, self._start.timings, summary=f"show drift of {request.tracker}")
        answer = await workflow.execute_activity_method(DriftActivities.present_drift, request, **config)
        one = answer.promotion
        if one is None:
            return
        promotion = promotion_workflow_id(self._start.installation, one.namespace, one.name, one.uid, one.attempt)
        try:
            await workflow.get_external_workflow_handle(promotion).signal(DRIFT_SIGNAL, answer.notice)
        except ApplicationError:
            # It ended meanwhile.
            ended = replace(request, ended=True)
            await workflow.execute_activity_method(DriftActivities.present_drift, ended, **config)

    def _note(self, look: LookForDriftResult | None, again: bool) -> None:
        """Note when this look ended, and what it leaves."""
        now, before = workflow.now(), self._looked
        found = bool(self._suspicions or self._unconfirmed())
        if again and before is not None:
            # What is still suspicious after a second look waits for a whole one.
            self._looked = replace(before, at=now, confirms=False)
            return
        self._looked = pacing.Looked(
            at=now,
            whole_at=now,
            next_whole=pacing.next_whole(now, self._start.timings, workflow.random().random()),
            confirms=found,
            left=look is not None and look.left > 0,
        )

    async def _wait(self) -> bool:
        """Wait for the next look; return whether it is one at what was found alone."""
        while True:
            looked = self._looked
            if looked is None:
                return False
            following = pacing.next_look(looked, self._start.timings, poked=self._poked)
            left = pacing.left_until(following.at, workflow.now())
            why = "look again at what was found" if following.again else "look at all that was promoted"
            if not await wait_until(Snapshot(lambda: self._poked).changed, at_most=left, why=why):
                return following.again

    def _unconfirmed(self) -> tuple[str, ...]:
        """Name the projects that were silent at one look only."""
        return tuple(one.project for one in self._silent if not one.shown)

    def _carried(self) -> DriftWorkflowInput:
        return replace(
            self._start,
            pending=tuple(self._suspicions.values()),
            silent=self._silent,
            owed=tuple(self._owed),
            syncs=tuple(self._syncs),
            cursor=self._cursor,
            gone=tuple(self._gone),
        )
