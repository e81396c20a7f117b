"""Names as people type them: `412`, `#412`, `web#412`, `prt/web-412` or `web-412`. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from worker.cli.exits import CliError, ExitCode

LONGEST_NAME = 253
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NUMBER = re.compile(r"#?([0-9]{1,10})")
_OF_REPOSITORY = re.compile(r"([^#/]+)#([0-9]{1,10})")
TRACKER_KINDS = ("prt", "pullrequesttracker", "pullrequesttrackers")


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What was typed: the name of an object, or the number of a pull request in some repository."""

    name: str = ""
    number: int = 0


def read_tracker(text: str) -> Typed:
    """Read what names a tracker. Raises CliError with USAGE for what cannot name one."""
    bare = _without_kind(text, TRACKER_KINDS)
    if found := _NUMBER.fullmatch(bare):
        if int(found[1]) == 0:
            raise _no_pull_request(text)
        return Typed(number=int(found[1]))
    if found := _OF_REPOSITORY.fullmatch(bare):
        return Typed(name=object_name(f"{found[1]}-{int(found[2])}"))
    return Typed(name=object_name(bare))


def read_pull_request(text: str) -> tuple[str | None, int]:
    """Return the GitRepository, if it is named, and the number of a pull request.

    Raises CliError with USAGE for what names none.
    """
    repository, _, number = text.rpartition("#")
    if not _NUMBER.fullmatch(number) or int(number) == 0:
        raise _no_pull_request(text)
    return object_name(repository) if repository else None, int(number)


def _no_pull_request(text: str) -> CliError:
    return CliError(f"`{text}` is no pull request: write 412, #412 or web#412", code=ExitCode.USAGE)


def object_name(text: str, *kinds: str) -> str:
    """Return the name of an object, `KIND/` before it left out. Raises CliError with USAGE where it can be none."""
    bare = _without_kind(text, kinds)
    if len(bare) > LONGEST_NAME or not _NAME.fullmatch(bare):
        raise CliError(
            f"`{text}` cannot be a name: lowercase letters, digits, `-` and `.`, at most {LONGEST_NAME} characters",
            code=ExitCode.USAGE,
        )
    return bare


def choose_trackers(
    typed: Iterable[Typed], numbers: Mapping[str, int], namespace: str, *, command: Callable[..., str]
) -> list[str]:
    """Return the names of the trackers that are meant, each once; `numbers` maps trackers to their pull requests.

    `command` makes a command line for the same namespace.
    Raises CliError where a number names none of them, or several.
    """
    chosen: dict[str, None] = {}
    for one in typed:
        if one.name:
            chosen[one.name] = None
            continue
        named = sorted(name for name, number in numbers.items() if number == one.number)
        if not named:
            raise CliError(
                f'no PullRequestTracker of pull request #{one.number} in namespace "{namespace}"',
                code=ExitCode.NOT_FOUND,
                advice=f"`{command('track', str(one.number))}` makes it; "
                f"`{command('get', '-A')}` lists all that you may see",
            )
        if len(named) > 1:
            raise CliError(
                f"#{one.number} is a pull request of {len(named)} repositories: {', '.join(named)}",
                code=ExitCode.USAGE,
                advice="name the tracker",
            )
        chosen[named[0]] = None
    return list(chosen)


def _without_kind(text: str, kinds: Iterable[str]) -> str:
    kind, slash, name = text.partition("/")
    known = kind.lower().removesuffix(".pilotage.dev").removesuffix(".v1alpha1")
    return name if slash and known in kinds else text
