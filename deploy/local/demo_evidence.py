"""Collect what the demo's report is computed from: resources, histories and the sandbox's journal."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from deploy.local.sandbox.seed import ARGOCD_TOKEN, GITHUB_TOKEN, JENKINS_TOKEN
from providers.jenkins.wire import KEY_PARAMETER

TOKENS = (GITHUB_TOKEN, JENKINS_TOKEN, ARGOCD_TOKEN)


@dataclass(frozen=True, kw_only=True)
class Killed:
    """The worker that was killed, and how much of the history was there."""

    name: str
    pid: int
    identity: str
    events: int
    tests_open: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the report is computed from."""

    tracker: PullRequestTracker
    document: dict[str, Any] = field(repr=False)
    history: Sequence[HistoryEvent] = field(repr=False)
    places: dict[str, int]
    """History events of each place's workflow, by environment."""
    journal: Sequence[dict[str, Any]] = field(repr=False)
    killed: Killed
    promote_exit_code: int
    user: str
    labels: tuple[str, ...]
    seconds: float

    @property
    def identities(self) -> list[str]:
        """The workers that completed the workflow's tasks, in order of their first."""
        return list(dict.fromkeys(filter(None, (identity_of(event) for event in self.history))))

    @property
    def triggers_by_task(self) -> Counter[int]:
        """How many tests each workflow task triggered, by the task's event id."""
        scheduled = (event.activity_task_scheduled_event_attributes for event in self.history)
        return Counter(
            one.workflow_task_completed_event_id for one in scheduled if one.activity_type.name == "trigger_test"
        )

    @property
    def timers_fired(self) -> int:
        return sum(event.event_type == EventType.EVENT_TYPE_TIMER_FIRED for event in self.history)

    @property
    def calls(self) -> Counter[str]:
        """Calls of the vendors' APIs, by system."""
        return Counter(entry["system"] for entry in self.journal if not entry["path"].startswith("/_"))

    @property
    def triggers_by_key(self) -> Counter[str]:
        """Triggers that Jenkins accepted, by promotion key."""
        return Counter(
            str(_parameters(entry).get(KEY_PARAMETER))
            for entry in self.journal
            if entry["method"] == "POST" and entry["path"].endswith("/buildWithParameters") and entry["accepted"]
        )

    @property
    def writes(self) -> Counter[str]:
        """Patches that Argo CD accepted, by application."""
        return self._argocd("PATCH", "")

    @property
    def syncs(self) -> Counter[str]:
        """Syncs that Argo CD accepted, by application."""
        return self._argocd("POST", "/sync")

    @property
    def leaked(self) -> list[str]:
        """Where a token of the samples stands; it may stand nowhere."""
        places = {
            "workflow history": b"".join(event.SerializeToString() for event in self.history),
            "tracker": repr(self.document).encode(),
            "journal": repr(self.journal).encode(),
        }
        return [place for place, content in places.items() if any(token.encode() in content for token in TOKENS)]

    def _argocd(self, method: str, suffix: str) -> Counter[str]:
        path = re.compile(rf".*/applications/([^/]+){suffix}")
        asked = (entry for entry in self.journal if entry["system"] == "argocd" and entry["method"] == method)
        found = (path.fullmatch(entry["path"]) for entry in asked if entry["accepted"])
        return Counter(match.group(1) for match in found if match)


def identity_of(event: HistoryEvent) -> str:
    """Return the identity of the worker that completed a workflow task; empty for other events."""
    return event.workflow_task_completed_event_attributes.identity


async def read_history(client: Client, workflow_id: str) -> list[HistoryEvent]:
    """Read the history of a workflow's newest run."""
    return list((await client.get_workflow_handle(workflow_id).fetch_history()).events)


def _parameters(entry: dict[str, Any]) -> dict[str, Any]:
    body = entry["body"]
    return {**(entry.get("query") or {}), **(body if isinstance(body, dict) else {})}
