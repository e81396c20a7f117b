"""Labels as Gitea and Forgejo keep them: by id, their names neither unique nor without case."""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.local.sandbox.github_state import GitHubState, Pull, Repository

_DEFAULT_COLOR = "ededed"


@dataclass(frozen=True, kw_only=True)
class Label:
    id: int
    name: str
    color: str = _DEFAULT_COLOR
    description: str = ""


class GiteaLabels:
    """The labels of all repositories; a pull request's own list of names follows what is put on it here."""

    def __init__(self, github: GitHubState) -> None:
        self._github = github
        self._of_repository: dict[str, list[Label]] = {}
        self._on_pull: dict[tuple[str, int], list[int]] = {}

    def of_repository(self, repository: Repository) -> list[Label]:
        """Return a repository's labels; those of its seed are the first."""
        if repository.full_name not in self._of_repository:
            rows = [
                Label(id=row["id"], name=row["name"], color=row["color"], description=row["description"] or "")
                for row in repository.labels.values()
            ]
            self._of_repository[repository.full_name] = rows
        return self._of_repository[repository.full_name]

    def create(self, repository: Repository, name: str, color: str, description: str) -> Label:
        """Create one, whatever others are called."""
        made = Label(id=self._github.next_number(), name=name, color=color.lstrip("#"), description=description)
        self.of_repository(repository).append(made)
        return made

    def on(self, repository: Repository, pull: Pull) -> list[Label]:
        """Return what is on a pull request, labels that others put there included."""
        rows = self.of_repository(repository)
        known = {row.name for row in rows}
        for name in pull.labels:
            if name not in known:
                self.create(repository, name, _DEFAULT_COLOR, "")
        ids = self._on_pull.setdefault((repository.full_name, pull.number), [])
        names = {row.name for row in rows if row.id in ids}
        ids += [next(row.id for row in rows if row.name == name) for name in pull.labels if name not in names]
        return [row for row in rows if row.id in ids and row.name in pull.labels]

    def put(self, repository: Repository, pull: Pull, labels: Iterable[Label], *, actor: str) -> bool:
        """Replace what is on a pull request, which its timeline shows; returns whether that changes anything."""
        before = self.on(repository, pull)
        wanted = {label.id: label for label in labels}
        self._on_pull[repository.full_name, pull.number] = list(wanted)
        after = [label for label in self.of_repository(repository) if label.id in wanted]
        pull.labels[:] = dict.fromkeys(label.name for label in after)
        for label in (label for label in after if label not in before):
            self._record(pull, "labeled", label, actor)
        for label in (label for label in before if label not in after):
            self._record(pull, "unlabeled", label, actor)
        pull.updated_at = self._github.clock.now()
        return before != after

    def _record(self, pull: Pull, event: str, label: Label, actor: str) -> None:
        self._github.record_event(pull, event, actor=actor, label={"name": label.name, "color": label.color})
