"""An error at one field of a resource, as every validation reports it."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from crds.reasons.conditions import ConditionReason


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """What is wrong at which field; the path is written as `spec.tests[0].parameters.X`."""

    path: str
    message: str
    reason: ConditionReason = ConditionReason.INVALID

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


# Pydantic's own texts name classes of Python, which no manifest has.
_WANTED = {
    "missing": "required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
}


def summarize(errors: Iterable[FieldError]) -> str:
    """Write all errors in one text, for a condition's message."""
    return "; ".join(str(error) for error in errors)


def errors_of(invalid: ValidationError) -> tuple[FieldError, ...]:
    """Name every field that a model refused."""
    errors = invalid.errors(include_url=False, include_input=False)
    return tuple(
        FieldError(path=_path(error["loc"]), message=_WANTED.get(error["type"], error["msg"])) for error in errors
    )


def _path(location: Iterable[str | int]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".") or "."
