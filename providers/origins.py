"""Whether a run that shows our key is ours: a person who sees the key can start another run with it.

An adapter collects what its CI system shows of a run, as `Facts`. What is not shown is not compared; each system's
page in docs/ explains what that is.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, product

from providers.models import Origin, Run

_RESOLUTION = timedelta(seconds=2)
"""A Date header and a creation time each drop up to a second, and a proxy's clock may write the former."""
_NAMES_SHOWN = 3
_NAME_CHARACTERS = 40
_DIGEST_DIGITS = 16
"""64 bits: a second value of one digest cannot be looked for in the life of a run."""
_TRUTHS = ("true", "false")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a CI system shows of one run; None where it shows nothing."""

    created: datetime | None = None
    now: datetime | None = None
    """The host's own clock when it answered."""
    ref: str | None = None
    accounts: tuple[str, ...] | None = None
    """Who started it: several where the system made one run of equal requests."""
    means: str | None = None
    """By what it was started, in the system's terms."""
    parameters: Mapping[str, object] | None = None
    """As they are shown, the key left out; None is no value of ours, and one that is hidden is left out."""
    complete: bool = False
    """Whether the parameters shown are all that it was started with, and no others."""
    copied: str = ""
    """That the run repeats another one by hand, in the system's terms."""


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What a run of ours looks like; None is not known, and not compared."""

    ref: str | None = None
    account: str | None = None
    means: str | None = None
    origin: Origin | None = None
    defaults: Mapping[str, object] | None = None
    """What the job fills in for parameters that we do not send, as far as that is fixed."""


@dataclass(frozen=True)
class Digest:
    """Stand for a value that was sent and is not at hand."""

    hexadecimal: str


def digests_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what is kept of the parameters of a run, to compare them later with what is shown of a run."""
    return {name: _digest(value) for name, value in parameters.items()}


def judged(run: Run, facts: Facts, ours: Ours) -> Run:
    """Return the run with why it is foreign, if it is."""
    reasons = [
        _of_time(facts, ours.origin),
        _of_parameters(facts, ours),
        f"it runs {_quoted(facts.ref)}, not {_quoted(ours.ref)}" if _differ(facts.ref, ours.ref) else "",
        _of_account(facts, ours),
        f"it was started by {_quoted(facts.means)}, not by {_quoted(ours.means)}"
        if _differ(facts.means, ours.means)
        else "",
        facts.copied,
    ]
    foreign = "; ".join(filter(None, reasons))
    return Run(id=run.id, key=run.key, url=run.url, foreign=foreign)


def own(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the runs that are ours, in the same order."""
    return tuple(run for run in runs if not run.foreign)


def foreign_note(runs: Sequence[Run]) -> str:
    """State which runs show the key and are not ours; empty without any."""
    notes = ", ".join(f"{run.url or run.id}: {run.foreign}" for run in islice(filter(_is_foreign, runs), _NAMES_SHOWN))
    return f"; not ours: {notes}" if notes else ""


def _is_foreign(run: Run) -> bool:
    return bool(run.foreign)


def _of_time(facts: Facts, origin: Origin | None) -> str:
    """Compare a creation with the round's beginning, both by the host's clock: no other clock is set by it."""
    if origin is None or origin.began is None or facts.created is None or facts.now is None:
        return ""
    # Measured now, after the answer: the age only grows, so that a slow answer never makes our own run too old.
    age = timedelta(seconds=max(time.monotonic() - origin.began, 0.0))
    # Differences, since a clock in the year 1 has nothing before it.
    if facts.now - facts.created <= age + _RESOLUTION:
        return ""
    return f"it was created at {facts.created:%Y-%m-%dT%H:%M:%SZ}, before the round began"


def _of_parameters(facts: Facts, ours: Ours) -> str:
    sent = _sent(ours.origin) if ours.origin is not None else None
    if sent is None or facts.parameters is None:
        return ""
    expected: dict[str, object] = {**(ours.defaults or {}), **sent}
    wrong = [name for name, value in facts.parameters.items() if name in expected and not _same(expected[name], value)]
    if facts.complete:
        wrong += sorted(set(expected) ^ set(facts.parameters))
    return f"its parameters differ: {', '.join(map(_quoted, wrong[:_NAMES_SHOWN]))}" if wrong else ""


def _sent(origin: Origin) -> Mapping[str, object] | None:
    if origin.parameters is not None or origin.digests is None:
        return origin.parameters
    return {name: Digest(digest) for name, digest in origin.digests.items()}


def _of_account(facts: Facts, ours: Ours) -> str:
    if facts.accounts is None or ours.account is None:
        return ""
    if ours.account.casefold() in (account.casefold() for account in facts.accounts):
        return ""
    others = ", ".join(map(_quoted, facts.accounts[:_NAMES_SHOWN])) or "no account"
    return f"it was started by {others}, not by {_quoted(ours.account)}"


def _differ(found: str | None, wanted: str | None) -> bool:
    return found is not None and wanted is not None and found != wanted


def _same(sent: object, shown: object) -> bool:
    """Compare as the systems keep values: truths by their name, texts without outer blanks, lines in one form."""
    if shown is None:
        return False
    if isinstance(sent, Digest):
        # Anything but the name is false, as below.
        return (
            (sent.hexadecimal in _TRUE) == shown if isinstance(shown, bool) else sent.hexadecimal == _digest(str(shown))
        )
    left, right = _plain(sent), _plain(shown)
    if isinstance(sent, bool) or isinstance(shown, bool):
        # Anything but the name is false (java.lang.Boolean.parseBoolean).
        return (left.lower() == _TRUTHS[0]) == (right.lower() == _TRUTHS[0])
    return left == right


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return _TRUTHS[0] if value else _TRUTHS[1]
    return str(value).replace("\r\n", "\n").strip()


def _digest(text: str) -> str:
    return hashlib.sha256(_plain(text).encode(errors="surrogatepass")).hexdigest()[:_DIGEST_DIGITS]


_TRUE = frozenset(_digest("".join(letters)) for letters in product(*zip(_TRUTHS[0], _TRUTHS[0].upper(), strict=True)))


def _quoted(name: str | None) -> str:
    text = name or "an unknown person"
    return f"`{text if len(text) <= _NAME_CHARACTERS else text[: _NAME_CHARACTERS - 1] + '…'}`"
