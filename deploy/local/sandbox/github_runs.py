"""Workflows and their runs: what the GitHub Actions stand-in remembers and how a run ages."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_INPUT_IN_RUN_NAME = re.compile(r"\$\{\{\s*(?:github\.event\.)?inputs\.([A-Za-z0-9_-]+)\s*\}\}")


@dataclass(kw_only=True)
class Workflow:
    """One workflow file; `inputs` maps names to `{required, default}`, `conclusion` is an outcome choice."""

    file_name: str
    identifier: int
    name: str = ""
    run_name: str | None = None
    dispatch: bool = True
    inputs: dict[str, Any] = field(default_factory=dict)
    duration_seconds: float | None = None
    queued_seconds: float | None = None
    conclusion: Any = "success"
    approval: bool = False
    """Whether runs wait for a person, as those of a protected environment do."""
    state: str = "active"

    def text(self) -> str:
        """Write the workflow file as it would stand in the repository."""
        lines = [f"name: {json.dumps(self.name or self.file_name)}"]
        if self.run_name is not None:
            lines.append(f"run-name: {self.run_name}")
        lines.append("on:")
        if self.dispatch:
            lines += ["  workflow_dispatch:", "    inputs:"] if self.inputs else ["  workflow_dispatch: {}"]
            lines += [f"      {name}: {json.dumps(declared or {})}" for name, declared in self.inputs.items()]
        else:
            lines.append("  push: {}")
        return "\n".join(lines) + "\njobs: {}\n"

    def display_title(self, inputs: Mapping[str, str]) -> str:
        """Render run-name: an input that the workflow does not declare renders empty, as in a real run."""
        if self.run_name is None:
            return self.name or self.file_name
        return _INPUT_IN_RUN_NAME.sub(
            lambda match: inputs.get(match[1], "") if match[1] in self.inputs else "",
            self.run_name,
        )


@dataclass(kw_only=True)
class WorkflowRun:
    """One run; its status follows from the clock and the times given at the start."""

    identifier: int
    workflow: Workflow
    run_number: int
    display_title: str
    event: str
    branch: str
    head_sha: str
    actor: str
    inputs: dict[str, str]
    created_at: float
    starts_at: float
    ends_at: float
    wanted_conclusion: str
    run_attempt: int = 1
    cancelled_at: float | None = None
    awaits_approval: bool = False
    rerun_by: str = ""
    """Who began the newest attempt, where that is not the first."""

    def approve(self, now: float) -> None:
        """Let a run that waits for a person begin."""
        self.starts_at, self.ends_at = now, now + self.ends_at - self.starts_at
        self.awaits_approval = False

    def status(self, now: float) -> str:
        if self.cancelled_at is not None:
            return "completed"
        if self.awaits_approval:
            return "waiting"
        if now >= self.ends_at:
            return "completed"
        return "in_progress" if now >= self.starts_at else "queued"

    def conclusion(self, now: float) -> str | None:
        if self.status(now) != "completed":
            return None
        return "cancelled" if self.cancelled_at is not None else self.wanted_conclusion

    def updated_at(self, now: float) -> float:
        """Return when the run last changed."""
        if self.cancelled_at is not None:
            return self.cancelled_at
        return max(
            moment
            for moment in (self.created_at, self.starts_at, self.ends_at)
            if moment <= now or moment == self.created_at
        )
