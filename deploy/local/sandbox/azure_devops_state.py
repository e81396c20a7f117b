"""What the Azure DevOps stand-in remembers, apart from the repositories that it shows."""

import uuid
from dataclasses import dataclass

from deploy.local.sandbox.clock import Clock
from deploy.local.sandbox.github_state import GitHubState, Pull, Repository

_IDS = uuid.UUID("2e9eb7ed-3c0a-47d4-87c1-0ffdb275fd87")
# Completing a pull request goes on in the background.
_COMPLETION_SECONDS = 0.2


def identifier(kind: str, name: str) -> str:
    """Return the GUID by which the host knows something of this name."""
    return str(uuid.uuid5(_IDS, f"{kind} {name.lower()}"))


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A completion under way; `due` is in seconds since the epoch."""

    actor: str
    due: float
    method: str = "merge"
    message: str = ""


class AzureDevOpsState:
    """Completions under way, and the tokens that were given to applications."""

    def __init__(self, clock: Clock, github: GitHubState) -> None:
        self._clock = clock
        self._github = github
        self.completions: dict[tuple[str, int], Completion] = {}
        self.minted: dict[str, str] = {}
        """Login by token."""

    def complete(self, repository: Repository, pull: Pull, *, actor: str, method: str, message: str) -> None:
        """Begin to complete a pull request."""
        due = self._clock.now() + _COMPLETION_SECONDS
        completion = Completion(actor=actor, due=due, method=method, message=message)
        self.completions[(repository.full_name, pull.number)] = completion

    def is_queued(self, repository: Repository, pull: Pull) -> bool:
        """Return whether a completion is under way; one whose time has come is done first."""
        key = (repository.full_name, pull.number)
        found = self.completions.get(key)
        if found is not None and found.due <= self._clock.now():
            del self.completions[key]
            self._github.merge(repository, pull, actor=found.actor, method=found.method, message=found.message)
        return key in self.completions

    def mint(self, login: str) -> str:
        """Give an application a token."""
        token = f"sandbox-entra-{uuid.uuid4()}"
        self.minted[token] = login
        return token
