"""The chart's alert rules and dashboard, read."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from deploy.local.chart import CHART, ROOT

FOLDER = ROOT / CHART / "files" / "monitoring"
EXAMPLES = ROOT / "tests" / "chart" / "alerts_test.yaml"
_METRIC = re.compile(r"\b((?:pilotage|scm_calls|ci_calls|argocd_calls|temporal|process)_\w+)")
_SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


def alerts() -> list[dict[str, Any]]:
    """Return the rules of all groups."""
    document = YAML(typ="safe").load(FOLDER / "alerts.yaml")
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    """Yield each expression of the rules and of the dashboard's panels."""
    for rule in alerts():
        yield rule["expr"]
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def metrics(expression: str) -> set[str]:
    """Return the metrics that an expression reads."""
    return set(_METRIC.findall(expression))


def selected(expression: str) -> Iterator[tuple[str, str]]:
    """Yield (metric, label) for each label by which an expression selects series."""
    for metric, selector in _SELECTOR.findall(expression):
        yield from ((metric, label) for label in _LABEL.findall(selector))
