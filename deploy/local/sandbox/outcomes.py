"""How a job's result is chosen: fixed, by a parameter's value, or from a list used up run by run."""

from collections.abc import Mapping
from typing import Any


def choose_outcome(wanted: Any, parameters: Mapping[str, str], default: str) -> str:
    """Pick one result; a list is consumed from the front and its last element stays.

    A mapping `{"parameter": "ENV", "values": {"dev": ...}, "default": ...}` looks at a parameter of the run.
    """
    if wanted is None:
        return default
    if isinstance(wanted, Mapping):
        value = parameters.get(str(wanted.get("parameter", "")), "")
        return choose_outcome((wanted.get("values") or {}).get(value, wanted.get("default")), parameters, default)
    if isinstance(wanted, list):
        if not wanted:
            return default
        return choose_outcome(wanted.pop(0) if len(wanted) > 1 else wanted[0], parameters, default)
    return str(wanted)
