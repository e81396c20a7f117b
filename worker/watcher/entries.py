"""What the watcher keeps of each object: little enough for tens of thousands of trackers."""

import re
from dataclasses import dataclass
from datetime import datetime
from sys import intern

from activities.models.tracking import TrackerRef, TrackerSpec
from crds.api.ports import Document
from crds.api.publishing import conditions_of, status_of
from crds.conditions import ConditionType
from crds.reasons.vocabulary import TERMINAL_STATES
from crds.v1alpha1.promotion_command import PromotionCommandSpec
from crds.v1alpha1.pull_request_tracker import TrackerAnnotation, TrackerLabel

FINALIZER = "pilotage.dev/promotion"
RESTARTS = "pilotage.dev/restarts"
"""Annotation with the uids of the last restart commands, so that none raises the attempt twice."""

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerEntry:
    """Keep what decides about one tracker."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    attempt: int
    status_attempt: int
    """The attempt that the status is about; 0 where there is none."""
    sequence: int
    state: str
    waiting: str
    started: bool
    """Whether the workflow of the status's attempt has published that it runs."""
    run_id: str
    """Its newest run that was published; for log lines."""
    finalizers: tuple[str, ...]
    """Ours and those of others."""
    deleting_since: datetime | None
    created: datetime | None
    poke: str
    available: str
    """Reason of the condition WorkflowAvailable; empty where there is none."""
    available_message: str
    """Its message, which names the attempt that it is about."""
    available_generation: int
    """The generation of the tracker that it is about."""
    accepted: bool
    repository: str
    number: int
    environment: str
    policy: str
    """The policy whose snapshot the hop at hand holds; empty between hops and at the end."""
    relabel: tuple[tuple[str, str | None], ...]
    """Labels that differ from the tracker's state, as they should be; None for one that should be absent."""

    @property
    def current(self) -> TrackerRef:
        """The attempt that the spec asks for."""
        return self.of_attempt(self.attempt)

    def of_attempt(self, attempt: int) -> TrackerRef:
        """Name another attempt of the same tracker."""
        return TrackerRef(namespace=self.namespace, name=self.name, uid=self.uid, attempt=attempt)

    @property
    def spec(self) -> TrackerSpec:
        return TrackerSpec(repository=self.repository, number=self.number, environment=self.environment)

    @property
    def finalizer(self) -> bool:
        """Whether the tracker waits for us when it is deleted."""
        return FINALIZER in self.finalizers

    @property
    def terminal(self) -> bool:
        """Whether the attempt asked for has ended."""
        return self.status_attempt == self.attempt and self.state in TERMINAL_STATES

    @property
    def running(self) -> bool:
        """Whether the status shows that the workflow of the attempt asked for was started."""
        return self.started and self.status_attempt == self.attempt


def read_tracker(document: Document) -> TrackerEntry:
    """Keep what the controller needs of a tracker."""
    metadata, spec, status = document["metadata"], document["spec"], status_of(document)
    conditions = {condition.type: condition for condition in conditions_of(document)}
    available = conditions.get(ConditionType.WORKFLOW_AVAILABLE)
    return TrackerEntry(
        # Equal strings are shared: there are far fewer namespaces, repositories and states than trackers.
        namespace=intern(metadata["namespace"]),
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=int(metadata.get("generation", 0)),
        observed_generation=int(status.get("observedGeneration") or 0),
        attempt=int(spec.get("attempt", 1)),
        status_attempt=int(status.get("attempt") or 0),
        sequence=int(status.get("sequence") or 0),
        state=intern(str(status.get("state") or "")),
        waiting=intern(str((status.get("waitingFor") or {}).get("what") or "")),
        started=bool((status.get("workflow") or {}).get("startedAt")),
        run_id=str((status.get("workflow") or {}).get("runId") or ""),
        finalizers=tuple(intern(str(one)) for one in metadata.get("finalizers") or ()),
        deleting_since=_time(metadata.get("deletionTimestamp")),
        created=_time(metadata.get("creationTimestamp")),
        poke=str((metadata.get("annotations") or {}).get(TrackerAnnotation.POKE.value, "")),
        available=intern(available.reason) if available is not None else "",
        available_message=intern(available.message) if available is not None else "",
        available_generation=available.observed_generation or 0 if available is not None else 0,
        accepted=ConditionType.ACCEPTED in conditions,
        repository=intern(spec["repositoryRef"]["name"]),
        number=int(spec["number"]),
        environment=intern(spec["environment"]),
        relabel=_relabel(document),
        policy=intern(str((((status.get("hop") or {}).get("policy")) or {}).get("name") or "")),
    )


def _relabel(document: Document) -> tuple[tuple[str, str | None], ...]:
    """Compare the labels of a tracker with its spec and status. What is no label value is shown by none."""
    spec, status = document["spec"], status_of(document)
    wanted = {
        TrackerLabel.REPOSITORY: spec["repositoryRef"]["name"],
        TrackerLabel.ENVIRONMENT: status.get("environment") or spec["environment"],
        TrackerLabel.STATE: status.get("state"),
    }
    present = document["metadata"].get("labels") or {}
    values = {
        label.value: value if _LABEL_VALUE.fullmatch(str(value or "")) else None for label, value in wanted.items()
    }
    return tuple((label, value) for label, value in values.items() if present.get(label) != value)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandEntry:
    """Keep one command; an answered one only by its uid."""

    uid: str
    spec: PromotionCommandSpec | None = None
    created: datetime | None = None
    version: int = 0
    """Its resourceVersion, which orders commands of one second; 0 where it is no number."""
    claimed: bool = False
    """Whether some watcher has begun to execute it."""

    @property
    def answered(self) -> bool:
        return self.spec is None

    @property
    def subject(self) -> str:
        """What the command is for: a tracker, or `environments/NAME`, which no tracker is called."""
        if self.spec is None:
            return ""
        reference = self.spec.tracker_ref
        return reference.name if reference is not None else f"environments/{self.spec.environment}"


def read_command(document: Document) -> CommandEntry:
    """Keep what is to be done, or that it was."""
    metadata, status = document["metadata"], status_of(document)
    if status.get("accepted") is not None or metadata.get("deletionTimestamp"):
        return CommandEntry(uid=metadata["uid"])
    version = str(metadata.get("resourceVersion", ""))
    return CommandEntry(
        uid=metadata["uid"],
        spec=PromotionCommandSpec.from_wire(document["spec"]),
        created=_time(metadata.get("creationTimestamp")),
        version=int(version) if version.isdecimal() else 0,
        claimed=bool(status.get("claimedBy")),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorEntry:
    """Keep of a DriftMonitor whose workflow looks at it, and what it reports."""

    uid: str
    instance: str
    tracker: str
    kind: str
    """How it drifted; empty where it did not, or no one looked yet."""


def read_monitor(document: Document) -> MonitorEntry:
    """Keep what the controller needs of a monitor."""
    return MonitorEntry(
        uid=document["metadata"]["uid"],
        instance=intern(document["spec"]["instanceRef"]["name"]),
        tracker=intern(document["spec"]["trackerRef"]["name"]),
        kind=intern(str(status_of(document).get("kind") or "")),
    )


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
