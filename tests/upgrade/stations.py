"""A promotion for each thing that a tracker may wait for, and what lets it go on."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from deploy.local.sandbox.seed import ARGOCD_TOKEN, HOTFIX_SHA, MERGE_SHA, PREVIOUS_SHA
from tests.e2e.samples import gates_of, world
from tests.e2e.shop import Shop, until

TRACKER, NEWER = "web-412", "web-413"
NEWER_HEAD = "4130000000000000000000000000000000000aaa"
NEWER_SHA = "4130000000000000000000000000000000000413"
LATE = "staging-late"
LONG_SECONDS = 3600
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Station:
    """One waiting state: how a shop gets there, and how it goes on."""

    waits_for: str
    arrive: Callable[[Shop], object]
    go_on: Callable[[Shop], object]
    tracker: str = TRACKER
    moves: bool = True
    """Whether a run in this state moves to a newer build at once; else it does when the state is over."""
    shop: str = ""
    writes: tuple[str, ...] = ("staging", "prod")
    """The applications that are written on the whole way, in order."""

    @property
    def name(self) -> str:
        return self.shop or self.waits_for.lower()


def apply(shop: Shop, *but: str, by_hand: bool = False) -> None:
    """Apply the samples; prod waits for a person only where that is the point."""
    shop.document("PromotionPolicy", "staging-to-prod")["spec"]["autoPromote"] = not by_hand
    for document in shop.documents:
        for test in gates_of(document):
            test["required"] = test["name"] != "lighthouse"
    shop.apply_all(*but)


def _reference(shop: Shop) -> None:
    apply(shop.open(), "Secret/github-token")


def _merge(shop: Shop) -> None:
    apply(shop.open(merged=False))


def _merged(shop: Shop) -> None:
    shop.sandbox.post("/_github/merge", {"repo": f"acme/{shop.name}", "number": 412, "sha": MERGE_SHA})
    shop.deploy("dev", MERGE_SHA)


def _sync(shop: Shop) -> None:
    shop.open().deploy("dev", PREVIOUS_SHA)
    apply(shop)


def _policy(shop: Shop) -> None:
    apply(shop.open(), "PromotionPolicy/dev-to-staging")


def _verdict(shop: Shop) -> None:
    apply(shop.open(integration={"duration_seconds": LONG_SECONDS}))


def _end_tests(shop: Shop) -> None:
    shop.job("integration", duration_seconds=1)
    for build in shop.builds("integration"):
        if build["building"]:
            shop.job("integration", number=build["number"], result="SUCCESS")


def _retest(shop: Shop) -> None:
    apply(shop.open(e2e={"result": ["FAILURE", "SUCCESS"]}))


def _promote_command(shop: Shop) -> None:
    apply(shop.open(), by_hand=True)


def _target(shop: Shop) -> None:
    shop.open().deploy("staging", HOTFIX_SHA)
    apply(shop)


def _release(shop: Shop) -> None:
    _verdict(shop)
    shop.until_waiting("Verdict", "integration")
    shop.pilotage("hold", TRACKER, "--reason", "freeze")


def _released(shop: Shop) -> None:
    _end_tests(shop)
    shop.pilotage("release", TRACKER)


def _retry(shop: Shop) -> None:
    application = f"{shop.name}-staging"
    shop.open().sandbox.post("/_argocd/set", {"app": application, "sync_seconds": LONG_SECONDS})
    apply(shop)
    shop.until_waiting("Delivery")
    address = f"{shop.environment.sandbox_url}/argocd/api/v1/applications/{application}/operation"
    until(lambda: _terminated(address), bool, "somebody terminates the sync", PATIENCE_SECONDS)


def _terminated(address: str) -> bool:
    # Argo CD wants a content type even where there is no content.
    headers = {"Authorization": f"Bearer {ARGOCD_TOKEN}", "Content-Type": "application/json"}
    return httpx.delete(address, headers=headers, trust_env=False).is_success


def _retried(shop: Shop) -> None:
    shop.sandbox.post("/_argocd/set", {"app": f"{shop.name}-staging", "sync_seconds": 0.3})
    shop.pilotage("retry", TRACKER)


def _delivery(shop: Shop) -> None:
    shop.open().sandbox.post("/_argocd/set", {"app": f"{shop.name}-staging", "health": "Degraded"})
    apply(shop)


def _delivered(shop: Shop) -> None:
    shop.sandbox.post("/_argocd/set", {"app": f"{shop.name}-staging", "health": "Healthy"})


def _wave(shop: Shop) -> None:
    """Staging in two waves with a pause between them, the first of which does not get healthy."""
    shop.open()
    apps = {f"{shop.name}-{LATE}": world(shop.name)["argocd"]["apps"][f"{shop.name}-staging"]}
    shop.sandbox.post("/_seed", {"argocd": {"apps": apps}})
    spec = shop.document("Environment", "staging")["spec"]
    late = copy.deepcopy(spec["deployments"][0])
    late["name"], late["wave"], late["argocd"]["application"] = "late", 1, f"{shop.name}-{LATE}"
    spec["deployments"].append(late)
    spec["wavePause"] = "3s"
    shop.sandbox.post("/_argocd/set", {"app": f"{shop.name}-staging", "health": "Degraded"})
    apply(shop)


def _lane(shop: Shop) -> None:
    """Behind the delivery of #412 in the same shop, #413 wants the lane."""
    shop.until_waiting("Delivery")
    repository = {"repo": f"acme/{shop.name}"}
    shop.sandbox.post("/_github/commit", {**repository, "sha": NEWER_HEAD, "parents": [MERGE_SHA]})
    head = {"ref": "sunshades", "sha": NEWER_HEAD}
    shop.sandbox.post("/_github/pull", {**repository, "number": 413, "title": "Sell sunshades", "head": head})
    merge = {**repository, "sha": NEWER_SHA, "parents": [MERGE_SHA, NEWER_HEAD], "branch": "main"}
    shop.sandbox.post("/_github/commit", merge)
    shop.sandbox.post("/_github/merge", {**repository, "number": 413, "sha": NEWER_SHA})
    shop.deploy("dev", NEWER_SHA)
    tracker = copy.deepcopy(shop.document("PullRequestTracker", TRACKER))
    tracker["metadata"]["name"], tracker["spec"]["number"] = NEWER, 413
    shop.cluster.apply(tracker)


