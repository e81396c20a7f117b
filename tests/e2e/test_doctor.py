"""`pilotage doctor` on an installation that runs."""

import json

from tests.e2e.conftest import OpenShop


def test_an_installation_that_runs_and_resources_that_can_be_used_are_well(shop: OpenShop) -> None:
    opened = shop("doctor").open().apply_all()
    opened.until_state("Testing")
    found = json.loads(opened.pilotage("doctor", "-o", "json"))
    assert {one["subject"] for one in found} == {
        *("setting", "cluster", "definition", "admission", "right", "credential", "webhook"),
        *("temporal", "searchAttribute", "queue"),
    }
    assert [one for one in found if one["ok"] is False] == []
