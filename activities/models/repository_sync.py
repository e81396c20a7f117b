"""What one look at a repository's pull requests takes along, and what it found."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from activities.models.bounds import Bounded, First, Last, Line
from activities.models.failures import BriefFailure
from activities.models.tracking import Timings

SEEN_KEPT = 1_000
"""Pull requests whose last news are remembered, so that they are not sent again; about 25 bytes each."""
MADE_KEPT = 1_000
"""Numbers of pull requests that got a tracker; below the lowest that is kept none is made any more."""
LATER_KEPT = 200
"""Pull requests that are looked at again one by one; beyond them the whole list is read again."""
FAILURES_KEPT = 5
MADE_NAMED = 50


@dataclass(frozen=True, kw_only=True)
class RepositoryRef:
    """Name one GitRepository; the uid sets a recreated one apart from its predecessor."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, kw_only=True)
class ListCursor(Bounded):
    """Remember how far a repository's list was read."""

    since: datetime | None = None
    """What changed before it was seen; None until all was read once."""
    newest: datetime | None = None
    """When the newest that the reading under way has seen changed."""
    following: Line = ""
    """Where the reading under way goes on; empty where it begins."""
    etag: Line = ""
    """Of the first page, where the host has it."""
    wanted: Line = ""
    """Digest of the `discovery` that everything was read for; empty where there was none."""


@dataclass(frozen=True, kw_only=True)
class Remembered(Bounded):
    """Hold what was sent and made, so that neither is done twice."""

    seen: Annotated[tuple[str, ...], Last(SEEN_KEPT)] = ()
    """`<number>:<digest>` of the last news of a pull request, the digest of an open one with `o` before it."""
    made: Annotated[tuple[int, ...], Last(MADE_KEPT)] = ()
    """Pull requests that got a tracker and may match again, in order: a tracker that was deleted stays so."""
    later: Annotated[tuple[int, ...], First(LATER_KEPT)] = ()
    """Pull requests to be looked at again one by one: what they led to failed, or there was no room for a tracker."""
    matched: Annotated[tuple[int, ...], First(LATER_KEPT)] = ()
    """Those of `later` that matched `discovery` when they were seen: they are not too old, however long they wait."""
    read_again: bool = False
    """Whether more of them were left out, so that all is read again once these are done."""
    floor: int = 0
    """Pull requests up to this number get no tracker any more: those that did are not remembered."""


@dataclass(frozen=True, kw_only=True)
class SyncRepositoryInput:
    """Look once at what changed among a repository's pull requests."""

    namespace: str
    repository: str
    uid: str
    cursor: ListCursor
    remembered: Remembered


@dataclass(frozen=True, kw_only=True)
class Discovered(Bounded):
    """State what became of what matches; it is written as the condition `Discovered`."""

    complete: bool
    reason: str
    message: Line = ""
    generation: int = 0
    """Of the resource that it is about."""


@dataclass(frozen=True, kw_only=True)
class SyncRepositoryResult(Bounded):
    """Hold what was found and done, part by part; what failed is tried again by the next look."""

    gone: bool = False
    """Whether there is no such GitRepository any more."""
    unchanged: bool = False
    """Whether the host answers that nothing has changed."""
    more: bool = False
    """Whether the reading is to go on at once."""
    cursor: ListCursor = field(default_factory=ListCursor)
    remembered: Remembered = field(default_factory=Remembered)
    listed: int = 0
    calls: int = 0
    signalled: int = 0
    """Trackers that were sent news."""
    made: Annotated[tuple[Line, ...], First(MADE_NAMED)] = ()
    """Trackers that were made."""
    discovered: Discovered | None = None
    """None where the repository has no `discovery`."""
    failures: Annotated[tuple[BriefFailure, ...], First(FAILURES_KEPT)] = ()


@dataclass(frozen=True, kw_only=True)
class TidyRepositoryInput:
    """Remove a repository's trackers that ended long ago."""

    namespace: str
    repository: str
    uid: str
    after: str = ""
    """The tracker at which the look before this one ended."""


@dataclass(frozen=True, kw_only=True)
class TidyRepositoryResult(Bounded):
    """Hold what is left."""

    gone: bool = False
    needed: bool = True
    """Whether there is `discovery` or any tracker, so that the list is looked at for somebody."""
    removed: int = 0
    failures: Annotated[tuple[BriefFailure, ...], First(FAILURES_KEPT)] = ()
    tried_to: Line = ""
    """The tracker behind which the next look goes on; empty at the end of the list."""


@dataclass(frozen=True, kw_only=True)
class PublishDiscoveryInput:
    """Write what became of what matches as the repository's condition."""

    repository: RepositoryRef
    discovered: Discovered

    @property
    def namespace(self) -> str:
        """Whose share of the queue it takes."""
        return self.repository.namespace


@dataclass(frozen=True, kw_only=True)
class RepositorySyncInput:
    """Start (or continue) one RepositorySyncWorkflow."""

    installation: str
    repository: RepositoryRef
    timings: Timings = field(default_factory=Timings)
    cursor: ListCursor = field(default_factory=ListCursor)
    remembered: Remembered = field(default_factory=Remembered)
    tidied_at: datetime | None = None
    tidied_to: str = ""
    """The tracker behind which removing goes on."""
    discovered: Discovered | None = None
    """What was written last."""
    history_limit: int = 200
    """Events after which the run continues as new."""
