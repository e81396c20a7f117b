"""Steps before the change runs anywhere: read the pull request, await its merge, await it in the first environment."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow

from activities.contracts import ConfigActivities, ScmActivities
from activities.models.bounds import together
from activities.models.configuration import ReadRepositoryInput
from activities.models.delivery import Observation
from activities.models.places import Role
from activities.models.promotion import Verb
from activities.models.revisions import ListChangedFilesInput, ReadPullRequestInput
from activities.models.tracking import Artifact, PullRequest, PullRequestState, RepositoryView
from crds.reasons.events import EventReason
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import Phase, State
from workflows import policies
from workflows.promotion.rules import comparison
from workflows.promotion.rules.lineage import astray
from workflows.promotion.rules.news import misses_merge
from workflows.promotion.run import Ended, PromotionRun
from workflows.runtime.asking import Unreadable, no_answer
from workflows.runtime.backoff import Backoff, jittered

Answer = TypeVar("Answer")

JOIN_TIMEOUT = timedelta(minutes=2)
"""How long a place may take for its first view before it is signalled again."""


async def read(ctx: PromotionRun) -> State:
    """Read the repository and the pull request, waiting for whatever is missing."""
    story, spec, began = ctx.story, ctx.request.spec, workflow.now()
    story.environment = spec.environment
    _, alongside = await _read_repository(ctx, number=spec.number)
    if alongside is None:
        await _read_pull_request(ctx)
    else:
        _take_pull_request(ctx, alongside, began)
    return State.AWAITING_MERGE


async def _read_repository(
    ctx: PromotionRun, *, number: int | None = None
) -> tuple[RepositoryView, PullRequest | None]:
    """Read the repository, with the pull request where that is asked for and could be read alongside."""
    spec = ctx.request.spec
    summary = f"read repository {spec.repository}" + (f", pull request #{number}" if number is not None else "")

    async def ask() -> tuple[RepositoryView, PullRequest | None]:
        answer = await workflow.execute_activity_method(
            ConfigActivities.read_repository,
            ReadRepositoryInput(
                namespace=ctx.request.tracker.namespace, repository=spec.repository, fresh=ctx.fresh, number=number
            ),
            **policies.config_read_shown(ctx.queues, ctx.timings, summary=summary),
        )
        if answer.repository is None:
            raise Unreadable(answer.failure or no_answer(f"GitRepository/{spec.repository}"))
        return answer.repository, answer.pull_request

    found = await ctx.asking.retry_until_answered(ask, object_=f"GitRepository/{spec.repository}", why="repository")
    ctx.story.repository = found[0]
    return found


async def await_merge(ctx: PromotionRun) -> State:
    """Wait for the merge; only the pull request changes meanwhile."""
    story = ctx.story
    pauses = Backoff(initial=ctx.timings.merge_initial, maximum=ctx.timings.merge_maximum)
    # Taken before anything is read: a poke that comes meanwhile is about what the read may not show yet.
    seen, poked = ctx.look(pull_request=True), ctx.pokes
    while True:
        pull_request = story.pull_request or await _read_pull_request(ctx)
        if pull_request.state is PullRequestState.CLOSED:
            restart = ctx.request.tracker.command_line("restart")
            text = f"#{pull_request.number} was closed without a merge; if it is reopened: `{restart}`"
            raise Ended(State.CLOSED, TrackerReason.PULL_REQUEST_CLOSED, text)
        if pull_request.state is PullRequestState.MERGED and pull_request.merge_sha:
            await _learn_components(ctx)
            into = f" into {pull_request.base_branch}" if pull_request.base_branch else ""
            ctx.event(
                EventReason.MERGED,
                f"#{pull_request.number} was merged{into} as {comparison.short(pull_request.merge_sha)}",
            )
            if ctx.held:
                # Only now can places ahead know which changes would carry this one past the hold.
                ctx.membership.hold_changed()
            return State.AWAITING_SYNC
        # The host may show a merge before its commit.
        pause = ctx.timings.reference_maximum if misses_merge(pull_request) else pauses.next()
        pause = jittered(pause)
        if await ctx.wait(seen.changed, at_most=pause, why="look for the merge", again_at=workflow.now() + pause):
            # Where a host reports a merge before each of its servers knows it, the next look comes soon.
            pauses.reset()
        story.awaited_merge = True
        to_be_read = not seen.changed() or ctx.pokes != poked or misses_merge(story.pull_request)
        seen, poked = ctx.look(pull_request=True), ctx.pokes
        if to_be_read:
            await _read_pull_request(ctx)


async def _read_pull_request(ctx: PromotionRun) -> PullRequest:
    spec, began = ctx.request.spec, workflow.now()

    async def ask() -> PullRequest:
        answer = await workflow.execute_activity_method(
            ScmActivities.read_pull_request,
            ReadPullRequestInput(
                namespace=ctx.request.tracker.namespace, repository=spec.repository, number=spec.number
            ),
            **policies.scm_read(ctx.queues, ctx.timings, summary=f"read pull request #{spec.number}"),
        )
        return answer.pull_request

    return _take_pull_request(ctx, await _ask_host(ctx, ask, "pull request"), began)


def _take_pull_request(ctx: PromotionRun, found: PullRequest, began: datetime) -> PullRequest:
    """Keep what was read since, unless something newer came meanwhile."""
    story = ctx.story
    if story.pull_request is not None and story.listed_at is not None and story.listed_at > began:
        # News came meanwhile: a replica that was read may not know them yet.
        return story.pull_request
    if found != story.pull_request:
        story.pull_request = found
        ctx.changed()
    return found


async def _ask_host(ctx: PromotionRun, ask: Callable[[], Awaitable[Answer]], why: str) -> Answer:
    """Ask the repository's host for something of the pull request, until it answers."""
    spec = ctx.request.spec
    return await ctx.asking.retry_until_answered(
        ask, object_=f"pull request #{spec.number}", through=f"GitRepository/{spec.repository}", why=why
    )


