"""Read the order of workflow commands from the source, and write it down: `python -m tests.architecture.command_order`.

A run that replays must issue the commands it issued before, in the same order. What this list shows per function is
each command and each call of a function that issues some, in the order in which the source is evaluated. Branches and
loops are not distinguished: the histories in tests/histories prove what a list cannot.
"""

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASELINE = Path(__file__).with_name("command_order.json")
PACKAGE = "workflows"
ACCEPT = "make accept-command-order"

ACTIVITIES = frozenset(
    {
        "execute_activity",
        "execute_activity_method",
        "start_activity",
        "start_activity_method",
        "execute_local_activity",
        "execute_local_activity_method",
    }
)
CHILDREN = frozenset({"execute_child_workflow", "start_child_workflow"})
OTHERS = {
    "continue_as_new": "continue as new",
    "upsert_search_attributes": "upsert search attributes",
    "upsert_memo": "upsert memo",
    "sleep": "timer",
    "patched": "patched",
    "deprecate_patch": "patched",
}
HANDLERS = ("signal", "query", "update")
REMEDY = f"""The order of workflow commands differs from tests/architecture/command_order.json. A run that began with
the old order and is replayed with the new one gets stuck. What to do:
  - nothing that was released has ever run it: accept the new order with `{ACCEPT}`, and record the histories again
    with `make record-histories` (under two minutes);
  - released: keep the old order for runs that began with it, `if workflow.patched("<name>"): … else: <the old
    order>`, then accept the list with `{ACCEPT}`; the committed histories must replay unchanged;
  - only a name changed, and `make test ARGS=tests/replay` passes: accept it with `{ACCEPT}`.
docs/operate/compatibility.md has the whole story. The difference:"""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Order = dict[str, dict[str, list[str]]]


@dataclass(kw_only=True)
class Class:
    """One class of the package: its methods, and the classes of its attributes."""

    name: str
    module: str
    methods: set[str] = field(default_factory=set)
    fields: dict[str, ast.expr] = field(default_factory=dict)
    """Annotations of the class body, as Protocols have them."""
    attributes: dict[str, str] = field(default_factory=dict)
    callbacks: dict[str, str] = field(default_factory=dict)
    """Attribute -> the constructor's parameter that it keeps, where that can be called."""
    awaited: set[str] = field(default_factory=set)
    """Those of them that are awaited: whatever they do, they may issue commands."""
    bound: dict[str, list[str]] = field(default_factory=dict)
    """Parameter -> the functions that constructor calls pass for it."""


@dataclass(kw_only=True)
class Source:
    """All functions of the package by qualified name, and what is needed to resolve what a call means."""

    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    imports: dict[str, dict[str, str]] = field(default_factory=dict)
    """Module -> local name -> qualified name."""
    tables: dict[str, dict[str, list[ast.expr]]] = field(default_factory=dict)
    """Module -> name of a table -> the functions that it lists."""
    workflows: dict[str, str] = field(default_factory=dict)
    """Workflow type -> qualified class name."""
    constants: dict[str, str] = field(default_factory=dict)
    """Qualified name -> text."""


def read_source(package: Path = ROOT / PACKAGE) -> Source:
    """Parse every module of the package."""
    source = Source()
    trees: dict[str, ast.Module] = {}
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        trees[module] = ast.parse(path.read_text())
        _declare(source, module, trees[module])
    for one in source.classes.values():
        kinds = {name: class_of(source, one.module, annotation) for name, annotation in one.fields.items()}
        one.attributes |= {name: kind for name, kind in kinds.items() if kind}
    for qualified in [name for name, one in source.classes.items() if one.methods]:
        _learn_attributes(source, qualified)
    for qualified in source.functions:
        Reader(source, qualified).bind()
    return source


def _declare(source: Source, module: str, tree: ast.Module) -> None:
    names = source.imports[module] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names[node.name] = f"{module}.{node.name}"
            source.functions[f"{module}.{node.name}"] = node
        elif isinstance(node, ast.ClassDef):
            names[node.name] = qualified = f"{module}.{node.name}"
            source.classes[qualified] = found = Class(name=node.name, module=module)
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    found.methods.add(method.name)
                    source.functions[f"{qualified}.{method.name}"] = method
                elif isinstance(method, ast.AnnAssign):
                    found.fields[ast.unparse(method.target)] = method.annotation
            if any("workflow.defn" in ast.unparse(decorator) for decorator in node.decorator_list):
                source.workflows[node.name] = qualified
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
            names[target] = f"{module}.{target}"
            if isinstance(node.value, ast.Dict):
                source.tables.setdefault(module, {})[target] = list(node.value.values)
            elif isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                source.constants[f"{module}.{target}"] = node.value.value


