"""RepositorySyncWorkflow: one look at a repository's list at a time, for all of its trackers and for `discovery`."""

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import DiscoveryActivities, RepositorySyncActivities
from activities.models.failures import BriefFailure, Failure
from activities.models.repository_sync import (
    Discovered,
    PublishDiscoveryInput,
    RepositorySyncInput,
    SyncRepositoryInput,
    SyncRepositoryResult,
    TidyRepositoryInput,
)
from workflows import policies
from workflows.failures import failure_of
from workflows.identity import POKE_SIGNAL, PROGRESS_QUERY, REPOSITORY_SYNC_WORKFLOW, Queues
from workflows.repository.pacing import pause_after
from workflows.repository.presentation import RepositorySyncProgress, details, name_of
from workflows.runtime import lifetime
from workflows.runtime.timers import wait_until


@workflow.defn(name=REPOSITORY_SYNC_WORKFLOW)
class RepositorySyncWorkflow:
    """Look at once, when poked and from time to time; end with the resource, or where no one needs the list."""

    @workflow.init
    def __init__(self, start: RepositorySyncInput) -> None:
        self._start = start
        self._queues = Queues(installation=start.installation)
        self._name = name_of(start.repository)
        self._cursor, self._remembered = start.cursor, start.remembered
        self._tidied_at, self._tidied_to = start.tidied_at, start.tidied_to
        self._published: Discovered | None = start.discovered
        self._looks = 0
        self._quiet = 0
        self._failures = 0
        self._looked_at: datetime | None = None
        self._last: SyncRepositoryResult | None = None
        self._failure: Failure | None = None
        self._unremoved: tuple[BriefFailure, ...] = ()
        self._poked = False

    @workflow.run
    async def run(self, start: RepositorySyncInput) -> None:
        """Look until the resource is gone, or no one needs it."""
        while True:
            # A new run begins with a look, so that a poke which came late is heeded all the same.
            self._continue_if_due()
            self._poked = False
            result = await self._look()
            if result is not None and result.gone:
                return
            if result is not None and result.discovered is not None:
                await self._publish(result.discovered)
            if self._tidying_due() and not await self._is_needed():
                return
            workflow.set_current_details(details(self.progress()))
            if result is None or not result.more:
                await self._wait()

    @workflow.signal(name=POKE_SIGNAL, description="Something may have changed: look again at once")
    def poke(self) -> None:
        """Look again at once; what is true is read, never taken from the poke."""
        self._poked = True

    @workflow.query(name=PROGRESS_QUERY, description="What the last look found")
    def progress(self) -> RepositorySyncProgress:
        """Return what the last look found."""
        return RepositorySyncProgress(
            repository=self._start.repository,
            looked_at=self._looked_at,
            looks=self._looks,
            last=self._last,
            failure=self._failure,
            unremoved=self._unremoved,
        )

    async def _look(self) -> SyncRepositoryResult | None:
        repository = self._start.repository
        request = SyncRepositoryInput(
            namespace=repository.namespace,
            repository=repository.name,
            uid=repository.uid,
            cursor=self._cursor,
            remembered=self._remembered,
        )
        config = policies.list_pull_requests(self._queues, self._start.timings, summary=f"list {self._name}")
        try:
            result = await workflow.execute_activity_method(RepositorySyncActivities.sync_repository, request, **config)
        except ActivityError as error:
            # The condition Reachable, which the check of the credential writes, shows why it fails.
            self._failure = failure_of(error, self._name)
            self._failures += 1
            self._looked_at = workflow.now()
            return None
        self._looks += 1
        self._looked_at = workflow.now()
        self._failure, self._failures = None, 0
        self._quiet = self._quiet + 1 if result.unchanged or not (result.signalled or result.made) else 0
        if not result.gone:
            self._cursor, self._remembered, self._last = result.cursor, result.remembered, result
        return result

    async def _publish(self, discovered: Discovered) -> None:
        """Write the condition where it differs from the one before."""
        if discovered == self._published:
            return
        config = policies.kubernetes_publish_briefly(
            self._queues, self._start.timings, summary=f"publish {self._name}: {discovered.reason}"
        )
        request = PublishDiscoveryInput(repository=self._start.repository, discovered=discovered)
        try:
            await workflow.execute_activity_method(DiscoveryActivities.publish_discovery, request, **config)
            self._published = discovered
        except ActivityError as refusal:
            # It was refused, or no watcher is there: trackers need the next look, after which it is offered again.
            workflow.logger.warning("condition was not written", exc_info=refusal)

    def _tidying_due(self) -> bool:
        return self._tidied_at is None or workflow.now() - self._tidied_at >= self._start.timings.tidy_interval

    async def _is_needed(self) -> bool:
        """Remove trackers that ended long ago; return whether the list is looked at for anybody."""
        repository = self._start.repository
        request = TidyRepositoryInput(
            namespace=repository.namespace, repository=repository.name, uid=repository.uid, after=self._tidied_to
        )
        config = policies.list_pull_requests(self._queues, self._start.timings, summary=f"tidy {self._name}")
        self._tidied_at = workflow.now()
        try:
            result = await workflow.execute_activity_method(RepositorySyncActivities.tidy_repository, request, **config)
        except ActivityError as error:
            workflow.logger.warning("trackers cannot be listed", exc_info=error)
            return True
        self._unremoved, self._tidied_to = result.failures, result.tried_to
        # Who was just poked is needed: a tracker may have come since they were listed.
        return not result.gone and (result.needed or self._poked)

    async def _wait(self) -> None:
        """Wait for the next look; pokes in a row are one."""
        timings = self._start.timings
        asked = self._failure.retry_after if self._failure is not None else None
        pause = pause_after(
            quiet=self._quiet,
            failures=self._failures,
            retry_after=asked,
            timings=timings,
            chance=workflow.random().random(),
        )
        why = f"list {self._name} again"
        if not await wait_until(lambda: self._poked or lifetime.upgrade_wanted(), at_most=pause, why=why):
            return
        gap = (self._looked_at or workflow.now()) + max(timings.poke_gap, asked or timedelta(0)) - workflow.now()
        if gap > timedelta(0):
            await workflow.sleep(gap, summary="not sooner than the gap between two looks")

    def _continue_if_due(self) -> None:
        if self._looked_at is not None and lifetime.due(self._start.history_limit):
            lifetime.hand_over(
                replace(
                    self._start,
                    cursor=self._cursor,
                    remembered=self._remembered,
                    tidied_at=self._tidied_at,
                    tidied_to=self._tidied_to,
                    discovered=self._published,
                )
            )
