"""The samples of docs/samples/branches as they are: one branch is merged into the next, from dev to prod."""

from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA
from tests.e2e.components.test_waves import results


def test_a_change_is_promoted_from_branch_to_branch(story: OpenStory) -> None:
    shop = story("branches", "chained")
    assert results(shop.begin().until_state("Completed")) == {"branch-prod": "Promoted"}
    environments = shop.sandbox.state()["github"][f"acme/{shop.name}-branches"]
    shown = [environments["statuses"][pull["head_sha"]][-1] for pull in environments["pulls"].values()]
    assert [(one["context"], one["state"]) for one in shown] == [
        ("pilotage/dev/integration", "success"),
        ("pilotage/staging/lighthouse", "success"),
    ]
    assert [(pull["merged"], pull["labels"]) for pull in environments["pulls"].values()] == [
        (True, ["promotion"]),
        (True, []),
    ]
    assert shop.live("branch-prod")["images"] == [f"ghcr.io/acme/api:sha-{MERGE_SHA}"]