def _learn_attributes(source: Source, qualified: str) -> None:
    """Note the class of `self.x` where the constructor names it."""
    found = source.classes[qualified]
    constructor = source.functions.get(f"{qualified}.__init__")
    if constructor is None:
        return
    scope = parameters_of(source, found.module, constructor)
    for node in ast.walk(constructor):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(target, ast.Attribute) or ast.unparse(target.value) != "self":
            continue
        if isinstance(node, ast.AnnAssign):
            kind = class_of(source, found.module, node.annotation)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            kind = _made_by(source, found.module, node.value)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            kind = scope.get(node.value.id, "")
            if not kind and "Callable" in _annotation(constructor, node.value.id):
                found.callbacks[target.attr] = node.value.id
                if "Awaitable" in _annotation(constructor, node.value.id):
                    found.awaited.add(target.attr)
        else:
            continue
        if kind:
            found.attributes[target.attr] = kind


def _made_by(source: Source, module: str, call: ast.Call) -> str:
    """Return the class that a call constructs, or that the called function is annotated to return."""
    name = source.imports[module].get(ast.unparse(call.func), "")
    function = source.functions.get(name)
    if function is not None and function.returns is not None:
        return class_of(source, name.rpartition(".")[0], function.returns)
    return name if name in source.classes else ""


def class_of(source: Source, module: str, annotation: ast.expr | None) -> str:
    """Return the class of the package that an annotation names, or nothing."""
    if annotation is None:
        return ""
    text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    name = source.imports[module].get(str(text).partition("[")[0], "")
    return name if name in source.classes else ""


def parameters_of(source: Source, module: str, function: Function) -> dict[str, str]:
    """Return parameter -> class."""
    declared = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {one.arg: class_of(source, module, one.annotation) for one in declared}


def text_of(source: Source, module: str, expression: ast.expr) -> str:
    """Return a text, also one that is a named constant."""
    if isinstance(expression, ast.Constant):
        return str(expression.value)
    return source.constants.get(source.imports[module].get(ast.unparse(expression), ""), ast.unparse(expression))


def _annotation(function: Function, parameter: str) -> str:
    declared = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    given = next((one.annotation for one in declared if one.arg == parameter), None)
    return ast.unparse(given) if given is not None else ""


class Reader:
    """List what one function does, in the order in which it is evaluated."""

    def __init__(self, source: Source, qualified: str) -> None:
        self._source = source
        owner = qualified.rpartition(".")[0]
        self._owner = owner if owner in source.classes else ""
        self._module = source.classes[owner].module if self._owner else owner
        self._function = source.functions[qualified]
        self._scope = parameters_of(source, self._module, self._function)
        self._scope["self"] = self._owner
        for node in ast.walk(self._function):
            if isinstance(node, ast.Assign):
                self._name(node.targets[0], node.value)

    def read(self) -> Iterator[tuple[str, str]]:
        """Yield (what is shown, the function that is meant or nothing)."""
        for statement in self._function.body:
            yield from self._visit(statement)

    def _name(self, target: ast.expr, value: ast.expr) -> None:
        """Learn the class of a local name, such as `ctx = self._ctx`."""
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its_value in zip(target.elts, value.elts, strict=False):
                self._name(one, its_value)
        elif isinstance(target, ast.Name) and (kind := self._class(value)):
            self._scope.setdefault(target.id, kind)

    def bind(self) -> None:
        """Note which functions this one passes to constructors, so that their calls there are resolved."""
        for call in [node for node in ast.walk(self._function) if isinstance(node, ast.Call)]:
            made = self._source.classes.get(self._resolve(call.func))
            for keyword in call.keywords if made else ():
                passed = self._resolve(keyword.value)
                if made and keyword.arg and passed in self._source.functions:
                    made.bound.setdefault(keyword.arg, []).append(passed)

    def _visit(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        # What a call is given is evaluated before it is made; the called name alone does nothing.
        called = node.func if isinstance(node, ast.Call) else None
        for child in ast.iter_child_nodes(node):
            if child is not called:
                yield from self._visit(child)
            elif isinstance(child, ast.Attribute):
                yield from self._visit(child.value)
            elif not isinstance(child, ast.Name):
                yield from self._visit(child)
        if isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.Name):
            for listed in self._source.tables.get(self._module, {}).get(node.id, ()):
                yield from self._mean(listed)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield from self._mean(node)

    def _call(self, call: ast.Call) -> Iterator[tuple[str, str]]:
        text = ast.unparse(call.func)
        owner, _, name = text.rpartition(".")
        if owner == "workflow" and name in ACTIVITIES:
            yield f"activity {ast.unparse(call.args[0])}", ""
        elif owner == "workflow" and name in CHILDREN:
            yield f"child {ast.unparse(call.args[0])}", ""
        elif owner in ("workflow", "asyncio") and name in OTHERS:
            yield OTHERS[name], ""
        elif owner == "workflow" and name == "wait_condition":
            if any(keyword.arg == "timeout" for keyword in call.keywords):
                yield "timer", ""
        elif name == "signal" and "external" in text + "".join(self._locals(owner)):
            yield f"signal {self._text(call.args[0])}", ""
        elif "Awaitable" in _annotation(self._function, text):
            yield f"whatever {text} does", ""
        else:
            yield from self._mean(call.func)

    def _locals(self, name: str) -> Iterator[str]:
        """Yield what a local name was assigned, as source."""
        for node in ast.walk(self._function):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                yield ast.unparse(node.value)

    def _mean(self, expression: ast.expr) -> Iterator[tuple[str, str]]:
        """Yield the function of the package that an expression means, if any."""
        qualified = self._resolve(expression)
        owner, _, attribute = qualified.rpartition(".")
        known = self._source.classes.get(owner)
        if known is not None and attribute in known.callbacks:
            if attribute in known.awaited:
                yield f"whatever {known.callbacks[attribute]} does", ""
                return
            bound = known.bound.get(known.callbacks[attribute], [])
            yield from ((name.removeprefix(f"{PACKAGE}."), name) for name in bound)
        if qualified in self._source.functions:
            yield qualified.removeprefix(f"{PACKAGE}."), qualified
        elif f"{qualified}.__init__" in self._source.functions:
            yield qualified.removeprefix(f"{PACKAGE}."), f"{qualified}.__init__"

    def _text(self, expression: ast.expr) -> str:
        return text_of(self._source, self._module, expression)

    def _resolve(self, expression: ast.expr) -> str:
        imports = self._source.imports[self._module]
        if isinstance(expression, ast.Name):
            return imports.get(expression.id, "")
        if not isinstance(expression, ast.Attribute):
            return ""
        owner = self._class(expression.value)
        if owner:
            return f"{owner}.{expression.attr}"
        module = imports.get(ast.unparse(expression.value), "")
        return f"{module}.{expression.attr}"

    def _class(self, expression: ast.expr) -> str:
        """Return the class of a value, as far as annotations and constructors show."""
        if isinstance(expression, ast.Name):
            return self._scope.get(expression.id, "")
        if isinstance(expression, ast.Attribute):
            owner = self._class(expression.value)
            return self._source.classes[owner].attributes.get(expression.attr, "") if owner else ""
        return ""