async def _learn_components(ctx: PromotionRun) -> None:
    """Learn which components the pull request touches; where it touches none, the tracker ends."""
    story, spec = ctx.story, ctx.request.spec
    known = None if story.awaited_merge else story.repository
    declared = (known or (await _read_repository(ctx))[0]).components
    if all(not component.paths for component in declared):
        story.components = tuple(component.name for component in declared)
        return

    async def ask() -> tuple[str, ...]:
        answer = await workflow.execute_activity_method(
            ScmActivities.list_changed_files,
            ListChangedFilesInput(
                namespace=ctx.request.tracker.namespace, repository=spec.repository, number=spec.number
            ),
            **policies.scm_read(ctx.queues, ctx.timings, summary="list changed files"),
        )
        return answer.components

    story.components = await _ask_host(ctx, ask, "changed files")
    if not story.components:
        raise Ended(State.COMPLETED, TrackerReason.NOTHING_TO_DEPLOY, "no component's paths match the changed files")


async def await_sync(ctx: PromotionRun) -> State:
    """Wait until the change runs healthy where it is, on every deployment of its components."""
    story = ctx.story
    if story.environment not in ctx.views and story.environment not in ctx.membership.member_of:
        declared = await ctx.membership.join(story.environment, Role.SOURCE, fresh=ctx.fresh)
        if declared is not None:
            ctx.environments.keep(declared)
    if story.environment not in ctx.views:
        await ctx.environments.read(story.environment)
    await join(ctx, story.environment, Role.SOURCE)
    while True:
        # Taken before anything is awaited: a view that comes meanwhile must wake the wait below.
        seen = ctx.look(story.environment)
        if await source_with_change(ctx) is not None:
            story.message = ""
            return State.SYNCED
        _show_why(ctx, source_artifacts(ctx))
        poked = ctx.pokes
        woken = await ctx.wait(seen.changed, at_most=ctx.until_known(), why=f"await {story.environment}", quiet=True)
        if not woken:
            ctx.forget_unknown()
        if ctx.pokes != poked:
            await ctx.environments.read(story.environment)


