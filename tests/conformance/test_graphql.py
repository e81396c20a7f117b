"""What we ask GitHub in GraphQL, held against the schema that it publishes."""

import json
import re
from functools import cache
from typing import Any

from providers.github import wire, wire_branches
from providers.messages import Request
from providers.models import FileEdit, NewCommit
from tests.conformance.material import package

Schema = dict[str, Any]


@cache
def _types() -> dict[str, Schema]:
    text = json.loads((package("@octokit/graphql-schema") / "schema.json").read_text())
    schema = text.get("data", text)["__schema"]
    return {one["name"]: one for one in schema["types"]}


def _problems(given: object, wanted: Schema, where: str) -> list[str]:
    """Return what of a value does not fit a type of the schema."""
    kind = wanted["kind"]
    if kind == "NON_NULL":
        return [f"{where} is missing"] if given is None else _problems(given, wanted["ofType"], where)
    if given is None:
        return []
    if kind == "LIST":
        assert isinstance(given, list)
        return [problem for one in given for problem in _problems(one, wanted["ofType"], f"{where}[]")]
    if kind != "INPUT_OBJECT":
        return []
    assert isinstance(given, dict)
    fields = {one["name"]: one["type"] for one in _types()[wanted["name"]]["inputFields"]}
    unknown = [f"{where}.{name} is not in {wanted['name']}" for name in given if name not in fields]
    known = [problem for name, one in fields.items() for problem in _problems(given.get(name), one, f"{where}.{name}")]
    return unknown + known


def _selected(request: Request) -> list[str]:
    """Return the fields that a request names, outermost first."""
    body = request.json
    assert isinstance(body, dict)
    return re.findall(r"[A-Za-z]+", re.sub(r"^(mutation|query)|\([^)]*\)|input", "", str(body["query"])))


def _follow(root: str, names: list[str]) -> None:
    """Go along fields from a root type; fails for one that its type does not have."""
    here = _types()[root]
    for name in names:
        fields = {one["name"]: one["type"] for one in here["fields"]}
        assert name in fields, f"{here['name']} has no field {name}"
        found = fields[name]
        while found["name"] is None:
            found = found["ofType"]
        here = _types()[found["name"]]


def test_the_commit_that_we_write_is_as_the_schema_has_it() -> None:
    edits = (FileEdit(path="a/b.yaml", content=b"x"),)
    request = wire_branches.create_commit(
        "acme/web", NewCommit(branch="main", expected_head="1" * 40, message="Title\n\nBody", edits=edits)
    )
    assert isinstance(request.json, dict)
    given = request.json["variables"]["input"]
    assert _problems(given, {"kind": "INPUT_OBJECT", "name": "CreateCommitOnBranchInput"}, "input") == []
    assert _problems({"x": 1}, {"kind": "INPUT_OBJECT", "name": "CreateCommitOnBranchInput"}, "input") != []
    _follow("Mutation", _selected(request))


def test_the_account_that_we_ask_for_is_as_the_schema_has_it() -> None:
    names = _selected(wire.ask_viewer())
    _follow("Query", names)
    assert names == ["viewer", "login"]
