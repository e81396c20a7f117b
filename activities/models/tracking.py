"""Who is being promoted: trackers, pull requests, artifacts and the durations of a promotion."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from activities.models import budgets
from activities.models.bounds import Bounded, First, Line, Link, Short


@dataclass(frozen=True, kw_only=True)
class TrackerRef:
    """Name one attempt of one PullRequestTracker; the uid sets a recreated tracker apart from its predecessor."""

    namespace: str
    name: str
    uid: str
    attempt: int

    def command_line(self, verb: str) -> str:
        """Return what a person types to give a command."""
        return f"pilotage -n {self.namespace} {verb} {self.name}"


@dataclass(frozen=True, kw_only=True)
class TrackerSpec:
    """Hold what the tracker declares; repository and number never change."""

    repository: str
    number: int
    environment: str
    """The environment in which the change is first deployed."""


class PullRequestState(StrEnum):
    OPEN = "Open"
    MERGED = "Merged"
    CLOSED = "Closed"


@dataclass(frozen=True, kw_only=True)
class PullRequest(Bounded):
    """Describe a pull request as its host last showed it."""

    number: int
    title: Line
    author: Short
    url: Link
    state: PullRequestState
    head_sha: str
    merge_sha: str | None = None
    """The commit that the merge produced; None until merged."""
    branch: Line = ""
    base_branch: Line = ""
    labels: Annotated[tuple[Short, ...], First(budgets.LABELS_KEPT)] = ()
    merged_at: datetime | None = None
    """When it was merged, where the host dates that itself; the lead time is counted from here."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """Describe one independently deployed part of a repository (GitRepository.spec.components)."""

    name: str
    paths: tuple[str, ...] = ()
    image: str | None = None
    tag: str | None = None
    """Tag template such as `sha-${revision}`; None where the artifact is the revision itself."""


@dataclass(frozen=True, kw_only=True)
class RepositoryView:
    """Hold what a promotion needs to know of a GitRepository."""

    name: str
    owner: str
    repository: str
    full_name: str
    components: tuple[Component, ...]
    """Never empty: a repository without components is one component of its own name."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Name what moves: `revision` is always a commit of the application repository."""

    component: str
    revision: str
    image: str | None = None
    tag: str | None = None
    config_revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Hold every duration of a promotion and a place; tests and the demo shorten them, nothing else does."""

    poll_initial: timedelta = timedelta(seconds=10)
    poll_maximum: timedelta = timedelta(minutes=2)
    poll_gap: timedelta = timedelta(seconds=5)
    """The least time between two polls of one promotion, or two looks at one place."""
    poke_gap: timedelta = timedelta(seconds=1)
    """The same where a poke asks for the second one: a webhook reports that there is something to see."""
    backstop: timedelta = timedelta(hours=6)
    """How long any wait lasts before the workflow looks again by itself, ± 20 %."""
    holder_backstop: timedelta = timedelta(minutes=10)
    merge_initial: timedelta = timedelta(minutes=10)
    merge_maximum: timedelta = timedelta(hours=6)
    """Pauses between two looks for a merge of one promotion: the repository's workflow looks for all of them."""
    list_initial: timedelta = timedelta(seconds=30)
    list_maximum: timedelta = timedelta(minutes=2)
    """Pauses between two looks at a repository's list, which grow while nothing changes."""
    list_failed_maximum: timedelta = timedelta(minutes=10)
    """Longest pause after looks at a list that failed."""
    tidy_interval: timedelta = timedelta(minutes=10)
    """How often it is looked whether trackers ended long ago, or are left at all."""
    reference_initial: timedelta = timedelta(seconds=5)
    reference_maximum: timedelta = timedelta(minutes=2)
    """Pauses between two looks for something missing that a person must provide."""
    passing: timedelta = timedelta(minutes=3)
    """How long a failure that usually ends by itself is not shown, such as a full queue, a rate limit or a host that is
    restarted: showing it costs calls to the very host that misses time, for each of its pull requests."""
    last_look: timedelta = timedelta(minutes=3)
    """How long a CI system that fails keeps a late run from being ended: its verdict may be there."""
    observe_initial: timedelta = timedelta(seconds=10)
    observe_maximum: timedelta = timedelta(minutes=2)
    watch: timedelta = timedelta(seconds=60)
    """How long one watch_deployments activity follows the stream before it returns a fresh read."""
    delivery_refresh: timedelta = timedelta(seconds=30)
    """How old Argo CD's report may become while it works: the place is quiet about the holder's own rollout."""
    delivery_unsynced: timedelta = timedelta(seconds=45)
    """How long Argo CD gets to begin a sync that was requested of it, or left to its auto-sync."""
    activity_start_to_close: timedelta = timedelta(seconds=60)
    publish_gap: timedelta = timedelta(seconds=1)
    """Between two writes of a status that show details of the same: what comes meanwhile is gathered."""
    publish_within: timedelta = timedelta(seconds=2)
    """How long an answer that usually comes at once is awaited before what is known is published."""
    settling: timedelta = timedelta(seconds=2)
    """How long a place or a repository's list that has just begun puts off what no one waits for: who began it has a
    promotion to begin."""
    compare_initial: timedelta = timedelta(seconds=1)
    compare_maximum: timedelta = timedelta(seconds=30)
    """Pauses after a lost compare-and-set or a busy application, so that two writers do not race in a hot loop."""
    present_deadline: timedelta = timedelta(hours=24)
    listing_lag: timedelta = timedelta(seconds=10)
    """How long a CI system's list may lag behind an accepted trigger; the least retry interval of triggers."""
    check_interval: timedelta = timedelta(minutes=10)
    """How long a proved credential is believed."""
    check_initial: timedelta = timedelta(seconds=30)
    check_maximum: timedelta = timedelta(minutes=5)
    """Pauses between two checks of a credential or server that failed."""
    drift_interval: timedelta = timedelta(minutes=5)
    """How long what was promoted is believed to be in place, ± 20 %; a notification of Argo CD cuts it short."""
    drift_confirm: timedelta = timedelta(seconds=30)
    """How long after a look that found something a second one follows: what comes and goes is not shown."""
