"""What the sandbox's journal shows of CI systems: which triggers were accepted, and under which promotion key."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from providers.github_actions.wire import KEY_INPUT
from providers.gitlab_ci.starting import KEY_VARIABLE
from providers.jenkins.wire import KEY_PARAMETER

_TRIGGER = re.compile(r".+/buildWithParameters|.+/dispatches|.+/projects/.+/pipeline")


def accepted_triggers(journal: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Count the triggers that any CI system accepted, by promotion key."""
    return Counter(key_of(entry) for entry in journal if is_trigger(entry) and entry["accepted"])


def is_trigger(entry: Mapping[str, Any]) -> bool:
    """Return whether a call starts a run at any of the CI systems."""
    return entry["method"] == "POST" and _TRIGGER.fullmatch(entry["path"]) is not None


def key_of(entry: Mapping[str, Any]) -> str:
    """Return the promotion key that a trigger carries; `None` as text where it has none."""
    body = entry["body"] if isinstance(entry["body"], dict) else {}
    given = {**(entry.get("query") or {}), **body}
    inputs, variables = given.get("inputs"), given.get("variables")
    if isinstance(inputs, dict):
        return str(inputs.get(KEY_INPUT))
    if isinstance(variables, list):
        variables = {one["key"]: one["value"] for one in variables}
    return str((variables or given).get(KEY_VARIABLE if variables else KEY_PARAMETER))
