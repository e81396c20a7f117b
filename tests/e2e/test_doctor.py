"""`pilotage doctor` on an installation that runs."""

import json

from tests.e2e.conftest import OpenShop


def test_an_installation_that_runs_and_resources_that_can_be_used_are_well(shop: OpenShop) -> None:
    opened = shop("doctor").open().apply_all()
    opened.until_state("Testing")
    answer = opened.pilotage("doctor", "-o", "json")
    found = {(one["subject"], one["ok"]) for one in json.loads(answer)}
    assert {subject for subject, _ in found} == {
        *("setting", "cluster", "definition", "admission", "right", "credential", "webhook", "temporal", "queue"),
    }
    assert not [one for one in json.loads(answer) if one["ok"] is False]
