"""The descriptions of fields: the text below each of them in its class.

They are read where a definition is made, from the source. pydantic would read the source of each class when it is
imported, which is a quarter of what importing the models takes, in every process and for nothing.
"""

import ast
import inspect
import textwrap
from functools import cache

from pydantic import BaseModel


def describe_fields(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each field of a model and of those that it is made from; the nearest class decides."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            found |= _own(one)
    return {name: found[name] for name in model.model_fields if found.get(name)}


@cache
def _own(model: type) -> dict[str, str]:
    """Return the text below each annotated name of one class; empty where there is none."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    except (OSError, TypeError):
        return {}
    found: dict[str, str] = {}
    field = ""
    for statement in body.body if isinstance(body, ast.ClassDef) else ():
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                field = name
                found[field] = ""
            case ast.Expr(value=ast.Constant(value=str(text))) if field:
                found[field] = inspect.cleandoc(text)
                field = ""
            case _:
                field = ""
    return found
