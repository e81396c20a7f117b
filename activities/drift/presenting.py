"""Show on a pull request what the monitors of its tracker report: a label, and a part of the summary comment."""

from activities.models.bounds import cut
from activities.models.budgets import DRIFT_LINES, LINE_BYTES
from activities.models.drift import DriftNotice, GoneTracker, PresentDriftInput, PresentDriftResult
from activities.models.tracking import TrackerRef
from activities.ports import ResourceOpener
from activities.presentation import show_drift
from crds.api.ports import ApiNotFound, Document, Kubernetes, Page, resource_of
from crds.api.publishing import conditions_of, status_of
from crds.conditions import ConditionType, find_condition
from crds.reasons.conditions import ConditionReason
from crds.reasons.vocabulary import TERMINAL_STATES, Drift
from crds.texts.markdown import inline
from crds.v1alpha1.drift_monitor import DriftMonitor, MonitorLabel
from crds.v1alpha1.git_repository import RepositoryMode
from crds.v1alpha1.pull_request_tracker import PullRequestTracker

MONITORS = resource_of(DriftMonitor.definition)
TRACKERS = resource_of(PullRequestTracker.definition)
NOTHING = DriftNotice(drifted=False)
"""What is shown where nothing is watched any more."""


async def present(kubernetes: Kubernetes, opener: ResourceOpener, request: PresentDriftInput) -> PresentDriftResult:
    """Show it, or return what the promotion is to show."""
    gone = request.gone
    try:
        tracker = await kubernetes.get(TRACKERS, request.namespace, request.tracker)
    except ApiNotFound:
        tracker = None
    if gone is not None and (tracker is None or not _follows(tracker, gone)):
        await _show(opener, request, gone.repository, gone.number, NOTHING)
        return PresentDriftResult(notice=NOTHING)
    if tracker is None:
        return PresentDriftResult()
    metadata, spec = tracker["metadata"], tracker["spec"]
    attempt = int(spec.get("attempt", 1))
    page = await kubernetes.list_all(
        MONITORS, request.namespace, label_selector=f"{MonitorLabel.TRACKER}={metadata['uid']}"
    )
    notice = notice_of(page)
    if not (request.ended or _is_over(tracker, attempt)):
        ref = TrackerRef(namespace=request.namespace, name=request.tracker, uid=metadata["uid"], attempt=attempt)
        return PresentDriftResult(promotion=ref, notice=notice)
    await _show(opener, request, spec["repositoryRef"]["name"], int(spec["number"]), notice)
    return PresentDriftResult(notice=notice)


def _is_over(tracker: Document, attempt: int) -> bool:
    """Return whether nothing of the promotion runs any more: as long as its end is being shown, that has the drift."""
    status, available = status_of(tracker), find_condition(conditions_of(tracker), ConditionType.WORKFLOW_AVAILABLE)
    ended = status.get("attempt") == attempt and status.get("state") in TERMINAL_STATES
    return ended and available is not None and available.reason == ConditionReason.FINISHED


def _follows(tracker: Document, gone: GoneTracker) -> bool:
    """Return whether another tracker of that name shows on the same pull request what its own monitors report."""
    metadata, spec = tracker["metadata"], tracker["spec"]
    other = metadata["uid"] != gone.uid if gone.uid else not metadata.get("deletionTimestamp")
    return bool(other and (spec["repositoryRef"]["name"], int(spec["number"])) == (gone.repository, gone.number))


async def _show(
    opener: ResourceOpener, request: PresentDriftInput, name: str, number: int, notice: DriftNotice
) -> None:
    repository = await opener.repository(request.namespace, name)
    if repository.mode is RepositoryMode.OBSERVE:
        return
    marker = f"{request.installation}/{request.namespace}/{request.tracker}"
    await show_drift(repository.host, number, marker, notice, repository.show, prefix=repository.label_prefix)


def notice_of(monitors: Page) -> DriftNotice:
    """Sum up monitors: one that drifted is enough; nothing drifted only where all of them are known."""
    drifted: list[Document] = []
    unknown: list[Document] = []
    for one in monitors.items:
        kind = status_of(one).get("kind")
        if kind == Drift.UNKNOWN:
            unknown.append(one)
        elif kind is not None:
            drifted.append(one)
    shown = sorted((*drifted, *unknown), key=lambda one: str(one["metadata"]["name"]))
    named = shown if len(shown) <= DRIFT_LINES else shown[: DRIFT_LINES - 1]
    lines = [cut(_line(one), LINE_BYTES) for one in named]
    if len(named) < len(shown):
        lines.append(f"- and {len(shown) - len(named)} more")
    # Of the list and not of what is in it: the version also grows where the newest monitor is gone.
    version = monitors.resource_version
    return DriftNotice(
        order=int(version) if version.isdecimal() else 0,
        drifted=True if drifted else None if unknown else False,
        lines=tuple(lines),
    )


def _line(monitor: Document) -> str:
    spec, status = monitor["spec"], status_of(monitor)
    expected = f": expected {inline(status['expected'])}," if status.get("expected") else ":"
    # As the rest of the comment writes times.
    since = f" since {status['since']}".replace("T", " ").replace("Z", " UTC") if status.get("since") else ""
    return (
        f"- **{status['kind']}** {inline(spec['environment'])}/{inline(spec['deployment'])}{since}{expected} "
        f"observed {inline(status.get('observed') or '')}"
    )
