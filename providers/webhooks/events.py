"""What a webhook is about. It never proves what is true there: its receiver looks for itself."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from providers.documents import Document, at, text

KEY_LIMIT = 4
COMMAND = "/pilotage"
_PROMOTION_KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
"""As workflows/promotion/rules/rounds.py makes them: people put the key into names of runs."""
_ID_CHARACTERS = 200
_TEXT_BYTES = 1024

Headers: TypeAlias = Mapping[str, str]
"""By lower-case name."""


@dataclass(frozen=True, kw_only=True)
class RepositoryName:
    """A repository as its host names it; `project_id` survives a rename, 0 where the host names none."""

    full_name: str
    project_id: int = 0


@dataclass(frozen=True, kw_only=True)
class PullRequestNotice:
    """Something happened to a pull request."""

    repository: RepositoryName
    number: int
    ended: bool = False
    """Whether the sender reports it as merged or closed."""


@dataclass(frozen=True, kw_only=True)
class RepositoryNotice:
    """Something happened to a repository: a push, a new name, or its end."""

    repository: RepositoryName


@dataclass(frozen=True, kw_only=True)
class InstructionNotice:
    """Somebody labelled a pull request, or wrote a command on it."""

    repository: RepositoryName
    number: int
    by: str
    """As the host names the account; empty where it does not."""


@dataclass(frozen=True, kw_only=True)
class RunNotice:
    """The sender reports that a run of a CI system has ended."""

    url: str = ""
    keys: tuple[str, ...] = ()
    """What looks like a promotion key in what the run is called and was started with."""


@dataclass(frozen=True, kw_only=True)
class ApplicationNotice:
    """Something happened to an application of Argo CD."""

    name: str
    project: str = ""
    """Empty where the sender names none."""


Notice: TypeAlias = PullRequestNotice | InstructionNotice | RepositoryNotice | RunNotice | ApplicationNotice


@dataclass(frozen=True, kw_only=True)
class Event:
    """One delivery as it was read; `about` is empty where nothing of ours depends on it."""

    name: str
    """As the sender calls it, for people."""
    about: tuple[Notice, ...] = ()


class NotAnEvent(Exception):
    """The body is not what this sender sends; the text names what is wrong."""


def header(headers: Headers, name: str) -> str:
    """Return a header's value, empty where it is missing; cut, since it is kept and shown."""
    return headers.get(name, "").strip()[:_ID_CHARACTERS]


def required_header(headers: Headers, name: str) -> str:
    """Return a header's value. Raises NotAnEvent where it is missing."""
    found = header(headers, name.lower())
    if not found:
        raise NotAnEvent(f"the header {name} is missing")
    return found


def positive(value: object, *path: str) -> int:
    """Return a number that names something. Raises NotAnEvent for anything else."""
    found = at(value, *path)
    if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**63:
        return found
    raise NotAnEvent(f"`{'.'.join(path)}` is no positive number")


def name_of(value: object, *path: str) -> str:
    """Return a text that names something. Raises NotAnEvent for anything else, and for an empty one."""
    found = at(value, *path)
    if isinstance(found, str) and found:
        return text(found, limit_bytes=_TEXT_BYTES)
    raise NotAnEvent(f"`{'.'.join(path)}` is no text")


def text_at(value: object, *path: str) -> str:
    """Return a text that may be missing; empty for anything that is none."""
    found = at(value, *path)
    return text(found, limit_bytes=_TEXT_BYTES) if isinstance(found, str) else ""


def repository_notices(value: object, *path: str, project_id: int = 0) -> tuple[RepositoryNotice, ...]:
    """Name a repository by its full name; none where an event, such as a test of the webhook, has no such name."""
    name = text_at(value, *path)
    return (RepositoryNotice(repository=RepositoryName(full_name=name, project_id=project_id)),) if name else ()


def is_command(body: str) -> bool:
    """Return whether a comment may be a command to Pilotage; what it means is read at the host."""
    return body.lstrip().startswith(COMMAND)


def run_notice(url: str, names: Iterable[str]) -> RunNotice:
    """Name a run by its address and by the keys in its names."""
    keys = dict.fromkeys(key for name in names for key in _PROMOTION_KEY.findall(name))
    return RunNotice(url=url, keys=tuple(keys)[:KEY_LIMIT])


def as_document(value: object) -> Document:
    """Return the body as an object. Raises NotAnEvent for anything else."""
    if isinstance(value, Mapping):
        return value
    raise NotAnEvent("the body is no JSON object")
