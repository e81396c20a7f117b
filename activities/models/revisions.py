"""Pull requests, ancestry and what is shown on the pull request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from activities.models.delivery import Observation, revisions_of
from activities.models.failures import Failure
from activities.models.label_sync import LabelsLeft, SyncResult
from activities.models.steering import Reaction
from activities.models.tracking import Artifact, PullRequest


@dataclass(frozen=True, kw_only=True)
class ReadPullRequestInput:
    namespace: str
    repository: str
    number: int


@dataclass(frozen=True, kw_only=True)
class ReadPullRequestResult:
    pull_request: PullRequest


@dataclass(frozen=True, kw_only=True)
class ListChangedFilesInput:
    namespace: str
    repository: str
    number: int


@dataclass(frozen=True, kw_only=True)
class ListChangedFilesResult:
    components: tuple[str, ...]
    """Names of the components whose paths match a changed file; matching runs in the activity, the list may be long."""
    files: int


class Relation(StrEnum):
    """How `head` stands to `base`."""

    IDENTICAL = "Identical"
    AHEAD = "Ahead"
    """head contains base."""
    BEHIND = "Behind"
    """base contains head."""
    DIVERGED = "Diverged"
    UNKNOWN = "Unknown"
    """The host does not know one of the commits; treated like Diverged, and shown as such."""


@dataclass(frozen=True, kw_only=True)
class RevisionPair:
    base: str
    head: str


def pairs_between(artifacts: Iterable[Artifact], observations: Sequence[Observation]) -> tuple[RevisionPair, ...]:
    """Return what is to be compared to judge what is observed by artifacts: revisions of a component that differ."""
    pairs = (
        RevisionPair(base=revision, head=artifact.revision)
        for artifact in artifacts
        for observation in observations
        if observation.component == artifact.component
        for revision in revisions_of(observation)
        if revision != artifact.revision
    )
    return tuple(dict.fromkeys(pairs))


PAIRS_PER_CALL = 20
"""The host answers one pair per call, so that larger batches would outlast the activity's timeout."""


@dataclass(frozen=True, kw_only=True)
class CompareRevisionsInput:
    namespace: str
    repository: str
    pairs: tuple[RevisionPair, ...]
    some: bool = False
    """Whether the host need not answer for each of them."""


@dataclass(frozen=True, kw_only=True)
class CompareRevisionsResult:
    relations: tuple[Relation, ...]
    """In the order of the pairs."""
    unanswered: tuple[int, ...] = ()
    """Places of the pairs of which nothing is known, although a relation stands there."""
    failure: Failure | None = None
    """Why."""


class CommitState(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class DesiredStatus:
    sha: str
    context: str
    state: CommitState
    description: str
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A new comment that notifies the author, posted at most once per key."""

    key: str
    body: str


class DeliveryState(StrEnum):
    """How far a promotion to one environment is; each is a value of providers.models.DeploymentState."""

    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class DesiredDeployment:
    """What the host is to show of one commit in one environment."""

    environment: str
    sha: str
    state: DeliveryState
    description: str = ""
    environment_url: str = ""
    log_url: str = ""
    ended: bool = False
    """Whether the promotion gave it up in this state. A field: a worker of before knows no further state."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What our last presentation left on the pull request, so that the next one sends differences without reading."""

    labels: tuple[str, ...] = ()
    """Of ours, as the host has them. Only know whether one is to be added: people change labels, so that the host is
    read or answers with all."""
    statuses: tuple[DesiredStatus, ...] = ()
    comment_id: str = ""
    comment_digest: str = ""
    mentions: tuple[str, ...] = ()
    """Keys of the mentions that were posted."""
    deployments: tuple[DesiredDeployment, ...] = ()
    deployments_refused: str = ""
    """Why the host takes no deployments from this credential; they are tried no more where it states it."""


@dataclass(frozen=True, kw_only=True)
class PresentInput:
    """Hold the whole wanted presentation of a tracker on its pull request; only differences are sent.

    Without `shown` the activity reads what is there first; with it, it sends the differences from `shown` and reads
    only when the host answers that something of it is gone.
    """

    namespace: str
    repository: str
    number: int
    marker: str
    """Identifies our summary comment, hidden in an HTML comment."""
    state_label: str
    """The one label of the state, such as `pilotage/testing`; those of other states are removed. Empty for none."""
    place_label: str = ""
    """The label of the environment that the change is in; others of its prefix are removed. Empty for none."""
    steering_labels: tuple[str, ...] = ()
    """Labels by which people steer that are to be there, such as `pilotage/hold` while held."""
    cleared: tuple[str, ...] = ()
    """Labels by which people steered that were answered, and are to go."""
    labels_left: LabelsLeft = field(default_factory=LabelsLeft)
    """What the last look left of the state label."""
    labels: tuple[str, ...] = ()
    """Labels that are to stay, such as `promoted/staging`."""
    statuses: tuple[DesiredStatus, ...] = ()
    comment: str = ""
    mentions: tuple[Mention, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    """Answers to comments by which people steered."""
    deployments: tuple[DesiredDeployment, ...] = ()
    ui_url: str = ""
    """The workflow in the Temporal UI, which is shown only where internals are."""
    shown: Shown | None = None


@dataclass(frozen=True, kw_only=True)
class RefusedPart:
    """A part of the presentation that the host refuses until a person fixes something; the others are shown."""

    part: str
    """`labels`, `commit statuses`, `deployments`, `comment`, `mention` or `reaction`."""
    failure: Failure


@dataclass(frozen=True, kw_only=True)
class PresentResult:
    writes: int = 0
    shown: Shown | None = None
    refused: tuple[RefusedPart, ...] = ()
    labels: SyncResult | None = None
    """What the look at the labels found and changed; None where there was none."""
    labels_left: LabelsLeft = field(default_factory=LabelsLeft)
    withheld: bool = False
    """Whether nothing was sent, since the repository is only observed."""
