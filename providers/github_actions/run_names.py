"""Whether the title of a workflow's runs shows the promotion key: its `run-name`, read from the file as GitHub does.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#run-name and, for the language within
`${{ }}`, https://docs.github.com/en/actions/reference/workflows-and-actions/expressions.
"""

import re
from collections.abc import Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

from providers.github_actions.wire import KEY_INPUT

FILE_LIMIT_BYTES = 128 * 1024
"""Ten times what long workflow files have; parsing as much takes two seconds of a thread, in which others run."""
_NAME_LIMIT = 1024
"""Of characters: expressions that begin and do not end are looked for with the square of them, in one go."""
_FIELD = "run-name"
# A quote is doubled within a string; possessive, so that no text can make the search slow.
_STRING = r"'(?:[^']|'')*+'"
_EXPRESSION = re.compile(rf"\$\{{\{{((?:[^'}}]|{_STRING}|\}}(?!\}}))*+)\}}\}}")
_TOKEN = re.compile(rf"{_STRING}|[a-z_][a-z0-9_-]*|[=!<>]=|&&|\|\||\S")
_READS = (("inputs", ".", KEY_INPUT), ("inputs", "[", f"'{KEY_INPUT}'", "]"))
_OF_EVENT = ("github", ".", "event", ".")
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
# What comes after or before makes something else of the value: a truth, or (the name of) a property.
_TAKES_AWAY = _COMPARISONS | {"&&", ".", "["}
_MISUSES = _COMPARISONS | {"!", ".", "["}
# All other functions return a truth or a number; the empty name is a plain parenthesis.
_SHOWING_CALLS = frozenset({"", "format", "join", "tojson"})


def shows_key(workflow: str) -> bool:
    """Return whether a workflow file's run-name shows the key; False for what is no YAML or longer than the limits."""
    if len(workflow.encode(errors="replace")) > FILE_LIMIT_BYTES:
        return False
    name = _run_name(workflow)
    if len(name) > _NAME_LIMIT:
        return False
    # Names of functions and properties do not depend on case.
    return any(_reads_key(_TOKEN.findall(found[1].lower())) for found in _EXPRESSION.finditer(name))


def _run_name(workflow: str) -> str:
    """Return the run-name; empty where the file has none, or two, of which GitHub accepts neither."""
    parser = YAML(typ="safe", pure=True)
    # Each would be a warning on standard error, with lines of the file.
    parser.composer.warn_double_anchors = False
    try:
        root = parser.compose(workflow)
    except (YAMLError, ValueError, RecursionError):
        return ""
    if not isinstance(root, MappingNode):
        return ""
    values = [value for key, value in root.value if isinstance(key, ScalarNode) and key.value == _FIELD]
    if len(values) != 1 or not isinstance(values[0], ScalarNode):
        return ""
    return str(values[0].value)


def _reads_key(tokens: Sequence[str]) -> bool:
    """Return whether an expression hands on the key's value, rather than comparing it or only naming it in a string."""
    calls: list[str] = []
    for index, token in enumerate(tokens):
        if token == "(":  # noqa: S105 -- of an expression
            calls.append(tokens[index - 1] if index and tokens[index - 1].isidentifier() else "")
        elif token == ")" and calls:  # noqa: S105 -- its end
            calls.pop()
        elif _is_shown(tokens, index) and _SHOWING_CALLS.issuperset(calls):
            return True
    return False


def _is_shown(tokens: Sequence[str], index: int) -> bool:
    for read in _READS:
        end = index + len(read)
        if tuple(tokens[index:end]) == read:
            start = index - len(_OF_EVENT) if tuple(tokens[max(0, index - 4) : index]) == _OF_EVENT else index
            before = tokens[start - 1] if start else ""
            after = tokens[end] if end < len(tokens) else ""
            return before not in _MISUSES and after not in _TAKES_AWAY
    return False
