"""Collect what the demo's report is computed from: resources, histories and the sandbox's journal."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from deploy.local.demo.hosts import GITHUB, HOSTS
from deploy.local.sandbox.ci_journal import accepted_triggers
from deploy.local.sandbox.seed import (
    ARGOCD_TOKEN,
    GITHUB_TOKEN,
    GITLAB_TOKEN,
    GITLAB_TRIGGER_TOKEN,
    JENKINS_TOKEN,
    WEBHOOK_SECRET,
)

TOKENS = (
    GITHUB_TOKEN,
    JENKINS_TOKEN,
    GITLAB_TOKEN,
    GITLAB_TRIGGER_TOKEN,
    ARGOCD_TOKEN,
    WEBHOOK_SECRET,
    *(value for host in HOSTS.values() for key, value in host.secret.items() if key != "username"),
)


_CI_PATH = re.compile(r"/actions/|/pipelines?\b|/trigger/")


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
    runs: Sequence[Sequence[HistoryEvent]] = field(repr=False)
    """Histories of the promotion's runs, oldest first: continue-as-new begins a new one."""
    places: dict[str, int]
    """History events of each place's workflow, by environment."""
    journal: Sequence[dict[str, Any]] = field(repr=False)
    webhooks: Sequence[dict[str, Any]] = field(repr=False)
    """What the stand-ins sent to the receiver, and how it was answered."""
    killed: Killed
    promote_exit_code: int
    user: str
    labels: tuple[str, ...]
    seconds: float
    host: str = GITHUB
    statuses: Mapping[str, str] = field(default_factory=dict)
    """The newest state of each commit status of the merge."""

    @property
    def history(self) -> list[HistoryEvent]:
        """The events of all runs."""
        return [event for run in self.runs for event in run]

    @property
    def identities(self) -> list[str]:
        """The workers that completed the workflow's tasks, in order of their first."""
        return list(dict.fromkeys(filter(None, (identity_of(event) for event in self.history))))

    @property
    def shared_history(self) -> list[str]:
        """The workers of the one history that the killed worker left unfinished; empty where it left none."""
        for run in self.runs:
            workers = list(dict.fromkeys(filter(None, (identity_of(event) for event in run))))
            if self.killed.identity in workers[:-1]:
                return workers
        return []

    @property
    def triggers_by_task(self) -> Counter[tuple[int, int]]:
        """How many tests each workflow task triggered, by run and event id of the task."""
        scheduled = (
            (number, event.activity_task_scheduled_event_attributes)
            for number, run in enumerate(self.runs)
            for event in run
        )
        found: Counter[tuple[int, int]] = Counter()
        for number, one in scheduled:
            if one.activity_type.name == "trigger_round":
                found[number, one.workflow_task_completed_event_id] += len(
                    json.loads(one.input.payloads[0].data)["tests"]
                )
        return found

    @property
    def merge_seen_seconds(self) -> float | None:
        """How long after its webhook was sent the merge was read; None where there was no such webhook, or no read."""
        sent = next((float(one["time"]) for one in self.webhooks if one["event"] == "merged"), None)
        if sent is None:
            return None
        asked: set[tuple[int, int]] = set()
        for number, run in enumerate(self.runs):
            for event in run:
                if event.activity_task_scheduled_event_attributes.activity_type.name == "read_pull_request":
                    asked.add((number, event.event_id))
                ended, at = event.activity_task_completed_event_attributes, event.event_time.ToNanoseconds() / 1e9
                if (number, ended.scheduled_event_id) in asked and at > sent:
                    return at - sent
        return None

    @property
    def timers_fired(self) -> int:
        return sum(event.event_type == EventType.EVENT_TYPE_TIMER_FIRED for event in self.history)

    @property
    def calls(self) -> Counter[str]:
        """Calls of the vendors' APIs, by system."""
        return Counter(entry["system"] for entry in self.journal if not entry["path"].startswith("/_"))

    @property
    def triggers_by_key(self) -> Counter[str]:
        """Triggers that the CI systems accepted, by promotion key."""
        return accepted_triggers(self.journal)

    @property
    def writes(self) -> Counter[str]:
        """Patches that Argo CD accepted, by application."""
        return self._argocd("PATCH", "")

    @property
    def syncs(self) -> Counter[str]:
        """Syncs that Argo CD accepted, by application."""
        return self._argocd("POST", "/sync")

    @property
    def host_calls(self) -> int:
        """Calls of the host's API about the repository, those of its CI left out."""
        system = HOSTS[self.host].system if self.host in HOSTS else self.host
        return sum(one["system"] == system and not _CI_PATH.search(one["path"]) for one in self.journal)

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


async def read_runs(client: Client, workflow_id: str) -> list[list[HistoryEvent]]:
    """Read the histories of a workflow's runs, from the first to the newest."""
    runs: list[list[HistoryEvent]] = []
    run_id: str | None = None
    while run_id != "":
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        runs.insert(0, list(history.events))
        run_id = runs[0][0].workflow_execution_started_event_attributes.continued_execution_run_id
    return runs
