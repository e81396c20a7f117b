"""The first pull request ever: the applications behind dev exist, and nothing was deployed by them yet."""

import copy

from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import world
from tests.e2e.shop import Shop


def test_the_first_pull_request_ever_goes_to_places_that_run_nothing_once_they_are_not_held(shop: OpenShop) -> None:
    opened = shop("first").open()
    apps = copy.deepcopy(world(opened.name)["argocd"]["apps"])
    for place in ("staging", "prod"):
        app = apps[f"{opened.name}-{place}"]
        del app["revision"]
        # A branch, as people write it into a new Application.
        app["source"]["targetRevision"] = "main"
        opened.sandbox.post("/_seed", {"argocd": {"apps": {f"{opened.name}-{place}": app}}})
    assert [_live(opened, place) for place in ("staging", "prod")] == [None, None]
    opened.apply_all().until_waiting("PromoteCommand")
    assert [_live(opened, place) for place in ("staging", "prod")] == [[MERGE_SHA], None]
    held = opened.pilotage("hold", "--environment", "prod", "--for", "1h", "-m", "migration")
    hold = held.partition("accepted: ")[2].partition(":")[0]
    opened.pilotage("promote", "#412")
    opened.until_waiting("Delivery", "EnvironmentHeld", hold)
    assert _live(opened, "prod") is None
    opened.pilotage("release", "--environment", "prod", "--hold", hold)
    status = opened.until_state("Completed")
    assert [(one["target"], one["result"]) for one in status["promotions"]] == [
        ("staging", "Promoted"),
        ("prod", "Promoted"),
    ]
    assert opened.patches() == [("staging", MERGE_SHA), ("prod", MERGE_SHA)]


def _live(opened: Shop, place: str) -> object:
    """Return what an application was synced to last; None before its first sync."""
    return opened.sandbox.state()["argocd"][f"{opened.name}-{place}"]["live"]
