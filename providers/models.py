"""Vendor-neutral values that ports take and return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from crds.reasons.vocabulary import MergeMethod


class ChangeState(StrEnum):
    OPEN = "Open"
    MERGED = "Merged"
    CLOSED = "Closed"


@dataclass(frozen=True, kw_only=True)
class HostPullRequest:
    """A pull or merge request as its host shows it."""

    number: int
    title: str
    author: str
    url: str
    state: ChangeState
    head_sha: str
    merge_sha: str | None
    branch: str
    base_branch: str
    labels: tuple[str, ...]
    from_fork: bool = False
    """Whether its branch is in another repository."""
    merged_at: datetime | None = None
    """When it was merged, where the host dates that itself."""


@dataclass(frozen=True, kw_only=True)
class NewPullRequest:
    """A pull request to be opened from one branch of the repository to another one of it."""

    head: str
    base: str
    title: str
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class Merge:
    """How one pull request is merged."""

    head_sha: str
    """What was tested; another head is never merged."""
    method: MergeMethod = MergeMethod.MERGE
    title: str = ""
    """First line of the merge commit's message; empty leaves it to the host."""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class FileEdit:
    """The whole new content of one file."""

    path: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class BranchCommit:
    """One commit of a branch."""

    sha: str
    message: str


@dataclass(frozen=True, kw_only=True)
class NewCommit:
    """Several files written in one commit on top of a head that is known."""

    branch: str
    expected_head: str
    """The branch's head that the edits were made from."""
    message: str
    edits: tuple[FileEdit, ...]
    begins: bool = False
    """Whether the branch does not exist yet and begins at the expected head."""


class DeploymentState(StrEnum):
    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ENDED = "Ended"
    """Given up: what was queued or in progress is so no more. What has another end already keeps it."""


@dataclass(frozen=True, kw_only=True)
class DeploymentRecord:
    """What the host shows of one commit in one environment."""

    environment: str
    sha: str
    state: DeploymentState
    description: str = ""
    environment_url: str = ""
    log_url: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangedFiles:
    """What a pull request changes."""

    paths: tuple[str, ...]
    """A rename counts with both paths."""
    complete: bool = True
    """False where the host stopped at a limit of its own, so that there may be others."""


class Ancestry(StrEnum):
    IDENTICAL = "Identical"
    AHEAD = "Ahead"
    BEHIND = "Behind"
    DIVERGED = "Diverged"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, kw_only=True)
class LabelLook:
    """How a label is made where a repository misses it; hosts without colours or descriptions leave them out."""

    colour: str
    """Six hexadecimal digits."""
    description: str


class StatusState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class CommitStatus:
    context: str
    state: StatusState
    description: str
    url: str = ""
    posted_at: datetime | None = field(default=None, compare=False)
    """When the host took it, by its own clock; None for one that is to be set, and where the host does not show it."""


@dataclass(frozen=True, kw_only=True)
class Comment:
    id: str
    body: str
    account_known: bool = True
    """Whether the host shows that our own account wrote it; where it does not, only a proof of the text shows that."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account as its host names it."""

    id: str
    """By which the host is asked about it."""
    name: str
    """By which people know it."""


@dataclass(frozen=True, kw_only=True)
class LabelEvent:
    """Somebody put a label on a pull request, or took it off."""

    id: str
    label: str
    added: bool
    by: Person
    at: datetime
    own: bool
    """Whether our own account did."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What somebody wrote on a pull request, its beginning."""

    id: str
    """As a Comment has it."""
    body: str
    by: Person
    at: datetime
    own: bool
    """Whether our own account wrote it."""
    edited: bool
    """Whether its text was changed since. Hosts let others do that, and show it as the text of its author."""
    order: int = 0
    """What grows with each comment of a pull request; 0 where the last part of the id does."""


