"""Repositories, pull requests and credentials as the GitHub stand-in keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.sandbox.clock import Clock, timestamp
from deploy.local.sandbox.commits import CommitGraph
from deploy.local.sandbox.git_graph import GitGraph
from deploy.local.sandbox.github_runs import Workflow, WorkflowRun
from deploy.local.sandbox.replies import Json

_PULL_FIELDS = frozenset(
    {
        "number",
        "title",
        "body",
        "author",
        "state",
        "merged",
        "draft",
        "head",
        "base",
        "merge_sha",
        "labels",
        "files",
        "age_seconds",
    }
)
_DEFAULT_COLOR = "ededed"


@dataclass(kw_only=True)
class Token:
    """A credential that the host knows; `expires_at` is in seconds since the epoch."""

    login: str
    limit: int = 5000
    used: int = 0
    reset_at: float = 0.0
    expires_at: float | None = None
    permissions: dict[str, str] | None = None


@dataclass(kw_only=True)
class Pull:
    """One pull request."""

    number: int
    title: str
    author: str
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    body: str | None = None
    state: str = "open"
    draft: bool = False
    merged_at: float | None = None
    merge_sha: str | None = None
    labels: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    version: int = 0
    """Grows with each change, at hosts that want it named by writes."""
    version_head: str = ""
    """The head that the version is about: a push makes a new one."""
    comments: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    created_at: float = 0.0
    updated_at: float = 0.0
    closed_at: float | None = None


@dataclass(kw_only=True)
class Repository:
    """One repository with everything that hangs on it."""

    owner: str
    name: str
    identifier: int
    default_branch: str = "main"
    graph: CommitGraph = field(default_factory=CommitGraph)
    pulls: dict[int, Pull] = field(default_factory=dict)
    labels: dict[str, Json] = field(default_factory=dict)
    statuses: dict[str, list[Json]] = field(default_factory=dict)
    check_runs: list[Json] = field(default_factory=list)
    deployments: list[Json] = field(default_factory=list)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    runs: dict[int, WorkflowRun] = field(default_factory=dict)
    collaborators: dict[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def label(self, name: str) -> Json | None:
        """Find a repository label; names are case-insensitive."""
        return self.labels.get(name.lower())

    def create_label(
        self, *, name: str, color: str = _DEFAULT_COLOR, description: str | None = None, number: int
    ) -> Json:
        label: Json = {
            "id": number,
            "name": name,
            "color": color.lstrip("#"),
            "default": False,
            "description": description,
        }
        self.labels[name.lower()] = label
        return label


class GitHubState:
    """All that the GitHub stand-in remembers."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.app: Json = {"id": 1, "installations": {}, "public_key": None}
        self.teams: dict[str, list[str]] = {}
        """Members of teams, and of groups where a host calls them so, by their names."""
        self._number = 1000

    def next_number(self) -> int:
        """Give out ids of labels, comments, statuses and runs; they grow, as at the real host."""
        self._number += 1
        return self._number

    def repository(self, full_name: str) -> Repository | None:
        """Find a repository; owner and name are case-insensitive."""
        return self.repositories.get(full_name.lower())

    def revision_is_known(self, sha: str) -> bool:
        return any(sha in repository.graph.commits for repository in self.repositories.values())

    def load(self, seed: Mapping[str, Any]) -> None:
        """Merge a seed's `github` part. Raises ValueError naming what is wrong."""
        for token, wanted in (seed.get("tokens") or {}).items():
            self.tokens[token] = Token(**wanted)
        if app := seed.get("app"):
            self.app = {**self.app, **app}
        self.teams.update(seed.get("teams") or {})
        for full_name, wanted in (seed.get("repos") or {}).items():
            owner, _, name = full_name.partition("/")
            repository = self.repository(full_name)
            if repository is None:
                graph = GitGraph(Path(wanted["git"])) if "git" in wanted else CommitGraph()
                repository = Repository(owner=owner, name=name, identifier=self.next_number(), graph=graph)
                self.repositories[full_name.lower()] = repository
            self._load_repository(repository, wanted)

    def add_pull(self, repository: Repository, wanted: Mapping[str, Any]) -> Pull:
        """Add or replace a pull request as a seed describes it. Raises ValueError for unknown fields or commits."""
        if unknown := sorted(set(wanted) - _PULL_FIELDS):
            raise ValueError(
                f"pull request: unknown fields {', '.join(unknown)}; known: {', '.join(sorted(_PULL_FIELDS))}"
            )
        head, base = wanted["head"], wanted.get("base") or {"ref": repository.default_branch}
        base_sha = base.get("sha") or repository.graph.resolve(base["ref"])
        for sha in filter(None, (head["sha"], base_sha, wanted.get("merge_sha"))):
            if sha not in repository.graph.commits:
                raise ValueError(f"pull request {wanted['number']}: unknown commit {sha!r}")
        now = self.clock.now() - float(wanted.get("age_seconds", 0.0))
        merged = bool(wanted.get("merged", False))
        closed = merged or wanted.get("state") == "closed"
        pull = Pull(
            number=wanted["number"],
            title=wanted.get("title", f"Change {wanted['number']}"),
            author=wanted.get("author", "ada"),
            body=wanted.get("body"),
            state="closed" if closed else "open",
            draft=bool(wanted.get("draft", False)),
            head_ref=head["ref"],
            head_sha=head["sha"],
            base_ref=base["ref"],
            base_sha=base_sha or "",
            merge_sha=wanted.get("merge_sha"),
            merged_at=now if merged else None,
            closed_at=now if closed else None,
            files=list(wanted.get("files") or []),
            created_at=now,
            updated_at=now,
        )
        repository.pulls[pull.number] = pull
        for name in wanted.get("labels") or []:
            self.add_label(repository, pull, name, actor=pull.author)
        return pull

    def add_label(self, repository: Repository, pull: Pull, name: str, *, actor: str) -> bool:
        """Put a label on a pull request, creating it where missing. Returns whether anything changed."""
        label = repository.label(name) or repository.create_label(name=name, number=self.next_number())
        if label["name"] in pull.labels:
            return False
        pull.labels.append(label["name"])
        self.record_event(pull, "labeled", actor=actor, label=label)
        return True

    def remove_label(self, repository: Repository, pull: Pull, name: str, *, actor: str) -> bool:
        """Take a label off a pull request. Returns False where it was not on it."""
        label = repository.label(name)
        if label is None or label["name"] not in pull.labels:
            return False
        pull.labels.remove(label["name"])
        self.record_event(pull, "unlabeled", actor=actor, label=label)
        return True

    def record_event(self, pull: Pull, event: str, *, actor: str, label: Json | None = None) -> None:
        now = self.clock.now()
        entry: Json = {
            "id": self.next_number(),
            "event": event,
            "created_at": timestamp(now),
            "actor": {"login": actor, "type": "User"},
        }
        if label is not None:
            entry["label"] = {"name": label["name"], "color": label["color"]}
        pull.events.append(entry)
        pull.updated_at = now

    def move(self, repository: Repository, branch: str, sha: str) -> None:
        """Move a branch as a push does, and with it the heads of the open pull requests from it."""
        repository.graph.branches[branch] = sha
        for pull in repository.pulls.values():
            if pull.state == "open" and pull.head_ref == branch and pull.head_sha != sha:
                pull.head_sha, pull.updated_at = sha, self.clock.now()

    def merge(
        self,
        repository: Repository,
        pull: Pull,
        *,
        sha: str | None = None,
        actor: str = "ada",
        method: str = "merge",
        message: str = "",
    ) -> str:
        """Merge a pull request, by a given known commit or a new one on its base branch. Returns the sha.

        Squash and rebase leave the head out of the base branch's history.
        """
        graph = repository.graph
        if sha is None or sha not in graph.commits:
            tip = graph.branches.get(pull.base_ref, pull.base_sha)
            message = message or f"Merge pull request #{pull.number} from {repository.owner}/{pull.head_ref}"
            comparison = graph.compare(tip, pull.head_sha)
            since = comparison.merge_base if comparison is not None else pull.base_sha
            there = graph.commits[pull.head_sha].tree
            changed = {path: there.get(path) for path in graph.changed_between(since, pull.head_sha)}
            parents = [tip, pull.head_sha] if method == "merge" else [tip]
            sha = graph.add(sha=sha, parents=parents, message=message, author=actor, files=changed).sha
        graph.branches[pull.base_ref] = sha
        pull.merge_sha, pull.state = sha, "closed"
        pull.merged_at = pull.closed_at = self.clock.now()
        self.record_event(pull, "merged", actor=actor)
        return sha

    def _load_repository(self, repository: Repository, wanted: Mapping[str, Any]) -> None:
        repository.default_branch = wanted.get("default_branch", repository.default_branch)
        repository.graph.load(wanted)
        for label in wanted.get("labels") or []:
            repository.create_label(**label, number=self.next_number())
        for pull in wanted.get("pulls") or []:
            self.add_pull(repository, pull)
        for file_name, workflow in (wanted.get("workflows") or {}).items():
            repository.workflows[file_name] = Workflow(
                **{"file_name": file_name, "identifier": self.next_number(), **workflow},
            )
        repository.collaborators.update(wanted.get("collaborators") or {})
