"""Expressions of CEL that make the context of a commit status, checked before any event comes.

The functions are those that Flux documents for `commitStatusExpr`: strings, optional values, sets and encoders. What is
refused at Flux is refused here: an unknown variable, and a result that is not known to be a string. What this library
does not have is refused too: the comparison of two number literals of different types, and `unwrap` of optional values.

An expression of a tenant can ask for any amount of memory, by `replace` within `replace`: evaluate it in a process of
its own (worker/flux/evaluation.py).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

VARIABLES = ("event", "provider", "alert")
LENGTH_LIMIT = 2048
_LIBRARIES = """
name: "commitStatusExpr"
extensions: [{name: strings}, {name: optional}, {name: sets}, {name: encoders}]
"""


class ExpressionError(ValueError):
    """An expression is of no use; the text has the reason."""


def expression_error(expression: str) -> str | None:
    """Return why an expression makes no context; None for one that may."""
    try:
        _compiled(expression)
    except ExpressionError as error:
        return str(error)
    return None


def evaluate(expression: str, values: Mapping[str, Any]) -> str:
    """Return the context that an expression makes of `event`, `provider` and `alert`. Raises ExpressionError."""
    compiled = _compiled(expression)
    found = compiled.eval(data={name: values.get(name, {}) for name in VARIABLES})
    if found.type() != cel.Type.STRING:
        raise ExpressionError(f"has no value: {_first_line(str(found.value()))}")
    context = str(found.value())
    if not context.strip():
        raise ExpressionError("is an empty text")
    return context


@lru_cache(maxsize=256)
def _compiled(expression: str) -> cel.Expression:
    if len(expression) > LENGTH_LIMIT:
        raise ExpressionError(f"is longer than {LENGTH_LIMIT} characters")
    try:
        compiled = _environment().compile(expression)
    except RuntimeError as error:
        raise ExpressionError(f"is no expression: {_first_line(str(error))}") from None
    if compiled.return_type() != cel.Type.STRING:
        raise ExpressionError(f"must be a string, and is {compiled.return_type().name().lower()}: add `+ ''`")
    return compiled


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    declared = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(_LIBRARIES), variables=dict.fromkeys(VARIABLES, declared))


def _first_line(text: str) -> str:
    """Return what went wrong and where, without the drawing of the place."""
    return text.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ")[:256]
