"""Names that must agree everywhere: workflow ids, task queues, signals, updates, queries and search attributes."""

import hashlib
from dataclasses import dataclass

PROMOTION_WORKFLOW = "PromotionWorkflow"
ENVIRONMENT_WORKFLOW = "EnvironmentWorkflow"
CREDENTIAL_CHECK_WORKFLOW = "CredentialCheckWorkflow"
REPOSITORY_SYNC_WORKFLOW = "RepositorySyncWorkflow"
DRIFT_WORKFLOW = "DriftWorkflow"
INSTALLATION_WORKFLOW = "InstallationWorkflow"
COMMIT_STATUS_WORKFLOW = "CommitStatusWorkflow"
SUBSCRIPTION_FAULT_WORKFLOW = "SubscriptionFaultWorkflow"

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
DRIFT_SIGNAL = "drift"
TRACKER_GONE_SIGNAL = "tracker_gone"
REPORT_SIGNAL = "reported"
PROGRESS_QUERY = "progress"
RECONCILIATIONS_QUERY = "reconciliations"

SEARCH_STATE = "PilotageState"
SEARCH_NAMESPACE = "PilotageNamespace"
SEARCH_REPOSITORY = "PilotageRepository"
SEARCH_PULL_REQUEST = "PilotagePullRequest"
SEARCH_ENVIRONMENT = "PilotageEnvironment"

PROMOTION_KEY_INFO = "promotion-key"
"""Name of the `infos` entry by which an Argo CD operation is recognised as ours."""
_DIGEST_DIGITS = 20


def promotion_workflow_id(installation: str, namespace: str, name: str, uid: str, attempt: int) -> str:
    """Return the id of the one workflow of a tracker's attempt."""
    return f"promotion/{installation}/{namespace}/{name}/{uid}/{attempt}"


def environment_workflow_id(installation: str, namespace: str, environment: str, repository: str) -> str:
    """Return the id of the one workflow of a place."""
    return f"environment/{installation}/{namespace}/{environment}/{repository}"


def credential_check_workflow_id(installation: str, kind: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow of a resource that declares a connection; `-` stands for no namespace."""
    return f"connection/{installation}/{kind}/{namespace or '-'}/{name}/{uid}"


def repository_sync_workflow_id(installation: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow that follows a repository's pull requests."""
    return f"repository/{installation}/{namespace}/{name}/{uid}"


def commit_status_prefix(installation: str, namespace: str, provider_uid: str, repository: str, context: str) -> str:
    """Return what the ids of all commits of one context begin with."""
    # A context may hold any character, and be long.
    place = hashlib.sha256(f"{repository}\n{context}".encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"commit-status/{installation}/{namespace}/{provider_uid}/{place}/"


def subscription_fault_workflow_id(installation: str, namespace: str, name: str) -> str:
    """Return the id of the workflow that shows the faults of one CommitStatus."""
    return f"commit-status-fault/{installation}/{namespace}/{name}"


def drift_workflow_id(installation: str, namespace: str, name: str, uid: str) -> str:
    """Return the id of the one workflow that looks for drift at an ArgoCDInstance."""
    return f"drift/{installation}/{namespace}/{name}/{uid}"


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
