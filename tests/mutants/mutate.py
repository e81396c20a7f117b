"""Change one condition of a module at a time: another comparison, a dropped `not`, `and` for `or`."""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

_OTHERS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    # The opposite, and the neighbour that differs at the limit alone.
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A module with one condition changed. `name` stays while the condition does, whatever moves around it."""

    name: str
    write: Callable[[], str]
    """Write the module. It takes a tenth of a second, and lists of survivors are held against names alone."""

    @property
    def source(self) -> str:
        """The changed module."""
        return self.write()


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(source)
    names: Counter[str] = Counter()
    # Conditions outside of functions ran when the module was loaded.
    for place, node in _conditions(tree, "", in_function=False):
        for changed in _changes(node):
            name = f"{place}: {ast.unparse(node)} -> {ast.unparse(changed)}"
            names[name] += 1
            if names[name] > 1:
                name = f"{name} #{names[name]}"
            yield Mutant(name=name, write=partial(_written, tree, node, changed))


def _conditions(node: ast.AST, place: str, *, in_function: bool) -> Iterator[tuple[str, ast.expr]]:
    for child in ast.iter_child_nodes(node):
        inside, function = place, in_function
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inside = f"{place}.{child.name}".lstrip(".")
            function = not isinstance(child, ast.ClassDef)
        if in_function and _is_condition(child):
            yield inside, child
        yield from _conditions(child, inside, in_function=function)


def _is_condition(node: ast.AST) -> TypeGuard[ast.expr]:
    is_not = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    return is_not or isinstance(node, ast.Compare | ast.BoolOp)


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(op=ast.Or() if isinstance(node.op, ast.And) else ast.And(), values=node.values)
    elif isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _OTHERS[type(operator)]:
                operators = [*node.ops]
                operators[index] = other()
                yield ast.Compare(left=node.left, ops=operators, comparators=node.comparators)


def _written(tree: ast.Module, node: ast.expr, changed: ast.expr) -> str:
    """Write a copy of the module with one node exchanged."""
    memory = {id(node): copy.deepcopy(changed)}
    return ast.unparse(copy.deepcopy(tree, memory))
