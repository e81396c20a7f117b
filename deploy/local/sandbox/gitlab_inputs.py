"""Pipeline inputs of the GitLab CI stand-in: declared in `spec: inputs`, checked, and shown in names.

Source: GitLab's documentation, page "CI/CD inputs", and its messages for wrong ones.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_SHOWN = re.compile(r"\$\[\[\s*inputs\.([\w-]+)\s*\]\]")
_LIMIT = 20
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
}


class WrongInputsError(Exception):
    """Inputs that a pipeline cannot be made of; the text is GitLab's."""


def check_inputs(declared: Mapping[str, Any], given: Any) -> dict[str, str]:
    """Return each declared input's value as text. Raises WrongInputsError."""
    if not isinstance(given, Mapping):
        raise WrongInputsError("inputs is invalid")
    if given and not declared:
        raise WrongInputsError("Given inputs not defined in the `spec` section of the included configuration file")
    if unknown := [name for name in given if name not in declared]:
        raise WrongInputsError(f"unknown input arguments: {', '.join(unknown)}")
    if len(given) > _LIMIT:
        raise WrongInputsError(f"There cannot be more than {_LIMIT} inputs")
    return {name: _value(name, declared[name] or {}, given.get(name)) for name in declared}


def shown(name: str, inputs: Mapping[str, str]) -> str:
    """Put inputs in the places that a CI file has for them."""
    return _SHOWN.sub(lambda match: inputs.get(match[1], ""), name)


def _value(name: str, spec: Mapping[str, Any], given: Any) -> str:
    wanted = spec.get("type", "string")
    value = spec.get("default") if given is None else _parsed(given)
    if value is None and "default" not in spec:
        raise WrongInputsError(f"`{name}` input: required value has not been provided")
    right = isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    if value is not None and not right:
        raise WrongInputsError(f"`{name}` input: provided value is not a {wanted}")
    if spec.get("options") and value not in spec["options"]:
        raise WrongInputsError(
            f"`{name}` input: `{value}` cannot be used because it is not in the list of allowed options"
        )
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _parsed(given: Any) -> Any:
    """Read a text as JSON where it is that: `42` arrives as a number, `abc` as a text."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given
