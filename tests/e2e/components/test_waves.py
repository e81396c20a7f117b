"""Waves: order, pause, the first failure, retry, and applications that come and go."""

from typing import Any

from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA, PREVIOUS_SHA, StoryShop
from tests.e2e.shop import until

REGIONS = ["region-1", "region-2", "region-3"]


def results(status: dict[str, Any]) -> dict[str, str]:
    """Return the result of each application of the last record."""
    return {one["application"].partition("-")[2]: one["result"] for one in status["promotions"][-1]["applications"]}


def test_waves_run_in_order_and_the_applications_of_one_side_by_side(story: OpenStory) -> None:
    shop = story("waves", "ordered").begin()
    status = shop.until_state("Completed")
    assert shop.written()[0] == "canary"
    assert sorted(shop.written()[1:]) == REGIONS
    assert results(status) == dict.fromkeys(["canary", *REGIONS], "Promoted")
    moments = {entry["path"].rpartition("/")[2]: float(entry["time"]) for entry in patches(shop)}
    first_region = min(moments[f"ordered-{name}"] for name in REGIONS)
    assert first_region - moments["ordered-canary"] >= 2, "the pause between the waves"
    # The place publishes on its own: its status may come moments after the tracker's.
    expected = dict.fromkeys(("canary", "regions"), MERGE_SHA)
    assert until(lambda: shown(shop), lambda seen: seen == expected, "what prod runs", 30) == expected


def shown(shop: StoryShop) -> dict[str, str]:
    """Return what the Environment shows of each deployment."""
    [entry] = shop.cluster.get("Environment", shop.namespace, "prod")["status"]["repositories"]
    return {one["name"]: one["artifact"]["revision"] for one in entry["deployments"]}


def test_the_first_failure_stops_and_a_retry_goes_on_where_it_stopped(story: OpenStory) -> None:
    shop = story("waves", "partial")
    refused = {"status": 403, "body": {"error": "permission denied", "code": 7, "message": "permission denied"}}
    shop.sandbox.post("/_seed", shop.seed)
    rule = shop.script("argocd", "POST /argocd/.*/partial-region-2/sync", "status", **refused)
    shop.begin()
    failed = shop.until_state("PromotionFailed")
    assert failed["reason"] == "Partial"
    assert results(failed)["canary"] == "Promoted"
    assert results(failed)["region-2"] == "Failed"
    shop.unscript(rule)
    canary = shop.written().count("canary")
    shop.pilotage("retry", "web-412")
    status = shop.until_state("Completed")
    assert shop.written().count("canary") == canary == 1
    assert results(status)["region-2"] == "Promoted"
    assert {shop.live(name)["live"][0] for name in REGIONS} == {MERGE_SHA}


def test_an_application_that_appears_after_the_hop_began_is_left_to_the_next_one(story: OpenStory) -> None:
    shop = story("waves", "appears")
    shop.document("Environment", "prod")["spec"]["wavePause"] = "6s"
    shop.begin()
    shop.until(lambda _: shop.written() == ["canary"], "the canary is written")
    late = dict(shop.app("region-1"))
    shop.sandbox.post("/_seed", {"argocd": {"apps": {"appears-region-4": late}}})
    status = shop.until_state("Completed")
    assert sorted(results(status)) == ["canary", *REGIONS]
    assert shop.live("region-4")["live"][0] == PREVIOUS_SHA


def test_an_application_that_disappears_mid_wave_fails_the_wave_by_name(story: OpenStory) -> None:
    shop = story("waves", "vanishes")
    shop.document("Environment", "prod")["spec"].update(wavePause="5s", deliveryTimeout="15s")
    shop.begin()
    shop.until(lambda _: shop.written() == ["canary"], "the canary is written")
    shop.sandbox.post("/_argocd/delete", {"app": "vanishes-region-2"})
    # The place finds the selection without it, and all that is left contains the change: no person has to act.
    first, last = shop.until_state("Completed")["promotions"]
    assert (first["result"], last["result"]) == ("Failed", "AlreadyContained")
    assert "vanishes-region-2" in first["error"]
    assert {one["application"]: one["result"] for one in first["applications"]} == {
        "vanishes-canary": "Promoted",
        "vanishes-region-1": "Promoted",
        "vanishes-region-2": "NotWritten",
        "vanishes-region-3": "Promoted",
    }
    assert "vanishes-region-2" not in {one["application"] for one in last["applications"]}


def test_one_list_of_several_hundred_applications_is_written_in_waves(story: OpenStory) -> None:
    shop = story("waves", "hundreds")
    region = shop.app("region-1")
    apps = shop.seed["argocd"]["apps"]
    apps.update({f"hundreds-region-{number}": dict(region) for number in range(4, 61)})
    shop.begin()
    status = shop.until_state("Completed")
    assert len(results(status)) == 61
    assert set(results(status).values()) == {"Promoted"}
    assert len(shop.written()) == len(set(shop.written())) == 61


def patches(shop: StoryShop) -> list[dict[str, Any]]:
    """Return the accepted writes."""
    return [one for one in shop.journal("argocd") if one["method"] == "PATCH" and one["accepted"]]
