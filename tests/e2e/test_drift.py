"""What was promoted is watched: moved, moved back, and not to be seen."""

from typing import Any

from deploy.local.sandbox.seed import MERGE_SHA, PREVIOUS_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import DEADLINE_SECONDS, Shop, until

DRIFTED = "pilotage/drifted"


def monitor(shop: Shop, environment: str = "staging") -> dict[str, Any]:
    """Return the monitor of the one deployment of an environment; empty where there is none yet."""
    found = [
        one for one in shop.cluster.list("DriftMonitor", shop.namespace) if one["spec"]["environment"] == environment
    ]
    return found[0] if found else {}


def until_shown(shop: Shop, *, drifted: bool | None, kind: str | None = None) -> dict[str, Any]:
    """Wait until the monitor of staging shows this."""

    def shown(status: dict[str, Any]) -> bool:
        return bool(status) and (status.get("drifted"), status.get("kind")) == (drifted, kind)

    what = f"staging is drifted={drifted} by {kind}"
    return until(lambda: monitor(shop).get("status") or {}, shown, what, DEADLINE_SECONDS)


def until_labelled(shop: Shop, labelled: bool) -> None:
    until(
        lambda: shop.pull()["labels"],
        lambda names: (DRIFTED in names) is labelled,
        f"labelled: {labelled}",
        DEADLINE_SECONDS,
    )


def looks(shop: Shop) -> int:
    """Count the reads of staging's application alone."""
    return sum(one["path"].endswith(f"/applications/{shop.name}-staging") for one in shop.journal("argocd"))


def kill_between_observation_and_status(shop: Shop) -> None:
    """Kill who writes what was seen, and one who saw it, once it was seen twice; start both again."""
    seen = looks(shop)
    until(lambda: looks(shop), lambda now: now >= seen + 2, "staging was looked at twice", DEADLINE_SECONDS)
    shop.environment.kill("worker-1")
    assert (monitor(shop).get("status") or {}).get("drifted") is False
    for name in ("worker-1", "watcher-1"):
        shop.environment.restart(name)


def test_a_moved_revision_is_shown_and_cleared_and_a_silent_argo_cd_is_unknown(shop: OpenShop) -> None:
    drifting = shop("drifting").open().apply_all()
    drifting.until_waiting("PromoteCommand")
    until_shown(drifting, drifted=False)
    assert monitor(drifting)["spec"]["revision"] == MERGE_SHA
    assert monitor(drifting, "dev")["spec"]["revision"] == MERGE_SHA

    drifting.environment.kill("watcher-1")
    drifting.deploy("staging", PREVIOUS_SHA)
    kill_between_observation_and_status(drifting)
    moved = until_shown(drifting, drifted=True, kind="RevisionMoved")
    until_labelled(drifting, True)
    assert (moved["expected"], moved["observed"]) == (MERGE_SHA[:12], PREVIOUS_SHA[:12])
    assert moved["rolledBackTo"] == PREVIOUS_SHA
    events = [one for one in drifting.cluster.list("Event", drifting.namespace) if one["reason"] == "RolledBack"]
    assert [one["involvedObject"]["name"] for one in events] == ["web-412"]
    assert "RevisionMoved" in drifting.kubectl("get", "pdrift")

    drifting.deploy("staging", MERGE_SHA)
    until_shown(drifting, drifted=False)
    until_labelled(drifting, False)

    rule = drifting.script("argocd", r"GET /argocd/api/v1/applications\?", "hang", seconds=2)
    unknown = until_shown(drifting, drifted=None, kind="Unknown")
    drifting.unscript(rule)
    assert "ArgoCDInstance/argocd" in unknown["observed"]
    until_shown(drifting, drifted=False)

    drifting.deploy("staging", PREVIOUS_SHA)
    until_labelled(drifting, True)
    name = monitor(drifting)["metadata"]["name"]
    drifting.kubectl("delete", "prt", "web-412", "--wait=false")
    until(lambda: monitor(drifting), lambda seen: not seen, f"{name} goes with its tracker", DEADLINE_SECONDS)
    until_labelled(drifting, False)
