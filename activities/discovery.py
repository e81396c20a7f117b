"""Which pull requests get a tracker, and which trackers get news. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.models.repository_sync import LATER_KEPT, MADE_KEPT, ListCursor, Remembered
from activities.models.state_labels import PROMOTED_PREFIX, place_label, promoted_label, state_label
from activities.state_labels import LabelNames, shows_the_way
from crds.api.publishing import status_of
from crds.fields import NAME_MAX_LENGTH
from crds.group import API_VERSION
from crds.reasons.trackers import RecordResult
from crds.reasons.vocabulary import State
from crds.v1alpha1.git_repository import Discovery, GitRepository
from providers.models import ChangeState, HostPullRequest
from providers.pull_request_lists import ListedPullRequest

OVERLAP = timedelta(minutes=5)
"""How far each reading goes back behind the one before it: a host may list a change later than it dates it."""
CLOCKS_APART = timedelta(hours=1)
"""How far a host's clock may be ahead of ours: what it dates further ahead is listed again by each reading."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any pull request that is promoted; hosts have zero times, before which there is none."""
OPEN_MARK = "o"
DISCOVERED_LABEL = "pilotage.dev/discovered-by"
"""On trackers that were made by `discovery`, with the name of the GitRepository."""
_DIGEST_LENGTH = 12


def tracker_name(repository: str, number: int) -> str:
    """Return the one name that a tracker of a pull request may have."""
    return f"{repository}-{number}"


def environment_for(
    discovery: Discovery, listed: ListedPullRequest, now: datetime, *, at_any_age: bool = False
) -> str | None:
    """Return where a pull request's change is first deployed; None where `discovery` does not match it."""
    change = listed.change
    environment = next(
        (one.environment for one in discovery.base_branches if one.base_branch == change.base_branch), None
    )
    if environment is None or change.state is ChangeState.CLOSED:
        return None
    if discovery.authors and change.author.lower() not in {author.lower() for author in discovery.authors}:
        return None
    labels = {label.lower() for label in change.labels} if listed.labels_listed else set()
    if not {label.lower() for label in discovery.required_labels} <= labels:
        return None
    merged_at = listed.merged_at or listed.updated_at
    if change.state is ChangeState.MERGED and not at_any_age and now - merged_at > discovery.merged_within:
        return None
    return environment


def tracker_document(repository: GitRepository, number: int, environment: str) -> Mapping[str, Any]:
    """Build the tracker of a pull request as `discovery` wants it."""
    name, discovery = repository.metadata.name, repository.spec.discovery
    template = discovery.tracker_template if discovery is not None else None
    labels = {**(template.labels if template else {}), **_labelled(name)}
    metadata: dict[str, Any] = {"name": tracker_name(name, number), "labels": labels}
    if template is not None and template.annotations:
        metadata["annotations"] = dict(template.annotations)
    return {
        "apiVersion": API_VERSION,
        "kind": "PullRequestTracker",
        "metadata": metadata,
        "spec": {"repositoryRef": {"name": name}, "number": number, "environment": environment},
    }


def _labelled(name: str) -> dict[str, str]:
    """Return the label that names the repository, as far as a label's value may."""
    return {DISCOVERED_LABEL: name[:NAME_MAX_LENGTH]}


def is_open(listed: ListedPullRequest) -> bool:
    return listed.change.state is ChangeState.OPEN


_BEFORE_ARRIVAL = frozenset({State.PENDING, State.AWAITING_MERGE, State.AWAITING_SYNC})
"""States in which a change has not arrived where it is to begin, and so has no label of a place."""


def is_shown(tracker: Mapping[str, Any], listed: ListedPullRequest, names: LabelNames) -> bool:
    """Return whether a tracker's attempt shows a pull request as it is listed, and the list our labels as they are due.

    Such a pull request is no news to its promotion, which put those labels there itself. A label of a state or a place
    that somebody set or took off is news.
    """
    status = status_of(tracker)
    if status.get("attempt") != tracker["spec"].get("attempt", 1) or not (listed.whole and listed.labels_listed):
        return False
    shown, change = status.get("pullRequest") or {}, listed.change
    known = [shown.get(name) or "" for name in ("state", "headSHA", "mergeSHA", "title", "baseBranch")]
    now = [change.state, change.head_sha, change.merge_sha or "", change.title, change.base_branch]
    ours, others = _divided(names, change.labels)
    return known == now and others == _divided(names, shown.get("labels", ()))[1] and ours == _due(status)