def command_order(source: Source) -> Order:
    """Return workflow -> function -> commands and calls that lead to some; handlers are listed by name."""
    read = {name: list(Reader(source, name).read()) for name in source.functions}
    commanding = _commanding(read)
    found: Order = {}
    for workflow, qualified in sorted(source.workflows.items()):
        methods = [f"{qualified}.{name}" for name in source.classes[qualified].methods]
        reached = _reachable(methods, read)
        found[workflow] = {"handlers": sorted(_handlers(source, qualified))}
        for name in sorted(reached & commanding):
            items = [text for text, meant in read[name] if not meant or meant in commanding]
            found[workflow][name.removeprefix(f"{PACKAGE}.")] = items
    return found


def _commanding(read: dict[str, list[tuple[str, str]]]) -> set[str]:
    """Return the functions that issue commands, themselves or through others."""
    found = {name for name, items in read.items() if any(not meant for _, meant in items)}
    while True:
        more = {name for name, items in read.items() if any(meant in found for _, meant in items)} - found
        if not more:
            return found
        found |= more


def _reachable(start: list[str], read: dict[str, list[tuple[str, str]]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [meant for _, meant in read[name] if meant]
    return found


def _handlers(source: Source, qualified: str) -> Iterator[str]:
    for name in source.classes[qualified].methods:
        for decorator in source.functions[f"{qualified}.{name}"].decorator_list:
            text = ast.unparse(decorator)
            kind = next((kind for kind in HANDLERS if text.startswith(f"workflow.{kind}")), "")
            if kind:
                given = [keyword for keyword in getattr(decorator, "keywords", ()) if keyword.arg == "name"]
                yield f"{kind} {text_of(source, source.classes[qualified].module, given[0].value) if given else name}"


def rendered(order: Order) -> str:
    """Return the order as it is committed."""
    return json.dumps(order, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write the baseline, or with `--check` compare it."""
    current = rendered(command_order(read_source()))
    if arguments == ["--check"]:
        if BASELINE.exists() and BASELINE.read_text() == current:
            return 0
        print(REMEDY, "  run `make test ARGS=tests/architecture/test_command_order.py` to see it", file=sys.stderr)
        return 1
    BASELINE.write_text(current)
    print(f"wrote {BASELINE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
