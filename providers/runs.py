"""What all CI adapters share: the result knobs and the terms of a summary."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from providers.errors import ProviderRejected
from providers.models import Run, RunPhase

RESULT_DEFAULTS: Mapping[str, RunPhase] = {
    "unstable": RunPhase.FAILED,
    "neutral": RunPhase.PASSED,
    "skipped": RunPhase.ERROR,
    "manual": RunPhase.QUEUED,
}
"""Results that teams read differently, with what they mean unless a runner's `results` maps them.

`unstable`: Jenkins, tests failed but the build did not. `neutral`: GitHub Actions, neither good nor bad.
`skipped`: GitHub Actions and GitLab CI, nothing ran. `manual`: GitLab CI, the pipeline waits for a person.
"""

_LONGEST_NUMBER = 19
_NAMED = 20


def result_map(wanted: Mapping[str, str]) -> Mapping[str, RunPhase]:
    """Lay a runner's choices over the defaults. Raises ProviderRejected for an unknown knob or phase."""
    phases = dict(RESULT_DEFAULTS)
    for name, phase in wanted.items():
        if name not in RESULT_DEFAULTS:
            raise ProviderRejected(f"unknown result `{name}`; known: {', '.join(RESULT_DEFAULTS)}")
        try:
            phases[name] = RunPhase(phase)
        except ValueError:
            known = ", ".join(RunPhase)
            raise ProviderRejected(f"`{phase}` is no meaning for the result `{name}`; known: {known}") from None
    return phases


def named(names: Iterable[str]) -> str:
    """Return what people read of any number of names: the first, and how many more there are."""
    found = iter(names)
    first = ", ".join(islice(found, _NAMED))
    more = sum(1 for _ in found)
    return f"{first} and {more} more" if more else first


def ref_name(ref: str) -> str:
    """Return a branch or tag as runs show it; one of a name that both have is asked for as `refs/tags/v1`."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def by_number(run: Run) -> int:
    """Return what orders runs of hosts that count them; ids of other kinds come first."""
    return int(run.id) if run.id.isdecimal() and len(run.id) <= _LONGEST_NUMBER else 0


def shows_key(title: str, key: str) -> bool:
    """Return whether a run's title shows exactly this key: a longer one that contains it is another."""
    return bool(key) and re.search(rf"(?<![0-9A-Za-z]){re.escape(key)}(?![0-9A-Za-z])", title) is not None


def test_counts(*, passed: int, failed: int, skipped: int) -> str:
    """Return how many test cases did what, such as `41 passed, 1 failed`; empty when there were none."""
    if passed + failed + skipped == 0:
        return ""
    parts = [f"{passed} passed"]
    if failed:
        parts.append(f"{failed} failed")
    if skipped:
        parts.append(f"{skipped} skipped")
    return ", ".join(parts)
