"""Projects and pipelines as the GitLab CI stand-in keeps them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.local.sandbox.clock import Clock
from deploy.local.sandbox.gitlab_inputs import shown
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.outcomes import choose_outcome
from deploy.local.sandbox.replies import Json

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
FINAL_STATUSES = ("success", "failed", "canceled", "skipped")


@dataclass(kw_only=True)
class Pipeline:
    """One pipeline; its status follows from the clock unless it was cancelled."""

    identifier: int
    iid: int
    ref: str
    sha: str
    source: str
    name: str | None
    variables: dict[str, str]
    inputs: dict[str, str]
    user: str
    """The user who started it; empty for a trigger token, whose owner no one reads here."""
    created_at: float
    starts_at: float
    ends_at: float
    wanted_status: str
    canceled_at: float | None = None
    failure_reason: str | None = None
    external: list[Json] = field(default_factory=list)
    """Commit statuses that are jobs of it."""

    def status(self, now: float) -> str:
        if self.canceled_at is not None:
            return "canceled"
        if now < self.starts_at:
            return "pending"
        is_held = any(row["state"] in ("pending", "running") for row in self.external)
        return "running" if now < self.ends_at or is_held else self.wanted_status

    def updated_at(self, now: float) -> float:
        if self.canceled_at is not None:
            return self.canceled_at
        return max(
            moment
            for moment in (self.created_at, self.starts_at, self.ends_at)
            if moment <= now or moment == self.created_at
        )


@dataclass(kw_only=True)
class Project:
    """One project; `workflow_name` and `inputs` are of its CI file, `status` is an outcome choice.

    `ci_config` stands for a CI file with another content than that.
    """

    identifier: int
    path: str
    branches: dict[str, str] = field(default_factory=dict)
    workflow_name: str | None = None
    ci_config: str | None = None
    ci_config_path: str = ""
    status: Any = "success"
    failure_reason: str | None = "script_failure"
    duration_seconds: float | None = None
    queued_seconds: float | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=lambda: ["test"])
    accepts_variables: bool = True
    trigger_tokens: list[str] = field(default_factory=list)
    trigger_owner: str = "grace"
    """For whom trigger tokens act."""
    test_report: Json | None = None
    merge_method: str = "merge"
    """How merge requests are merged: `merge`, `rebase_merge` or `ff`."""
    environments: dict[str, str] = field(default_factory=dict)
    """The address of each, by its name; empty where no one has set it."""
    pipelines: dict[int, Pipeline] = field(default_factory=dict)

    @property
    def config(self) -> str:
        """The CI file's text; JSON is YAML."""
        if self.ci_config is not None:
            return self.ci_config
        header = f"spec:\n  inputs: {json.dumps(self.inputs)}\n---\n" if self.inputs else ""
        name = f"workflow:\n  name: '{self.workflow_name}'\n" if self.workflow_name else ""
        return header + name + "".join(f"{job}:\n  script: make {job}\n" for job in self.jobs)


class GitLabState:
    """All that the GitLab stand-in remembers."""

    def __init__(self, clock: Clock, options: Options) -> None:
        self.clock = clock
        self.options = options
        self.projects: dict[str, Project] = {}
        self.tokens: dict[str, Json] = {}
        self._next_pipeline = 5001

    def load(self, seed: Mapping[str, Any]) -> None:
        """Merge a seed's `gitlab` part; a named project gets the fields given."""
        self.tokens.update(seed.get("tokens") or {})
        for path, wanted in (seed.get("projects") or {}).items():
            fields = {**wanted}
            identifier = fields.pop("id", None)
            project = self.projects.get(path)
            if project is None:
                project = Project(identifier=identifier or self._next_project(), path=path)
                self.projects[path] = project
            for name, value in fields.items():
                if name not in Project.__dataclass_fields__:
                    raise ValueError(f"gitlab project {path!r}: unknown field {name!r}")
                setattr(project, name, value)

    def secrets(self) -> list[str]:
        return [*self.tokens, *(token for project in self.projects.values() for token in project.trigger_tokens)]

    def project(self, name: str) -> Project | None:
        """Find a project by its number or its full path."""
        if name.isdigit():
            return next((project for project in self.projects.values() if project.identifier == int(name)), None)
        return self.projects.get(name)

    def add(self, path: str, *, branches: dict[str, str]) -> Project:
        """Add a project whose branches are those of a repository, now and later."""
        project = Project(identifier=self._next_project(), path=path, branches=branches)
        self.projects[path] = project
        return project

    def _next_project(self) -> int:
        return max((project.identifier for project in self.projects.values()), default=0) + 1

    def create(
        self,
        project: Project,
        *,
        ref: str,
        source: str,
        user: str,
        variables: dict[str, str],
        inputs: dict[str, str],
    ) -> Pipeline:
        now = self.clock.now()
        starts = now + (self.options.queued_seconds if project.queued_seconds is None else project.queued_seconds)
        ends = starts + (self.options.run_seconds if project.duration_seconds is None else project.duration_seconds)
        status = choose_outcome(project.status, {**inputs, **variables}, "success")
        # As in a real pipeline name, an unset variable expands to nothing.
        name = _VARIABLE.sub(
            lambda match: variables.get(match[1] or match[2], ""), shown(project.workflow_name or "", inputs)
        )
        pipeline = Pipeline(
            identifier=self._next_pipeline,
            iid=len(project.pipelines) + 1,
            ref=ref,
            sha=project.branches[ref],
            source=source,
            name=name or None,
            variables=variables,
            inputs=inputs,
            user=user,
            created_at=now,
            starts_at=starts,
            ends_at=ends,
            wanted_status=status,
            failure_reason=project.failure_reason if status == "failed" else None,
        )
        self._next_pipeline += 1
        project.pipelines[pipeline.identifier] = pipeline
        return pipeline

    def summary(self) -> Json:
        now = self.clock.now()
        return {
            path: [
                {
                    "id": pipeline.identifier,
                    "ref": pipeline.ref,
                    "variables": pipeline.variables,
                    "inputs": pipeline.inputs,
                    "name": pipeline.name,
                    "status": pipeline.status(now),
                }
                for pipeline in project.pipelines.values()
            ]
            for path, project in self.projects.items()
        }