def _divided(names: LabelNames, labels: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the labels that show where a change is, as written here, and the others."""
    ours, others = set(), set()
    for name in labels:
        if shows_the_way(names, name):
            ours.add(names.ours(name))
        elif name.startswith(PROMOTED_PREFIX):
            ours.add(name)
        else:
            others.add(name)
    return ours, others


def _due(status: Mapping[str, Any]) -> set[str]:
    """Return the labels that a promotion has put there by now, where its policies name none of their own."""
    state = status.get("state")
    environment = status.get("environment") if state not in _BEFORE_ARRIVAL else ""
    ended = [one["target"] for one in status.get("promotions") or () if one["result"] != RecordResult.FAILED]
    way = [state_label(State(state)) if state else "", place_label(environment) if environment else ""]
    return {one for one in (*way, *map(promoted_label, ended)) if one}


def digest(change: HostPullRequest) -> str:
    """Return what differs where there is news of a pull request; an open one is marked."""
    shown = (change.state, change.head_sha, change.merge_sha, change.title, change.base_branch, sorted(change.labels))
    mark = OPEN_MARK if change.state is ChangeState.OPEN else "-"
    return mark + _short(repr(shown))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


@dataclass(kw_only=True)
class Memory:
    """What was sent and made, while a look is under way."""

    seen: dict[int, str]
    made: set[int]
    floor: int
    later: dict[int, None]
    """In the order in which they have their turn."""
    matched: set[int]
    read_again: bool
    tried: set[int] = field(default_factory=set)
    """Which of `later` had their turn in this look."""

    @classmethod
    def of(cls, remembered: Remembered) -> "Memory":
        pairs = (one.partition(":") for one in remembered.seen)
        return cls(
            seen={int(number): shown for number, _, shown in pairs},
            made=set(remembered.made),
            floor=remembered.floor,
            later=dict.fromkeys(remembered.later),
            matched=set(remembered.matched),
            read_again=remembered.read_again,
        )

    def is_news(self, change: HostPullRequest) -> bool:
        """Return whether a pull request differs from what was sent last."""
        return self.seen.get(change.number) != digest(change)

    def was_open(self, number: int) -> bool:
        """Return whether a pull request was open when news of it were sent last."""
        return self.seen.get(number, "")[:1] == OPEN_MARK

    def may_be_made(self, number: int) -> bool:
        """Return whether a pull request never got a tracker, as far as is remembered."""
        return number > self.floor and number not in self.made

    def environment_for(self, discovery: Discovery | None, listed: ListedPullRequest, now: datetime) -> str | None:
        """Return where a pull request's tracker is to begin, and note that it matches; None where none is to be made.

        One that matched when it was seen first grows not too old while it waits for room or for a call that fails.
        """
        number = listed.change.number
        if discovery is None or not self.may_be_made(number):
            return None
        environment = environment_for(discovery, listed, now, at_any_age=number in self.matched)
        if environment is not None:
            self.matched.add(number)
        return environment

    def read_alone(
        self, change: HostPullRequest, listed: ListedPullRequest | None, *, now: datetime, labels_listed: bool
    ) -> ListedPullRequest:
        """Return a pull request that was read by itself as a list would show it."""
        merged_at = (listed.merged_at if listed is not None else None) or change.merged_at
        # What was open in an earlier look was merged since. Of others, at a host that does not date merges, nothing is
        # known: rather no tracker than one of what was merged a year ago.
        since = now if self.was_open(change.number) else EARLIEST
        return ListedPullRequest(change=change, updated_at=since, merged_at=merged_at, labels_listed=labels_listed)

    def vanished(self, open_now: Collection[int]) -> list[int]:
        """Return what was open and is not listed as open any more, oldest first."""
        return sorted(number for number in self.seen if self.was_open(number) and number not in open_now)

    def put_off(self, number: int) -> None:
        """Have a pull request looked at again, after those that are to be by now."""
        self.later.setdefault(number)

    def is_done(self, number: int) -> None:
        """Have a pull request looked at no more unless it is put off again."""
        self.later.pop(number, None)

    @property
    def may_read_again(self) -> bool:
        """Whether all may be read again: those that were left out have room, whatever becomes of the others."""
        return self.read_again and len(self.later) <= LATER_KEPT // 2

    def _in_turn(self) -> list[int]:
        """Put what had its turn behind the others, and leave out what has no room.

        News of who has a tracker go first then: what may get one is found again where all is read again.
        """
        waiting = sorted(self.later, key=lambda number: number in self.tried)
        kept = set(sorted(waiting, key=self.may_be_made)[:LATER_KEPT])
        return [number for number in waiting if number in kept]

    def kept(self, *, seen: Collection[int]) -> Remembered:
        """Return what the next look is to know; of what was sent only these."""
        made, later = sorted(self.made), self._in_turn()
        # The lowest go first, and then nothing below them is made: rather none than one that was deleted.
        dropped = made[:-MADE_KEPT]
        return Remembered(
            seen=tuple(f"{number}:{shown}" for number, shown in self.seen.items() if number in seen),
            made=tuple(made[-MADE_KEPT:]),
            later=tuple(later),
            matched=tuple(number for number in later if number in self.matched),
            read_again=self.read_again or len(later) < len(self.later),
            floor=max([self.floor, *dropped]),
        )


def begin(cursor: ListCursor, discovery: Discovery | None, now: datetime) -> ListCursor:
    """Return where a look begins: with everything, where `discovery` is another one than what was read for.

    Where there is none only what changes from now on is news: a tracker reads its pull request when it begins.
    """
    wanted = "" if discovery is None else _short(discovery.model_dump_json())
    if wanted and wanted != cursor.wanted:
        return ListCursor(wanted=wanted)
    since = cursor.since if cursor.since is not None or wanted else now
    return replace(cursor, since=since, wanted=wanted)


def after_page(
    cursor: ListCursor, listed: Iterable[ListedPullRequest], following: str, etag: str, *, now: datetime
) -> ListCursor:
    """Return the cursor after one page; at the end of a reading the next one begins with what was newest.

    A host dates by its own clock, and some of what it lists was dated elsewhere: one pull request of the next century
    would else hide all that changes until then.
    """
    dates = [one.updated_at for one in listed] + [at for at in (cursor.newest, cursor.since) if at]
    likely = [at for at in dates if EARLIEST <= at <= now + CLOCKS_APART]
    newest = max(likely, default=EARLIEST) if dates else None
    tag = etag if not cursor.following else cursor.etag
    if following:
        return replace(cursor, newest=newest, following=following, etag=tag)
    return replace(cursor, since=newest, newest=None, following="", etag=tag)
