"""Alert rules and dashboard read what is served, and each alert has an example and a section of the runbook."""

import json
import re

import pytest
from ruamel.yaml import YAML

from crds.reasons.vocabulary import Drift
from deploy.local.chart import ROOT
from tests.chart.monitoring import EXAMPLES, FOLDER, alerts, expressions, metrics, selected
from tests.chart.rendered import of_kind
from tests.worker.test_metrics import documented

ALERTS = {rule["alert"]: rule for rule in alerts()}
OF_OTHERS = {
    "temporal_activity_schedule_to_start_latency_seconds",
    "temporal_workflow_task_execution_failed_total",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}
"""Metrics of the SDK (https://docs.temporal.io/references/sdk-metrics) and of every Python process."""
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")
OF_TARGETS = {"namespace", "service", "pod", "container", "endpoint", "job", "instance"}
"""What the Prometheus operator adds to each series of a ServiceMonitor."""
TARGET_LABELS = {"job", "pod"}
"""What Prometheus adds to what it scrapes."""


def base(metric: str) -> str:
    """Return a histogram's name for one of its series, else the name itself."""
    found = next((metric.removesuffix(one) for one in OF_HISTOGRAMS if metric.endswith(one)), metric)
    return found if found in documented() or found in OF_OTHERS else metric


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_reads_metrics_and_labels_that_are_served(expression: str) -> None:
    read = {base(metric) for metric in metrics(expression)}
    assert read
    assert read - OF_OTHERS <= documented().keys()
    labels = {(base(metric), label) for metric, label in selected(expression) if base(metric) not in OF_OTHERS}
    assert [one for one in labels if one[1] not in documented()[one[0]][1]] == []


def test_a_scrape_keeps_the_labels_that_the_rules_read() -> None:
    """A label of the target else wins, as that of its own namespace over the tenant's."""
    read = {label for labels in documented().values() for label in labels[1]}
    assert "namespace" in read & OF_TARGETS
    [monitor] = of_kind("self-hosted", "ServiceMonitor")
    [scraped] = [one for one in of_kind("self-hosted", "Service") if "pilotage.dev/scrape" in one["metadata"]["labels"]]
    assert scraped["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "pilotage"
    assert [one["honorLabels"] for one in monitor["spec"]["endpoints"]] == [True]


def test_every_alert_has_an_example_on_which_it_fires() -> None:
    examples = YAML(typ="safe").load(EXAMPLES)["tests"]
    assert [one["name"] for one in examples] == list(ALERTS)
    for one in examples:
        [expected] = one["alert_rule_test"]
        assert (expected["alertname"], bool(expected["exp_alerts"])) == (one["name"], True)


def test_every_alert_has_a_section_of_the_runbook_and_each_section_its_alert() -> None:
    runbook = (ROOT / "docs" / "operate" / "runbook.md").read_text()
    assert sorted(re.findall(r"^### (Pilotage\w+)$", runbook, re.MULTILINE)) == sorted(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_states_how_bad_it_is_and_what_it_is_about(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}


def test_drift_that_is_unknown_is_an_alert_of_its_own() -> None:
    assert [name for name in ALERTS if 'kind="Unknown"' in ALERTS[name]["expr"]] == ["PilotageDriftUnknown"]
    assert 'kind!="Unknown"' in ALERTS["PilotageDrift"]["expr"]
    assert Drift("Unknown") is Drift.UNKNOWN


def test_no_panel_of_the_dashboard_hides_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells
        taken |= cells
