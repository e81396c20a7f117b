"""An Environment in one row: what runs, how well, and who may write, over the entries of all its repositories. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from crds.fields import HEADLINE_LENGTH, truncate
from crds.reasons.vocabulary import Health

SHORT_REVISION = 12
_UNKNOWN = "?"
_BEST_FIRST = (
    Health.HEALTHY,
    Health.SUSPENDED,
    Health.PROGRESSING,
    Health.UNKNOWN,
    Health.MISSING,
    Health.DEGRADED,
)


def summary_of(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the fields of `status.summary` that are known."""
    listed = sorted(entries, key=lambda one: str(one.get("repository")))
    deployments = [(str(one.get("repository")), each) for one in listed for each in one.get("deployments") or ()]
    artifacts: dict[str, set[str]] = {}
    for repository, deployment in deployments:
        component, artifact = _artifact(repository, deployment)
        artifacts.setdefault(component, set()).add(artifact)
    runs = ", ".join(
        f"{component}@{next(iter(found)) if len(found) == 1 else _UNKNOWN}" for component, found in artifacts.items()
    )
    healths = [Health(health) for _, one in deployments if (health := one.get("health")) in set(Health)]
    holders = ", ".join(filter(None, (str((one.get("lane") or {}).get("holder") or "") for one in listed)))
    found = {
        "runs": truncate(runs, HEADLINE_LENGTH),
        "health": max(healths, key=_BEST_FIRST.index).value if healths else "",
        "lane": truncate(holders, HEADLINE_LENGTH),
    }
    return {name: value for name, value in found.items() if value}


def _artifact(repository: str, deployment: Mapping[str, Any]) -> tuple[str, str]:
    """Return the component of a deployment, by the repository's name where it has none, and what it runs of it."""
    artifact = deployment.get("artifact")
    if not artifact:
        return str(deployment.get("name")), _UNKNOWN
    running = artifact.get("tag") or str(artifact.get("revision") or _UNKNOWN)[:SHORT_REVISION]
    return artifact.get("component") or repository, running
