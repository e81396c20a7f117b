"""What a host shows to be left of a credential's calls: polls slow down before promotions do. Pure."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from providers.host_clock import seconds_left

RESERVE = 0.1
"""The part of a window that is kept for what promotions need: triggers, writes, and what people are shown."""
_PREFIXES = ("x-ratelimit", "ratelimit")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One window of a credential at a host, as its newest answer shows it; None where it is no evidence of a part."""

    limit: float | None = None
    remaining: float | None = None
    resets_at: float | None = None
    """Seconds since the epoch, by our clock."""

    @property
    def scarce(self) -> bool:
        """Whether no more is left than what promotions may need."""
        if self.limit is None or self.remaining is None:
            return False
        return self.remaining <= RESERVE * self.limit

    def left(self, now: float) -> float:
        """Return how many seconds the window lasts; 0 where that is not known, or over."""
        return 0.0 if self.resets_at is None else max(0.0, self.resets_at - now)


def budget_of(headers: Mapping[str, str]) -> Budget:
    """Read the headers of GitHub, GitLab, Bitbucket and Azure DevOps, which name the same three things alike."""
    reset = _number(headers, "reset")
    if reset is not None:
        reset = time.time() + seconds_left(reset, headers)
    return Budget(limit=_number(headers, "limit"), remaining=_number(headers, "remaining"), resets_at=reset)


def _number(headers: Mapping[str, str], what: str) -> float | None:
    for prefix in _PREFIXES:
        try:
            found = float(headers[f"{prefix}-{what}"])
        except (KeyError, ValueError):
            continue
        if 0 <= found < float("inf"):
            return found
    return None