async def join(ctx: PromotionRun, environment: str, role: Role) -> None:
    """Become a member of a place, and wait for its first view."""
    await send_joining(ctx, environment, role)
    while not _has_view(ctx, environment):
        received = await ctx.wait(
            lambda: _has_view(ctx, environment), at_most=JOIN_TIMEOUT, why=f"await {environment}", quiet=True
        )
        if not received and not ctx.membership.unanswered and not _has_view(ctx, environment):
            await ctx.membership.send(environment, role, Phase.WORKING)


async def send_joining(ctx: PromotionRun, environment: str, role: Role) -> None:
    """Send a place that we join it, unless it knows."""
    if ctx.membership.member_of.get(environment) != role:
        await ctx.membership.send(environment, role, Phase.WORKING)


def _has_view(ctx: PromotionRun, environment: str) -> bool:
    place = ctx.membership.view(environment)
    return place is not None and (place.observed_at is not None or place.failure is not None)


def source_artifacts(ctx: PromotionRun) -> tuple[Artifact, ...] | None:
    """Return what the source runs of our components, as last observed by its place."""
    place = ctx.membership.view(ctx.story.environment)
    if place is None or place.failure is not None:
        return None
    return comparison.place_artifacts(place.observed, ctx.story.components or ())


async def source_with_change(ctx: PromotionRun) -> tuple[Artifact, ...] | None:
    """Return what the source runs of our components if all of it contains the change: nothing else may be promoted."""
    while (artifacts := source_artifacts(ctx)) is not None:
        contained = await contains_change(ctx, artifacts)
        # While the host was asked, for hours where it is away, the source may have come to run something else.
        if source_artifacts(ctx) == artifacts:
            return artifacts if contained else None
    return None


async def contains_change(ctx: PromotionRun, artifacts: tuple[Artifact, ...]) -> bool:
    """Return whether the pull request's merge commit is contained in each artifact."""
    story = ctx.story
    merge = story.pull_request.merge_sha if story.pull_request else None
    place = ctx.membership.view(story.environment)
    if merge is None or place is None:
        return False
    ours = tuple(Artifact(component=artifact.component, revision=merge) for artifact in artifacts)
    await ctx.relate(ours, [one for one in place.observed if one.component in (story.components or ())])
    return all(comparison.contains(story.relations, whole=one.revision, part=merge) for one in artifacts)


def _health(one: Observation) -> str:
    return f"{one.sync_status}, {one.health}{f'; {one.message}' if one.message else ''}"


def _show_why(ctx: PromotionRun, artifacts: tuple[Artifact, ...] | None) -> None:
    place = ctx.membership.view(ctx.story.environment)
    if place is None:
        return
    merge = ctx.story.pull_request.merge_sha if ctx.story.pull_request else None
    restart = ctx.request.tracker.command_line("restart")
    lines = []
    for one in place.observed:
        if one.component not in (ctx.story.components or ()):
            continue
        by = (place.moved_by or {}).get(one.deployment)
        note = f" (brought by {by}; `{restart}` runs this change again)" if by and artifacts is not None else ""
        lost = astray(ctx.story, one, abort=ctx.request.tracker.command_line(Verb.ABORT))
        note += f" ({lost.text})" if lost is not None else ""
        of = "" if one.component in ("", one.deployment) else f" ({one.component})"
        seen = one.problem or f"runs {comparison.what_runs(one)}, wanted {comparison.short(merge)}, {_health(one)}"
        lines.append(f"{ctx.story.environment}/{one.deployment}{of}: {seen}{note}")
    deployed = {one.component for one in place.observed}
    if place.observed_at is not None:
        lines += [
            f"{ctx.story.environment} has no deployment of component {component}: add one to the Environment"
            for component in ctx.story.components or ()
            if component not in deployed
        ]
    ctx.checks = tuple(lines)
    message = place.problem or together(lines)
    if message != ctx.story.message:
        ctx.story.message = message
        ctx.changed()