@dataclass(frozen=True, kw_only=True)
class LabelEvents:
    """What happened to labels since a cursor, oldest first."""

    events: tuple[LabelEvent, ...]
    cursor: str
    """Where the next look begins."""


@dataclass(frozen=True, kw_only=True)
class Remarks:
    """What was written since a cursor, oldest first."""

    remarks: tuple[Remark, ...]
    edited: tuple[Remark, ...] = ()
    """What was written since and changed before it was read: no one is known to have written it."""
    cursor: str
    """Where the next look begins."""
    account: str
    """Our own account's name, in lower case."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run of ours was begun with; what is None is not known, and not compared."""

    began: float | None = None
    """When its key was made, by `time.monotonic()` of this process: no run of the key can be older."""
    parameters: Mapping[str, str] | None = None
    """What was sent with it, the key left out."""
    digests: Mapping[str, str] | None = None
    """Of each parameter that was sent, as `providers/origins.py` makes them, where the values are not at hand."""

    @property
    def knows_parameters(self) -> bool:
        """Whether there is anything to compare the parameters of a run with."""
        return self.parameters is not None or self.digests is not None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run at a CI system. `id` is opaque to callers; an adapter can find the run by it or by `key`."""

    id: str
    key: str
    url: str = ""
    foreign: str = ""
    """Why this run is not ours though it shows our key; empty for ours. Only `find` fills it."""
    origin: Origin | None = None
    """What callers know of how it began, for where it is found by its key."""


class RunPhase(StrEnum):
    QUEUED = "Queued"
    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CANCELLED = "Cancelled"
    ERROR = "Error"


@dataclass(frozen=True, kw_only=True)
class RunReading:
    run: Run
    phase: RunPhase
    message: str = ""
    number: str = ""
    summary: str = ""
    waiting_for_approval: bool = False


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Declare what a host misses; the caller does the declared fallback."""

    labels: bool = True
    label_case: bool = True
    """Whether names of labels that differ in case alone are two labels."""
    label_limit: int = 50
    """Characters of a label's name; the host refuses a longer one."""
    commit_statuses: bool = True
    deployment_records: bool = False
    html: bool = True
    """Whether comments may hold HTML; where not, people see its tags."""
    comment_limit: int = 65_536
    """Characters of a comment; the host refuses, or cuts, a longer one."""
    listed_context: Callable[[str], str] = str
    """The context by which the host lists a commit status that was set: a long one may be cut."""
    listed_url: Callable[[str], str] = str
    """The address with which the host lists it: one that it would refuse is left out."""


@dataclass(frozen=True, kw_only=True)
class ScmIdentity:
    """Label one repository's calls in metrics and logs (record_scm_call)."""

    git_repository: str
    git_repository_namespace: str
    scm_provider: str
    scm_provider_kind: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Proxy:
    """An HTTP proxy. Never printed: it has no repr of its fields."""

    address: str
    username: str = ""
    password: str = ""


@dataclass(frozen=True, kw_only=True, repr=False)
class Route:
    """How a host is reached: whom a connection trusts, how it proves itself, and through what. Never printed."""

    ca_pem: str | None = None
    certificate_pem: str | None = None
    """Of the client, for a host that asks for one; with `key_pem`."""
    key_pem: str | None = None
    hosts: tuple[str, ...] | None = None
    """Hosts that the Secret of the certificate may be used for; None = any."""
    proxy: Proxy | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Credential:
    """Secret data by key. Never printed: it has no repr."""

    data: Mapping[str, str]
    route: Route = Route()
    name: str = ""
    """Of the Secret, for messages."""
    hosts: tuple[str, ...] | None = None
    """Hosts that the Secret may be sent to, as HostPattern reads them; None = any."""

    def __repr__(self) -> str:
        return "Credential(…)"


@dataclass(frozen=True, kw_only=True)
class EventMessage:
    """One event as it is posted."""

    id: str
    """The same whenever it is posted again."""
    content_type: str
    body: bytes
