"""What starts a pipeline, and where its promotion key shows.

https://docs.gitlab.com/ci/inputs and https://docs.gitlab.com/ci/yaml/#workflowname. As a variable the key can be read
back from the pipeline, by those who may. Inputs cannot be read back at all: there the pipeline's name shows the key.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum

from providers.errors import ProviderRejected
from providers.messages import Request, segment

KEY_VARIABLE = "PROMOTION_KEY"
KEY_INPUT = "promotion_key"
CONFIG_FILE = ".gitlab-ci.yml"
CONFIG_LIMIT_BYTES = 128 * 1024
"""Read through in a few milliseconds; the name stands at the top of files that are a tenth of it."""
INPUTS_SINCE = (17, 10)
"""The first version that takes inputs; older ones ignore them without notice."""

_INPUT_LIMIT = 20
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
_VARIABLE_SHOWN = re.compile(rf"(?<!\$)\$(?:{KEY_VARIABLE}\b|\{{{KEY_VARIABLE}\}})")
# Functions such as truncate may cut the key, so that none is allowed.
_INPUT_SHOWN = re.compile(rf"\$\[\[\s*inputs\.{KEY_INPUT}\s*\]\]")


class ParametersAs(StrEnum):
    """How the parameters of a test reach its pipeline."""

    VARIABLES = "Variables"
    INPUTS = "Inputs"


def create_pipeline(
    project: str, *, ref: str, key: str, parameters: Mapping[str, str], by: ParametersAs = ParametersAs.VARIABLES
) -> Request:
    """Start a pipeline as the token's user. Raises ProviderRejected for what GitLab cannot take."""
    body: dict[str, object] = {"ref": ref}
    if by is ParametersAs.INPUTS:
        body["inputs"] = _inputs(key, parameters)
    else:
        given = _variables(key, parameters).items()
        body["variables"] = [{"key": name, "value": value, "variable_type": "env_var"} for name, value in given]
    return Request(method="POST", path=f"{project}/pipeline", json=body, operation="trigger")


def trigger_pipeline(
    project: str,
    *,
    token: str,
    ref: str,
    key: str,
    parameters: Mapping[str, str],
    by: ParametersAs = ParametersAs.VARIABLES,
) -> Request:
    """Start a pipeline by a trigger token, which travels in the body and is no user."""
    body: dict[str, object] = {"token": token, "ref": ref}
    if by is ParametersAs.INPUTS:
        body["inputs"] = _inputs(key, parameters)
    else:
        body["variables"] = _variables(key, parameters)
    return Request(method="POST", path=f"{project}/trigger/pipeline", json=body, operation="trigger")


def get_config(project: str, path: str, ref: str) -> Request:
    """Read the CI file as it is."""
    return Request(
        method="GET",
        path=f"{project}/repository/files/{segment(path)}/raw",
        query={"ref": ref},
        operation="get-config",
    )


def get_version() -> Request:
    return Request(method="GET", path="/version", operation="check")


def takes_inputs(version: str) -> bool:
    """Return whether a host of this version takes inputs; one that cannot be read is believed to."""
    found = re.match(r"(\d{1,9})\.(\d{1,9})", version)
    return found is None or (int(found[1]), int(found[2])) >= INPUTS_SINCE


def refuses_inputs(message: str) -> bool:
    """Return whether a refusal is about inputs that the CI file does not declare."""
    return "inputs not defined in the `spec`" in message or "unknown input" in message.lower()


def shows_key(config: str, by: ParametersAs) -> bool:
    """Return whether a CI file's `workflow: name` shows the key; what an `include` brings is not looked at.

    False for a file longer than `CONFIG_LIMIT_BYTES`.
    """
    if len(config.encode(errors="replace")) > CONFIG_LIMIT_BYTES:
        return False
    shown = _INPUT_SHOWN if by is ParametersAs.INPUTS else _VARIABLE_SHOWN
    return shown.search(_workflow_name(config)) is not None


def _variables(key: str, parameters: Mapping[str, str]) -> dict[str, str]:
    for name in parameters:
        if not _VARIABLE_NAME.fullmatch(name):
            raise ProviderRejected(
                f"parameters.{name}: GitLab's variables have names of letters, digits and `_`, at most 255 of them"
            )
    # First, so that it is on the first page however many there are.
    return {KEY_VARIABLE: key, **{name: value for name, value in parameters.items() if name != KEY_VARIABLE}}


def _inputs(key: str, parameters: Mapping[str, str]) -> dict[str, str]:
    others = {name: _as_input(value) for name, value in parameters.items() if name != KEY_INPUT}
    given = {KEY_INPUT: _as_text(key), **others}
    if len(given) > _INPUT_LIMIT:
        raise ProviderRejected(
            f"parameters: {len(given)} inputs with `{KEY_INPUT}`, but a GitLab pipeline takes at most {_INPUT_LIMIT}"
        )
    return given


def _as_input(value: str) -> str:
    """Quote what GitLab would read as another value than it is, such as `1.20`.

    What is a number or boolean as JSON writes it, a list or a text in quotes is left for inputs of that type.
    """
    try:
        read = json.loads(value)
    except ValueError:
        return value
    exact = isinstance(read, bool | int | float) and json.dumps(read) == value
    return value if exact or isinstance(read, list | str) else json.dumps(value)


def _as_text(value: str) -> str:
    """Quote a text that GitLab would take for a number: it reads each input as JSON first."""
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)


def _workflow_name(config: str) -> str:
    """Return the value of the top-level `workflow: name`, continued lines included; empty where there is none."""
    found: list[str] = []
    within = named = False
    indent = 0
    for line in config.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            within, named, indent = re.match(r"workflow\s*:", line) is not None, False, 0
        elif within:
            indent = indent or depth
            if depth <= indent:
                named = re.match(r"name\s*:", stripped) is not None
            if named:
                found.append(stripped.partition(" #")[0])
    return "\n".join(found)
