"""The alert rules, held against Prometheus's own checker."""

import subprocess

from tests.chart.monitoring import EXAMPLES, FOLDER
from tests.conformance.promtool import promtool


def run(*arguments: str) -> str:
    """Return what promtool wrote; its exit code is 0."""
    done = subprocess.run(
        (str(promtool()), *arguments), capture_output=True, text=True, timeout=60, check=False, cwd=EXAMPLES.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_every_rule() -> None:
    rules = FOLDER / "alerts.yaml"
    declared = rules.read_text().count("- alert: ")
    assert f"SUCCESS: {declared} rules found" in run("check", "rules", str(rules))


def test_every_alert_fires_on_its_example() -> None:
    assert "SUCCESS" in run("test", "rules", EXAMPLES.name)
