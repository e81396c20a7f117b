"""The corpus on disk: histories of stories as compressed JSON, without a trace of the machine that recorded them."""

import base64
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

DIRECTORY = Path(__file__).parent
SUFFIX = ".json.gz"
MACHINE = re.compile(
    r"(?<![\w-])\d+@[\w.-]+"  # the identity of a client: pid@host
    r"|/(?:home|root|tmp|usr|opt|work|Users|private|var)/"
    r"|site-packages|kubeconfig|PRIVATE KEY"
    r"|[Bb]earer [\w.-]{8,}|gh[pousr]_\w{10,}|glpat-[\w-]{10,}|sandbox-[a-z-]*token"
)
"""What must be in no recorded history: identities, paths, credentials."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one workflow within a story."""

    story: str
    kind: str
    """The workflow type."""
    history: WorkflowHistory

    @property
    def name(self) -> str:
        return f"{self.story}: {self.history.workflow_id} {self.history.run_id}"


def write_story(story: str, runs: Iterable[WorkflowHistory]) -> int:
    """Write a story's runs; return the bytes on disk."""
    recorded = [{"id": run.workflow_id, "events": scrubbed(run.to_json_dict())["events"]} for run in runs]
    text = json.dumps({"runs": recorded}, separators=(",", ":"), ensure_ascii=False)
    # Without the time, which would make every recording of the same runs differ.
    data = gzip.compress(text.encode(), 9, mtime=0)
    path_of(story).write_bytes(data)
    return len(data)


def path_of(story: str) -> Path:
    return DIRECTORY / f"{story}{SUFFIX}"


def recorded_stories() -> tuple[str, ...]:
    """Name all stories on disk; those of a release carry its folder's name."""
    found = sorted(DIRECTORY.rglob(f"*{SUFFIX}"))
    return tuple(path.relative_to(DIRECTORY).as_posix().removesuffix(SUFFIX) for path in found)


def read_story(story: str) -> tuple[Run, ...]:
    """Read the runs of a story."""
    content: Json = json.loads(gzip.decompress(path_of(story).read_bytes()))
    histories = [WorkflowHistory.from_json(one["id"], {"events": one["events"]}) for one in content["runs"]]
    return tuple(Run(story=story, kind=kind_of(history), history=history) for history in histories)


def kind_of(history: WorkflowHistory) -> str:
    """Return the workflow type."""
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def scrubbed(value: Any) -> Any:
    """Return the JSON without what names a machine; replaying needs none of it."""
    if isinstance(value, list):
        return [scrubbed(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: scrubbed(one) for name, one in value.items() if name != "stackTrace"}
    if "identity" in kept:
        kept["identity"] = "recorder"
    if kept.get("kind") == "TASK_QUEUE_KIND_STICKY":
        kept["name"] = "sticky"
    return kept


def texts(history: WorkflowHistory) -> Iterator[str]:
    """Yield every text of a history, payloads decoded."""
    waiting: list[Any] = [history.to_json_dict()]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            if isinstance(value.get("data"), str) and "metadata" in value:
                yield base64.b64decode(value["data"]).decode(errors="replace")
            waiting += value.values()
        elif isinstance(value, str):
            yield value
