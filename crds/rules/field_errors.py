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


def summarize(errors: Iterable[FieldError]) -> str:
    """Write all errors in one text, for a condition's message."""
    return "; ".join(str(error) for error in errors)


def errors_of(invalid: ValidationError) -> tuple[FieldError, ...]:
    """Name every field that a model refused."""
    return tuple(FieldError(path=_path(error["loc"]), message=error["msg"]) for error in invalid.errors())


def _path(location: Iterable[str | int]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".") or "."
