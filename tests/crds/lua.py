"""Run the part of Lua 5.1 that a health check needs, as the reference manual defines it (https://www.lua.org/manual/5.1/).

No interpreter comes with the test environment. What is beyond this part is a LuaError, never guessed: the script on the
page stays within it. A missing field is nil, only nil and false are false, and `..` joins strings alone.
"""

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r'\s*(?:--[^\n]*\s*)*(?:("(?:[^"\\]|\\.)*")|(\d+)|([A-Za-z_]\w*)|(\.\.|==|~=|<=|>=|[-+=<>{}(),.;]))'
)
_ENDS = ("end", "else", "elseif", "")

Scope = dict[str, Any]


class LuaError(Exception):
    """The script leaves the part that is understood here, or does what Lua does not allow."""


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def run_lua(script: str, variables: Mapping[str, Any]) -> Any:
    """Run a script and return what it returns; JSON objects and lists are its tables."""
    runner = _Runner(script)
    try:
        runner.block(dict(variables), live=True)
    except _Return as returned:
        return returned.value
    return None


class _Runner:
    """Parse and run at once; a branch that is not taken is parsed with `live` False."""

    def __init__(self, script: str) -> None:
        self._tokens: list[str] = []
        place, text = 0, script.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise LuaError(f"not understood: {text[place : place + 20]!r}")
            self._tokens.append(next(group for group in found.groups() if group is not None))
            place = found.end()
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if expected and token != expected:
            raise LuaError(f"expected {expected}, found {token}")
        self._at += 1
        return token

    def _accept(self, token: str) -> bool:
        if self._peek() == token:
            self._at += 1
            return True
        return False

    def block(self, scope: Scope, *, live: bool) -> None:
        while self._peek() not in _ENDS:
            self._statement(scope, live)

    def _statement(self, scope: Scope, live: bool) -> None:
        match self._take():
            case "local":
                name = self._take()
                self._take("=")
                scope[name] = self._expression(scope, live)
            case "if":
                self._if(scope, live)
            case "for":
                self._for(scope, live)
            case "return":
                value = self._expression(scope, live)
                if live:
                    raise _Return(value)
            case name:
                self._assign(name, scope, live)

    def _assign(self, name: str, scope: Scope, live: bool) -> None:
        if self._accept("."):
            field = self._take()
            self._take("=")
            value = self._expression(scope, live)
            if live:
                _table(scope.get(name))[field] = value
            return
        self._take("=")
        value = self._expression(scope, live)
        if live:
            scope[name] = value

    def _if(self, scope: Scope, live: bool) -> None:
        done = False
        while True:
            holds = _true(self._expression(scope, live and not done))
            self._take("then")
            self.block(scope, live=live and not done and holds)
            done = done or holds
            if self._accept("elseif"):
                continue
            if self._accept("else"):
                self.block(scope, live=live and not done)
            self._take("end")
            return

    def _for(self, scope: Scope, live: bool) -> None:
        names = [self._take()]
        while self._accept(","):
            names.append(self._take())
        for expected in ("in", "ipairs", "("):
            self._take(expected)
        entries = self._expression(scope, live)
        for expected in (")", "do"):
            self._take(expected)
        start = self._at
        values = list(entries) if isinstance(entries, list) else []
        if live and not isinstance(entries, list) and entries != {}:
            raise LuaError("ipairs of what is no list")
        for index, value in enumerate(values, start=1):
            self._at = start
            scope.update(zip(names, (index, value), strict=False))
            self.block(scope, live=True)
        if not values:
            self.block(scope, live=False)
        self._take("end")

    def _expression(self, scope: Scope, live: bool) -> Any:
        value = self._and(scope, live)
        while self._accept("or"):
            other = self._and(scope, live and not _true(value))
            value = value if _true(value) else other
        return value

    def _and(self, scope: Scope, live: bool) -> Any:
        value = self._comparison(scope, live)
        while self._accept("and"):
            other = self._comparison(scope, live and _true(value))
            value = other if _true(value) else value
        return value

    def _comparison(self, scope: Scope, live: bool) -> Any:
        value = self._joined(scope, live)
        while self._peek() in ("==", "~=", "<"):
            operator = self._take()
            other = self._joined(scope, live)
            if operator == "<" and live:
                if not isinstance(value, int) or not isinstance(other, int):
                    raise LuaError("`<` of what are no numbers")
                value = value < other
            else:
                value = (value == other) if operator == "==" else (value != other)
        return value

    def _joined(self, scope: Scope, live: bool) -> Any:
        value = self._primary(scope, live)
        while self._accept(".."):
            other = self._primary(scope, live)
            if live and not (isinstance(value, str) and isinstance(other, str)):
                raise LuaError(f"`..` of {value!r} and {other!r}")
            value = f"{value}{other}"
        return value

    def _primary(self, scope: Scope, live: bool) -> Any:
        token = self._take()
        if token == "(":
            value = self._expression(scope, live)
            self._take(")")
            return value
        if token == "{":
            return self._constructor(scope, live)
        if token.startswith('"'):
            return token[1:-1]
        if token.isdigit():
            return int(token)
        if token in ("nil", "true", "false"):
            return {"nil": None, "true": True, "false": False}[token]
        value = scope.get(token)
        while self._accept("."):
            field = self._take()
            value = _table(value).get(field) if live else None
        return value

    def _constructor(self, scope: Scope, live: bool) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while not self._accept("}"):
            name = self._take()
            self._take("=")
            made[name] = self._expression(scope, live)
            self._accept(",")
        return made


def _true(value: Any) -> bool:
    return value is not None and value is not False


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LuaError(f"attempt to index {value!r}")
    return value
