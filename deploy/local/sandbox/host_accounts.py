"""Who may call a stand-in of an SCM host: each knows its own credentials, and all show the same repositories."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Account:
    """Who a credential is of."""

    login: str
    password: str = ""
    """For hosts that take user and password; empty where only a token is taken."""
    rights: list[str] | None = None
    """What it may do, by the host's own names; None = everything."""


@dataclass(kw_only=True)
class HostAccounts:
    """The credentials that one stand-in knows."""

    tokens: dict[str, Account] = field(default_factory=dict)

    def load(self, seed: Mapping[str, Any]) -> None:
        """Merge a host's part of a seed. Raises ValueError naming what is wrong."""
        if unknown := sorted(set(seed) - {"tokens"}):
            raise ValueError(f"unknown fields {', '.join(unknown)}; known: tokens")
        for token, wanted in (seed.get("tokens") or {}).items():
            self.tokens[token] = Account(**wanted)

    def secrets(self) -> list[str]:
        """Return what no journal may show."""
        return [*self.tokens, *(account.password for account in self.tokens.values() if account.password)]
