"""Reference pages in Markdown, from the same schemas that the CRDs are made of."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from crds.conditions import ConditionType
from crds.group import API_VERSION
from crds.model import CATEGORY, Scope
from crds.reasons.conditions import ConditionReason
from crds.reasons.events import EventReason
from crds.reasons.problems import FailureKind
from crds.reasons.trackers import ApplicationOutcome, RecordResult, TrackerReason, WaitingReason
from crds.reasons.vocabulary import Drift
from crds.resource import Resource
from crds.rules.substitution import VARIABLES
from crds.schema.definitions import object_schema
from crds.schema.enum_docs import member_documents
from crds.v1alpha1.kinds import KINDS
from crds.v1alpha1.pull_request_tracker import TrackerAnnotation

_REASONS: tuple[tuple[str, str, type[StrEnum]], ...] = (
    ("Reasons", "", ConditionReason),
    ("Kinds of drift", "The reason of a drift monitor's `InPlace` where that is not true:", Drift),
    (
        "Reasons of `Completed`",
        "The reason of a tracker's status, and of its `Completed`, is the name of the state, or one of these:",
        TrackerReason,
    ),
    ("Reasons of a wait", "`status.waitingFor.reasonCode` of a tracker:", WaitingReason),
    ("Results of a promotion", "`status.promotions[].result` of a tracker:", RecordResult),
    ("Results of an application", "`status.promotions[].applications[].result` of a tracker:", ApplicationOutcome),
    ("Problems", "Messages about a call that failed begin with its kind:", FailureKind),
)

_NOTE = "<!-- Generated from the models by `python -m crds.schema.generate`; edit the models, not this file. -->\n"


def reference_pages() -> dict[str, str]:
    """Build the text of every reference page, by file name."""
    pages = {f"{model.definition.singular}.md": _kind_page(model) for model in KINDS}
    pages["api.md"] = _index_page()
    pages["variables.md"] = _variables_page()
    pages["conditions.md"] = _conditions_page()
    pages["events.md"] = _events_page()
    return pages


def _index_page() -> str:
    lines = [_NOTE, "# Reference\n", f"All kinds are in `{API_VERSION}`; `kubectl get {CATEGORY}` lists them all.\n"]
    lines += ["| Kind | Short name | Scope | Is |", "|---|---|---|---|"]
    for model in KINDS:
        definition = model.definition
        link = f"[{definition.kind}]({definition.singular}.md)"
        lines.append(f"| {link} | `{definition.short_name}` | {definition.scope.value} | {_summary(model)} |")
    lines += [
        "",
        "[Variables](variables.md) of test parameters and tag templates. [Conditions](conditions.md) and",
    ]
    lines += ["[events](events.md), and what they mean.\n", "## Annotations\n", "| Annotation | Meaning |", "|---|---|"]
    lines += [f"| `{value}` | {text} |" for value, text in member_documents(TrackerAnnotation)]
    return "\n".join(lines) + "\n"


def _kind_page(model: type[Resource]) -> str:
    definition = model.definition
    schema = object_schema(model)
    scope = "cluster-scoped" if definition.scope is Scope.CLUSTER else "namespaced"
    lines = [_NOTE, f"# {definition.kind}\n", f"{_summary(model)}\n"]
    lines += [f"`{definition.plural}.{API_VERSION.split('/')[0]}`, short name `{definition.short_name}`, {scope}.\n"]
    root_rules = schema.get("x-kubernetes-validations", [])
    if root_rules:
        lines += [*(f"- {rule['message']}" for rule in root_rules), ""]
    for part in ("spec", "status"):
        lines += [f"## {part}\n", "| Field | Type | Meaning |", "|---|---|---|"]
        lines += list(_rows(schema["properties"][part], part))
        lines.append("")
    return "\n".join(lines)


def _rows(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Walk a schema, one table row per field; the parent's rules come before its fields."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield f"| `{path}` | rule | {_cell(rule['message'])} |"
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        inner = f"{path}.{name}"
        text = _cell(field.get("description", ""))
        if name in required:
            text = f"**Required.** {text}"
        yield f"| `{inner}` | {_type_of(field)} | {text} |"
        if field.get("type") == "array":
            yield from _rows(field["items"], f"{inner}[]")
        else:
            yield from _rows(field, inner)


def _type_of(field: Mapping[str, Any]) -> str:
    kind = str(field.get("type", "object"))
    if "enum" in field:
        kind = " \\| ".join(f"`{value}`" for value in field["enum"])
    elif kind == "array":
        kind = f"list of {field['items'].get('type', 'object')}"
        if "maxItems" in field:
            kind += f", at most {field['maxItems']}"
    elif "additionalProperties" in field:
        kind = "map"
    elif field.get("format") == "date-time":
        kind = "time"
    elif kind == "string" and "h)?(" in field.get("pattern", ""):
        kind = "duration"
    if "default" in field:
        value = field["default"]
        shown = str(value).lower() if isinstance(value, bool) else value
        kind += f", default `{shown}`" if shown != "" else ""
    return kind


def _variables_page() -> str:
    lines = [_NOTE, "# Variables\n"]
    lines += [
        "Parameters of tests, templates of tags and edits of files may hold `${name}` for these names. An unknown name"
    ]
    lines += ["makes the resource invalid. `$${` writes a literal `${`. Pilotage evaluates nothing as code.\n"]
    lines += ["| Variable | Value |", "|---|---|"]
    lines += [f"| `${{{name}}}` | {text} |" for name, text in VARIABLES.items()]
    return "\n".join(lines) + "\n"


def _conditions_page() -> str:
    lines = [_NOTE, "# Conditions and reasons\n"]
    lines += [
        "`True` means that no person must act, and `Unknown` that Pilotage does not know. Two types differ: `Stalled`",
        "is `True` where a person must act, and `Completed` is `False` until the change has arrived.\n",
    ]
    lines += ["| Type | True means |", "|---|---|"]
    lines += [f"| `{value}` | {_cell(text)} |" for value, text in member_documents(ConditionType)]
    lines += ["\nReasons are stable: alerts and scripts may match them. This page lists all of them."]
    for title, text, reasons in _REASONS:
        lines += ["", f"## {title}\n", *([f"{text}\n"] if text else []), *_reason_rows(reasons)]
    return "\n".join(lines) + "\n"


def _events_page() -> str:
    lines = [
        _NOTE,
        "# Events\n",
        "These are the events on trackers and environments. Reasons are stable:",
    ]
    lines += [
        "`kubectl get events -A --field-selector reason=TestsFailed` lists what failed. Events on other resources have",
        "a reason of their [conditions](conditions.md#reasons), such as `Invalid` on a policy, or a",
        "[kind of drift](conditions.md#kinds-of-drift) on a drift monitor. `RecordKept` on a GitRepository holds a",
        "[record](../guides/discovery.md#trackers-that-have-ended) of a removed tracker.\n",
    ]
    return "\n".join([*lines, *_reason_rows(EventReason)]) + "\n"


def _reason_rows(reasons: type[StrEnum]) -> list[str]:
    rows = (f"| `{value}` | {_cell(meaning)} |" for value, meaning in member_documents(reasons))
    return ["| Reason | Means |", "|---|---|", *rows]


def _summary(model: type[Resource]) -> str:
    return " ".join((model.__doc__ or "").split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
