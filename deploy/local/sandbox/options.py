"""The knobs of a sandbox, set on the command line or by `POST /_seed {"options": {...}}`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(kw_only=True)
class Options:
    """How slow, late and old the stand-ins are."""

    list_lag_seconds: float = 0.0
    """Age below which a new run is missing from list calls of the CI systems; reads by id never lag."""
    argocd_sync_seconds: float = 0.3
    """How long an operation is Running."""
    argocd_pickup_seconds: float = 0.06
    """Time from accepting an operation until the controller reports it Running."""
    argocd_reconcile_seconds: float = 0.06
    """Time from a change until the controller compared again; health is stale for that long after an operation."""
    jenkins_queue_seconds: float = 0.2
    """How long an item waits in the queue (the quiet period)."""
    jenkins_forget_seconds: float = 300.0
    """How long a queue item is remembered after it left the queue."""
    run_seconds: float = 0.5
    """Duration of a build, run or pipeline whose job names none."""
    queued_seconds: float = 0.2
    """How long a workflow run or pipeline stays queued."""
    bitbucket_merge_seconds: float = 0.0
    """How long Bitbucket Cloud merges in the background; 0 answers a merge when it is done."""
    github_run_details: bool = True
    """Whether workflow dispatch knows `return_run_details` (github.com does; GHES up to 3.20 refuses it with 400)."""
    github_dispatch_inputs_limit: int = 25
    """Largest number of dispatch inputs; GHES up to 3.19 takes 10."""

    def update(self, values: Mapping[str, Any]) -> None:
        """Set the named options. Raises ValueError for a name or type that does not exist."""
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown option {name!r}; known: {', '.join(sorted(known))}")
            if isinstance(value, bool) != (known[name] is bool) or not isinstance(value, int | float):
                raise ValueError(f"option {name!r} wants {known[name].__name__}, not {value!r}")
            setattr(self, name, known[name](value))
