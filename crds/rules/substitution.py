"""Variables in test parameters and tag templates: a closed list, replaced as text, never evaluated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_RENDERED = 65_535
"""Longest text that rendering returns, in characters; CI systems take no more for one parameter."""

VARIABLES: dict[str, str] = {
    "revision": "Revision that Pilotage promotes: a commit of the application repository.",
    "pullRequest.number": "Number of the pull request.",
    "pullRequest.title": "Title of the pull request.",
    "pullRequest.author": "Login of its author.",
    "pullRequest.headSHA": "Its newest commit.",
    "pullRequest.mergeSHA": "Commit that the merge made.",
    "pullRequest.branch": "Branch that was proposed.",
    "pullRequest.baseBranch": "Branch that it was merged into.",
    "pullRequest.url": "Its address for people.",
    "repository.name": "Name of the repository at its host.",
    "repository.owner": "Owner, group or project of the repository.",
    "repository.fullName": "Owner and name, as `acme/web`.",
    "sourceEnvironment": "Environment that the change comes from.",
    "targetEnvironment": "Environment that the change goes to.",
    "component.name": "Name of the component.",
    "artifact.image": "Image of the component, without tag.",
    "artifact.tag": "Tag of the image.",
    "deployment.name": "Entry of the environment's `deployments`.",
    "source.vars.*": "Entry of `vars` of the source environment.",
    "target.vars.*": "Entry of `vars` of the target environment.",
    "policy.name": "Name of the PromotionPolicy.",
    "promotion.key": "Promotion key of the run. Exactly one run counts for each key.",
}
"""The closed list: name → meaning; a name that ends in `*` stands for all names with that prefix."""

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
"""What may stand for the `*`: the names of an environment's `vars`."""

_PREFIXES = tuple(name.removesuffix("*") for name in VARIABLES if name.endswith("*"))
_TOKEN = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)\}|\$\{")


class SubstitutionError(ValueError):
    """A template that cannot be rendered; `names` are the variables at fault, empty for a broken template."""

    def __init__(self, message: str, *, names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A place in a template that a value replaces."""

    name: str


Part = str | Variable


def parse(template: str) -> tuple[Part, ...]:
    """Split a template into literal text and variables.

    `$${` is a literal `${`. Raises SubstitutionError for a `${` without its `}`; unknown names pass, see unknown_names.
    """
    parts: list[Part] = []
    literal: list[str] = []
    position = 0
    for match in _TOKEN.finditer(template):
        literal.append(template[position : match.start()])
        position = match.end()
        if match.group() == "$${":
            literal.append("${")
        elif match.group("name") is None:
            raise SubstitutionError(
                f"`${{` at character {match.start() + 1} has no `}}`; write `$${{` for a literal `${{`"
            )
        else:
            if any(literal):
                parts.append("".join(literal))
            literal = []
            parts.append(Variable(name=match.group("name")))
    literal.append(template[position:])
    if any(literal):
        parts.append("".join(literal))
    return tuple(parts)


def is_known(name: str) -> bool:
    """Return whether a name is on the closed list."""
    if name in VARIABLES and not name.endswith("*"):
        return True
    return any(
        name.startswith(prefix) and VARIABLE_NAME.fullmatch(name.removeprefix(prefix)) is not None
        for prefix in _PREFIXES
    )


def names_in(template: str) -> tuple[str, ...]:
    """List the variables of a template, each once, in order. Raises SubstitutionError for a broken template."""
    return tuple(dict.fromkeys(part.name for part in parse(template) if isinstance(part, Variable)))


def unknown_names(template: str) -> tuple[str, ...]:
    """List the variables of a template that are not on the closed list."""
    return tuple(name for name in names_in(template) if not is_known(name))


def allowed_names() -> str:
    """Write the closed list for an error message."""
    return ", ".join(VARIABLES)


def escape(text: str) -> str:
    """Write a literal text as a template that renders to it."""
    return text.replace("${", "$${")


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace every variable by its value; values are not looked into again.

    Raises SubstitutionError for a broken template, an unknown name or a name without a value, and for a result of
    more than MAX_RENDERED characters.
    """
    parts = parse(template)
    names = tuple(part.name for part in parts if isinstance(part, Variable))
    unknown = tuple(dict.fromkeys(name for name in names if not is_known(name)))
    if unknown:
        listed = ", ".join(f"`{name}`" for name in unknown)
        raise SubstitutionError(f"unknown variable {listed}; allowed are {allowed_names()}", names=unknown)
    missing = tuple(dict.fromkeys(name for name in names if name not in values))
    if missing:
        listed = ", ".join(f"`{name}`" for name in missing)
        raise SubstitutionError(f"variable {listed} has no value here", names=missing)
    rendered = "".join(values[part.name] if isinstance(part, Variable) else part for part in parts)
    if len(rendered) > MAX_RENDERED:
        raise SubstitutionError(f"the rendered text has {len(rendered)} characters, {MAX_RENDERED} are allowed")
    return rendered
