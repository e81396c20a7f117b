"""Docstrings under enum members, for the reference pages; Python itself does not keep them."""

import ast
import inspect
import textwrap
from enum import StrEnum


def member_documents(enum: type[StrEnum]) -> tuple[tuple[str, str], ...]:
    """List the members that carry a docstring: (value, docstring on one line)."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(enum)))
    definition = tree.body[0]
    if not isinstance(definition, ast.ClassDef):
        raise TypeError(f"{enum!r} is not written as a class")
    documents: list[tuple[str, str]] = []
    for assignment, following in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(assignment, ast.Assign) or not isinstance(following, ast.Expr):
            continue
        target, text = assignment.targets[0], following.value
        if isinstance(target, ast.Name) and isinstance(text, ast.Constant) and isinstance(text.value, str):
            documents.append((enum[target.id].value, " ".join(text.value.split())))
    return tuple(documents)
