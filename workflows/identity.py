"""Names that must agree everywhere: workflow ids, task queues, signals, updates, queries and search attributes."""

import hashlib
from dataclasses import dataclass

from activities.models.bounds import cut
from crds.texts.plain import one_line

PROMOTION_WORKFLOW = "PromotionWorkflow"
ENVIRONMENT_WORKFLOW = "EnvironmentWorkflow"
CREDENTIAL_CHECK_WORKFLOW = "CredentialCheckWorkflow"
REPOSITORY_SYNC_WORKFLOW = "RepositorySyncWorkflow"
DRIFT_WORKFLOW = "DriftWorkflow"
INSTALLATION_WORKFLOW = "InstallationWorkflow"
COMMIT_STATUS_WORKFLOW = "CommitStatusWorkflow"
SUBSCRIPTION_FAULT_WORKFLOW = "SubscriptionFaultWorkflow"
EVENT_SINK_WORKFLOW = "EventSinkWorkflow"

MEMBER_SIGNAL = "member"
MEMBER_UPDATE = "member_answered"
PLACE_SIGNAL = "place"
POKE_SIGNAL = "poke"
PULL_REQUEST_SIGNAL = "pull_request_changed"
PULL_REQUEST_POKE_SIGNAL = "pull_request_poked"
SEEN_SIGNAL = "seen"
DELETED_SIGNAL = "deleted"
VERDICT_SIGNAL = "verdict"
FAULT_SIGNAL = "fault"
EVENTS_SIGNAL = "events"
DRIFT_SIGNAL = "drift"
TRACKER_GONE_SIGNAL = "tracker_gone"
PRESENT_SIGNAL = "present"
REPORT_SIGNAL = "reported"
PROGRESS_QUERY = "progress"
RECONCILIATIONS_QUERY = "reconciliations"

SEARCH_STATE = "PilotageState"
SEARCH_NAMESPACE = "PilotageNamespace"
SEARCH_REPOSITORY = "PilotageRepository"
SEARCH_PULL_REQUEST = "PilotagePullRequest"
SEARCH_ENVIRONMENT = "PilotageEnvironment"

MEMO_CHANGE = "change"
"""Memo of a promotion: repository, number and title of its pull request, such as `acme/web#412 Fix rounding`."""
_CHANGE_BYTES = 180
"""The server takes 200 bytes of a summary, quoted as JSON."""
_PROMOTION = "promotion"
_ENVIRONMENT = "environment"
_UID_SHOWN = 8
_DIGEST_DIGITS = 20


def _short(uid: str) -> str:
    """Return what sets an object apart from others of its name: the end of its uid, which is drawn at random."""
    return uid[-_UID_SHOWN:]


def promotion_workflow_id(installation: str, namespace: str, name: str, uid: str, attempt: int) -> str:
    """Return the id of the one workflow of a tracker's attempt, such as `promotion/main/shop/web-412/1/4a631253`."""
    return f"{_PROMOTION}/{installation}/{namespace}/{name}/{attempt}/{_short(uid)}"


def change_line(repository: str, number: int, title: str = "") -> str:
    """Return a pull request on one line, as lists of workflows show it."""
    return cut(one_line(f"{repository}#{number} {title}").strip(), _CHANGE_BYTES)


@dataclass(frozen=True, kw_only=True)
class NamedTracker:
    """Name the tracker that a promotion's workflow id holds."""

    installation: str
    namespace: str
    name: str


def tracker_of(workflow_id: str) -> NamedTracker | None:
    """Return the tracker of a promotion; None for the id of any other workflow."""
    kind, *rest = workflow_id.split("/")
    if kind != _PROMOTION or len(rest) != 5:
        return None
    return NamedTracker(installation=rest[0], namespace=rest[1], name=rest[2])


def environment_workflow_id(installation: str, namespace: str, environment: str, repository: str) -> str:
    """Return the id of the one workflow of a place."""
    return f"{_ENVIRONMENT}/{installation}/{namespace}/{environment}/{repository}"


@dataclass(frozen=True, kw_only=True)
class NamedPlace:
    """Name the place that an environment's workflow id holds."""

    installation: str
    namespace: str
    environment: str
    repository: str


def place_of(workflow_id: str) -> NamedPlace | None:
    """Return the place of an environment's workflow; None for the id of any other workflow."""
    kind, *rest = workflow_id.split("/")
    if kind != _ENVIRONMENT or len(rest) != 4:
        return None
    return NamedPlace(installation=rest[0], namespace=rest[1], environment=rest[2], repository=rest[3])


def credential_check_workflow_id(installation: str, kind: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow of a resource that declares a connection; `-` stands for no namespace."""
    return f"connection/{installation}/{kind}/{namespace or '-'}/{name}/{_short(uid)}"


def repository_sync_workflow_id(installation: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow that follows a repository's pull requests."""
    return f"repository/{installation}/{namespace}/{name}/{_short(uid)}"


def commit_status_prefix(installation: str, namespace: str, provider_uid: str, repository: str, context: str) -> str:
    """Return what the ids of all commits of one context begin with."""
    # A context may hold any character, and be long.
    place = hashlib.sha256(f"{repository}\n{context}".encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"commit-status/{installation}/{namespace}/{_short(provider_uid)}/{place}/"


def subscription_fault_workflow_id(installation: str, namespace: str, name: str) -> str:
    """Return the id of the workflow that shows the faults of one CommitStatus."""
    return f"commit-status-fault/{installation}/{namespace}/{name}"


def event_sink_workflow_id(installation: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow of an EventSink."""
    return f"event-sink/{installation}/{namespace}/{name}/{_short(uid)}"


def drift_workflow_id(installation: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow that looks for drift at an ArgoCDInstance."""
    return f"drift/{installation}/{namespace}/{name}/{_short(uid)}"


def fairness_key(namespace: str) -> str:
    """Return the key by which a Temporal server that balances queues gives tenants their turns; at most 64 bytes.

    By namespace alone: with a key per repository, a namespace that declares more of them would get more turns.
    """
    return namespace or "-"


def installation_workflow_id(installation: str) -> str:
    """Return the id of the workflow by which a cluster holds an installation's name."""
    return f"installation/{installation}"


@dataclass(frozen=True, kw_only=True)
class Queues:
    """Name the task queues of one installation."""

    installation: str

    @property
    def promotions(self) -> str:
        return f"{self.installation}.promotions"

    @property
    def config(self) -> str:
        return f"{self.installation}.config"

    @property
    def checks(self) -> str:
        """Of credentials and addresses: a host that never answers must keep nothing else from its turn."""
        return f"{self.installation}.checks"

    @property
    def scm(self) -> str:
        return f"{self.installation}.scm"

    @property
    def ci(self) -> str:
        return f"{self.installation}.ci"

    @property
    def delivery(self) -> str:
        return f"{self.installation}.delivery"

    @property
    def observation(self) -> str:
        return f"{self.installation}.observation"

    @property
    def kubernetes(self) -> str:
        return f"{self.installation}.kubernetes"

    @property
    def clock(self) -> str:
        """Never has a task: it is polled to learn Temporal's time."""
        return f"{self.installation}.clock"
