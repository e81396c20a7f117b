"""Post commit statuses of Flux events, and record what became of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from temporalio import activity

from activities.contracts import CommitStatusActivities, PostRecordActivities, SupersessionActivities
from activities.failures import reported
from activities.flux.contexts import renewed_context
from activities.metrics import Count, count
from activities.models.commit_statuses import (
    PENDING,
    CloseSupersededInput,
    CommitVerdict,
    PostCommitStatusInput,
    PostCommitStatusResult,
    PostOutcome,
    PublishPostInput,
    StatusSlot,
)
from activities.models.status import PublishStatusResult
from activities.ports import CommitStatusWorkflows, MissingReason, PostingOpener, PostingProvider, ReferenceMissing
from crds.api.mirror import read_through
from crds.api.ports import Kubernetes
from crds.api.posts import publish_post
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import LastError, LastPost, Provider
from providers import models
from providers.errors import ProviderUnavailable
from providers.models import StatusState
from providers.redaction import reads_as

SUPERSEDED_LIMIT = 20
"""Older commits that are closed at a time: a branch is rarely further ahead of its cluster."""


class CommitStatusPosts(CommitStatusActivities):
    """Post through Providers."""

    def __init__(self, opener: PostingOpener, workflows: CommitStatusWorkflows) -> None:
        self._opener = opener
        self._workflows = workflows

    @activity.defn
    @reported
    async def post_commit_status(self, request: PostCommitStatusInput) -> PostCommitStatusResult:
        """Post one status, or find that it is there, or that something newer is. Safe to retry if it looks first."""
        outcome = "Failed"
        try:
            result = await self._post(request)
            outcome = result.outcome.value
        finally:
            slot = request.slot
            count(Count.COMMIT_STATUSES, namespace=slot.namespace, provider=slot.provider, outcome=outcome)
        return result

    async def _post(self, request: PostCommitStatusInput) -> PostCommitStatusResult:
        slot = request.slot
        provider = await self._opened(slot, fresh=False)
        if provider is None or provider.suspended or provider.uid != slot.provider_uid:
            # A worker's memory may be older than the Provider that was made again, or resumed.
            provider = await self._opened(slot, fresh=True)
        if provider is None:
            return PostCommitStatusResult(outcome=PostOutcome.GONE)
        if provider.uid != slot.provider_uid:
            await self._hand_on(request, provider.uid)
            return PostCommitStatusResult(outcome=PostOutcome.GONE, handed_on=True)
        outcome = PostOutcome.SUSPENDED if provider.suspended else await self._post_through(provider, request)
        return PostCommitStatusResult(outcome=outcome)

    async def _post_through(self, provider: PostingProvider, request: PostCommitStatusInput) -> PostOutcome:
        slot, wanted = request.slot, host_status(request.slot, request.verdict)
        statuses = provider.host.commit_statuses
        if request.look_first:
            async with _within(provider.timeout):
                newest = await statuses.newest(slot.commit)
            capabilities = provider.host.capabilities
            shown = _of_context(newest, capabilities.listed_context(slot.context))
            listed = replace(wanted, url=capabilities.listed_url(wanted.url))
            if (outcome := judge(request, listed, shown)) is not None:
                return outcome
        async with _within(provider.timeout):
            await statuses.set(slot.commit, wanted)
        return PostOutcome.POSTED

    async def _opened(self, slot: StatusSlot, *, fresh: bool) -> PostingProvider | None:
        """Return the Provider of that name; None where there is none."""
        try:
            with read_through(when=fresh):
                return await self._opener.posting_provider(slot.namespace, slot.provider, flux=slot.flux)
        except ReferenceMissing as error:
            if error.reason is MissingReason.NOT_FOUND:
                return None
            raise

    async def _hand_on(self, request: PostCommitStatusInput, uid: str) -> None:
        """Have the workflow of the Provider that was made again post it, in the order of its own events."""
        context = renewed_context(request.slot.context, before=request.slot.provider_uid, now=uid)
        await self._workflows.signal(replace(request.slot, provider_uid=uid, context=context), request.verdict)


class Supersession(SupersessionActivities):
    """Signal workflows over Temporal."""

    def __init__(self, workflows: CommitStatusWorkflows) -> None:
        self._workflows = workflows

    @activity.defn
    @reported
    async def close_superseded(self, request: CloseSupersededInput) -> None:
        """Signal the workflows of other commits of one context that a newer commit was reconciled. Safe to retry."""
        slot = request.slot
        verdict = CommitVerdict(
            at=request.at,
            state=StatusState.ERROR.value,
            description=f"superseded by {slot.short_commit} before it was reconciled",
            over_pending=True,
        )
        others = await self._workflows.others(slot, limit=SUPERSEDED_LIMIT)
        await asyncio.gather(*(self._workflows.signal(replace(slot, commit=one), verdict) for one in others))


class PostRecords(PostRecordActivities):
    """Write records through the Kubernetes API."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    @activity.defn
    @reported
    async def publish_post(self, request: PublishPostInput) -> PublishStatusResult:
        """Write what was posted last, or why not, to a Provider and a CommitStatus; a newer record stays."""
        found = request.record
        record: LastPost | LastError = (
            LastError(time=found.at, message=found.error, event=found.object)
            if found.error
            else LastPost(time=found.at, commit=found.commit, context=found.context, state=found.state)
        )
        written = [
            await publish_post(
                self._kubernetes, kind.definition, namespace=request.namespace, name=name, uid=uid, record=record
            )
            for kind, name, uid in (
                (Provider, request.provider, request.provider_uid),
                (CommitStatus, request.subscription, ""),
            )
            if name
        ]
        return PublishStatusResult(written=any(written), reason="" if any(written) else "NothingToWrite")


def host_status(slot: StatusSlot, verdict: CommitVerdict) -> models.CommitStatus:
    """Return what a host is sent."""
    return models.CommitStatus(
        context=slot.context,
        state=StatusState(verdict.state),
        description=verdict.description,
        url=verdict.target_url,
    )


@asynccontextmanager
async def _within(limit: timedelta) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except TimeoutError:
        raise ProviderUnavailable(f"no answer within {limit.total_seconds():g} s, spec.timeout", status=504) from None


def _of_context(newest: Mapping[str, models.CommitStatus], context: str) -> models.CommitStatus | None:
    # GitHub compares contexts without case.
    return next((one for name, one in newest.items() if name.casefold() == context.casefold()), None)


def judge(
    request: PostCommitStatusInput, wanted: models.CommitStatus, shown: models.CommitStatus | None
) -> PostOutcome | None:
    """Return why a status that may overwrite another one is not posted; None where it is."""
    verdict = request.verdict
    if shown is None:
        return PostOutcome.OVERTAKEN if verdict.over_pending else None
    if (shown.state, shown.url) == (wanted.state, wanted.url) and reads_as(shown.description, wanted.description):
        return PostOutcome.UNCHANGED
    if verdict.over_pending:
        return None if shown.state.value == PENDING else PostOutcome.OVERTAKEN
    # The host's clock and that of the cluster may differ by seconds; fresh runs come an hour after the last event.
    if shown.posted_at is not None and verdict.at < shown.posted_at and _is_of_another_run(request, shown):
        return PostOutcome.OVERTAKEN
    return None


def _is_of_another_run(request: PostCommitStatusInput, shown: models.CommitStatus) -> bool:
    if not request.tried:
        return request.fresh
    return not any(
        shown.state.value == one.state and (not shown.description or reads_as(shown.description, one.description))
        for one in request.tried
    )