WAVES = Station(
    waits_for="Delivery",
    arrive=_wave,
    go_on=_delivered,
    moves=False,
    shop="waves",
    writes=("staging", LATE, "prod"),
)
DELIVERY = Station(waits_for="Delivery", arrive=_delivery, go_on=_delivered, moves=False)
LANE = Station(waits_for="Lane", arrive=_lane, go_on=lambda shop: None, tracker=NEWER)
"""In the shop of DELIVERY, whose end lets it go on."""

STATIONS = (
    DELIVERY,
    WAVES,
    Station(waits_for="Reference", arrive=_reference, go_on=lambda shop: shop.apply("Secret", "github-token")),
    Station(waits_for="Merge", arrive=_merge, go_on=_merged),
    Station(waits_for="Sync", arrive=_sync, go_on=lambda shop: shop.deploy("dev", MERGE_SHA)),
    Station(
        waits_for="Policy",
        arrive=_policy,
        go_on=lambda shop: shop.apply("PromotionPolicy", "dev-to-staging"),
    ),
    Station(waits_for="Verdict", arrive=_verdict, go_on=_end_tests),
    Station(waits_for="Retest", arrive=_retest, go_on=lambda shop: shop.pilotage("retest", TRACKER)),
    Station(waits_for="PromoteCommand", arrive=_promote_command, go_on=lambda shop: shop.pilotage("promote", TRACKER)),
    Station(waits_for="Target", arrive=_target, go_on=lambda shop: shop.deploy("staging", PREVIOUS_SHA)),
    Station(waits_for="Release", arrive=_release, go_on=_released),
    Station(waits_for="Retry", arrive=_retry, go_on=_retried),
    LANE,
)
