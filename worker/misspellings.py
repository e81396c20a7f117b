"""Variables that begin with `PILOTAGE_` and are no setting: most are misspelt ones, whose effect somebody expects."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

# Kubernetes gives each container these variables of every Service in its namespace, after the Service's name:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_OF_A_SERVICE = re.compile(r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")
_SERVICE_HOST = "_SERVICE_HOST"


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """One variable that is ignored, and the setting that was probably meant; empty where none is near."""

    variable: str
    nearest: str

    def __str__(self) -> str:
        meant = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.variable}: no such setting, ignored{meant}"


def unknown_variables(environment: Mapping[str, str], *, prefix: str, known: Collection[str]) -> tuple[Unknown, ...]:
    """Find the variables of this prefix that are none of the known ones, by name."""
    services = [name.removesuffix(_SERVICE_HOST) for name in environment if name.endswith(_SERVICE_HOST)]
    return tuple(
        Unknown(variable=name, nearest=_nearest(name.upper(), prefix, known))
        for name in sorted(environment)
        if name.upper().startswith(prefix) and name.upper() not in known and not _is_injected(name, services)
    )


def _nearest(name: str, prefix: str, known: Collection[str]) -> str:
    # The prefix, which all share, would make any two of them similar.
    endings = [one.removeprefix(prefix) for one in known]
    found = get_close_matches(name.removeprefix(prefix), endings, n=1)
    return prefix + found[0] if found else ""


def _is_injected(name: str, services: Collection[str]) -> bool:
    return any(
        name.startswith(f"{service}_") and _OF_A_SERVICE.fullmatch(name.removeprefix(f"{service}_"))
        for service in services
    )
