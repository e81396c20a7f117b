"""What Argo CD keeps from arriving is shown and awaited, and what it lost is written again."""

import copy
import time
from collections.abc import Callable
from typing import Any

from deploy.local.sandbox.seed import MERGE_SHA, PREVIOUS_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import world
from tests.e2e.shop import Shop, until

WINDOW_SECONDS = 5
"""For a delivery that waits for a window: enough to find it closed on a busy machine."""
WINDOW = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "active": True}


def opened(shop: Shop, change: Callable[[dict[str, Any]], None]) -> Shop:
    """Open a shop in a changed world."""
    seed = world(shop.name)
    change(seed)
    shop.sandbox.post("/_seed", seed)
    shop.cluster.apply(next(one for one in shop.documents if one["kind"] == "Namespace"))
    return shop


def staging(shop: Shop) -> dict[str, Any]:
    """Return the spec of the sample's staging, to be changed."""
    spec: dict[str, Any] = shop.document("Environment", "staging")["spec"]
    return spec


def live(shop: Shop) -> dict[str, Any]:
    """Return the staging application as the stand-in has it."""
    found: dict[str, Any] = shop.sandbox.state()["argocd"][f"{shop.name}-staging"]
    return found


def test_a_manifest_that_the_change_deletes_is_named_until_a_sync_may_prune(shop: OpenShop) -> None:
    def rename_a_manifest(seed: dict[str, Any]) -> None:
        commits = {one["sha"]: one for one in seed["github"]["repos"]["acme/pruned"]["commits"]}
        commits[PREVIOUS_SHA]["files"]["deploy/web-1.yaml"] = "a"
        commits[MERGE_SHA]["files"] |= {"deploy/web-1.yaml": None, "deploy/web-2.yaml": "b"}

    pruned = opened(shop("pruned"), rename_a_manifest)
    staging(pruned)["deliveryTimeout"] = "5s"
    pruned.apply_all()
    failed = pruned.until_state("PromotionFailed")
    assert "ConfigMap web-staging/web-1 is to be pruned" in failed["message"]
    assert "write.argocd.prune" in failed["message"]
    staging(pruned)["write"]["argocd"]["prune"] = True
    del staging(pruned)["deliveryTimeout"]
    pruned.apply("Environment", "staging")
    pruned.pilotage("retry", "web-412")
    pruned.until_waiting("PromoteCommand")
    assert live(pruned)["sync"] == "Synced"
    assert [one["result"] for one in pruned.status()["promotions"]] == ["Failed", "Promoted"]


def test_auto_sync_that_prunes_is_left_to_do_it(shop: OpenShop) -> None:
    def automate(seed: dict[str, Any]) -> None:
        commits = {one["sha"]: one for one in seed["github"]["repos"]["acme/automated"]["commits"]}
        commits[PREVIOUS_SHA]["files"]["deploy/web-1.yaml"] = "a"
        commits[MERGE_SHA]["files"]["deploy/web-1.yaml"] = None
        application = seed["argocd"]["apps"]["automated-staging"]
        application["spec"] = {"syncPolicy": {"automated": {"prune": True}}}

    automated = opened(shop("automated"), automate).apply_all()
    automated.until_waiting("PromoteCommand")
    assert automated.patches() == [("staging", MERGE_SHA)]
    syncs = [one for one in automated.journal("argocd") if one["path"].endswith("-staging/sync")]
    assert syncs == []


def test_a_sync_window_is_waited_for_with_its_name_and_the_deadline_stands_still(shop: OpenShop) -> None:
    windowed = shop("windowed").open()
    application = f"{windowed.name}-staging"
    windowed.sandbox.post("/_argocd/set", {"app": application, "sync_windows": [WINDOW]})
    staging(windowed)["deliveryTimeout"] = f"{WINDOW_SECONDS}s"
    windowed.apply_all()
    waiting = windowed.until_waiting("Delivery", "sync window", "0 22 * * *")
    assert (waiting["reasonCode"], waiting["unblockWith"]) == ("SyncWindow", "no action needed")
    time.sleep(WINDOW_SECONDS)
    assert windowed.status()["state"] == "Promoting"
    windowed.sandbox.post("/_argocd/set", {"app": application, "sync_windows": []})
    # A changed window need not wait for the next look: a change of the Environment has it taken at once.
    staging(windowed)["wavePause"] = "1s"
    windowed.apply("Environment", "staging")
    windowed.until_waiting("PromoteCommand")
    assert [one["result"] for one in windowed.status()["promotions"]] == ["Promoted"]


def test_an_application_that_is_created_again_with_the_old_revision_is_written_again(shop: OpenShop) -> None:
    restored = shop("restored").open()
    application = f"{restored.name}-staging"
    # Until it is created again the sync goes on, however late that is.
    restored.sandbox.post("/_argocd/set", {"app": application, "sync_seconds": 600})
    restored.apply_all()
    until(restored.patches, lambda seen: seen == [("staging", MERGE_SHA)], "the write", 90)
    again = world(restored.name)["argocd"]["apps"][application]
    restored.sandbox.post("/_seed", {"argocd": {"apps": {application: again}}})
    restored.until_waiting("PromoteCommand")
    assert restored.patches() == [("staging", MERGE_SHA)] * 2
    assert live(restored)["live"] == [MERGE_SHA]


def test_two_sources_of_one_repository_are_ambiguous_until_one_is_named(shop: OpenShop) -> None:
    def add_a_source(seed: dict[str, Any]) -> None:
        application = seed["argocd"]["apps"]["sourced-staging"]
        ours = {**application.pop("source"), "name": "app"}
        base = {**copy.deepcopy(ours), "name": "base", "path": "base", "targetRevision": "main"}
        application["sources"] = [ours, base]
        application["revisions"] = [application.pop("revision"), MERGE_SHA]

    sourced = opened(shop("sourced"), add_a_source)
    sourced.apply_all()
    condition = until(
        lambda: sourced.conditions("Environment", "staging").get("Writable", {}),
        lambda seen: seen.get("status") == "False",
        "the Environment is not Writable",
        90,
    )
    assert condition["reason"] == "Ambiguous"
    assert "write.argocd.source" in condition["message"]
    assert sourced.patches() == []
    sourced.until_state("PromotionFailed")
    staging(sourced)["write"]["argocd"]["source"] = {"name": "app"}
    sourced.apply("Environment", "staging")
    sourced.pilotage("retry", "web-412")
    sourced.until_waiting("PromoteCommand")
    assert [one["targetRevision"] for one in live(sourced)["sources"]] == [MERGE_SHA, "main"]
