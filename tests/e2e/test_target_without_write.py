"""Places that Pilotage may only look at: somebody else deploys there, and the promotion follows."""

import copy

from deploy.local.sandbox.seed import MERGE_SHA, PREVIOUS_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import world
from tests.e2e.shop import until


def test_a_hop_waits_for_an_application_that_somebody_else_deploys(shop: OpenShop) -> None:
    opened = shop("observed").open()
    mirror = copy.deepcopy(world(opened.name)["argocd"]["apps"][f"{opened.name}-staging"])
    opened.sandbox.post("/_seed", {"argocd": {"apps": {f"{opened.name}-mirror": mirror}}})
    staging = opened.document("Environment", "staging")["spec"]
    (ours,) = staging["deployments"]
    theirs = copy.deepcopy(ours)
    theirs["name"], theirs["argocd"]["application"] = "mirror", f"{opened.name}-mirror"
    # What may be written is declared at one deployment, and of no other.
    ours["write"] = staging.pop("write")
    theirs.pop("write", None)
    staging["deployments"].append(theirs)
    opened.apply_all()

    opened.until_state("Promoting")
    waiting = opened.until_waiting("Delivery", "mirror", PREVIOUS_SHA[:8])
    assert ours["name"] not in waiting["observed"].split(":")[0]
    assert "which Pilotage does not write" in waiting["unblockWith"]
    assert opened.patches() == [("staging", MERGE_SHA)]
    opened.deploy("mirror", MERGE_SHA)
    opened.until_waiting("PromoteCommand")
    (record,) = opened.status()["promotions"]
    assert {one["deployment"]: one["result"] for one in record["applications"]} == {
        ours["name"]: "Promoted",
        "mirror": "AlreadyContained",
    }
    assert opened.patches() == [("staging", MERGE_SHA)]


def test_a_policy_whose_target_no_one_may_write_shows_it_until_it_may_be_written(shop: OpenShop) -> None:
    opened = shop("unwritable").open()
    staging = opened.document("Environment", "staging")
    writable = copy.deepcopy(staging)
    _only_observed(staging)
    opened.apply_all()
    valid = until(
        lambda: opened.conditions("PromotionPolicy", "dev-to-staging").get("Valid", {}),
        lambda seen: seen.get("status") == "False",
        "the policy is not Valid",
        60,
    )
    assert valid["reason"] == "TargetNotWritable"
    assert "spec.targetEnvironment" in valid["message"]
    waiting = opened.until_waiting("Policy", "dev-to-staging", "spec.targetEnvironment")
    assert opened.status()["state"] == "AwaitingPolicy"
    assert waiting["unblockWith"]
    # Somebody else may deploy there: the rule is as wrong as before, and nothing was tested or written.
    opened.deploy("staging", MERGE_SHA)
    assert opened.status()["state"] == "AwaitingPolicy"
    assert (opened.triggers(), opened.patches()) == ({}, [])

    opened.cluster.apply(writable)
    opened.until_waiting("PromoteCommand")
    (record,) = opened.status()["promotions"]
    assert (record["target"], record["result"]) == ("staging", "AlreadyContained")
    assert opened.patches() == []


def _only_observed(environment: dict[str, object]) -> None:
    spec = environment["spec"]
    assert isinstance(spec, dict)
    assert spec.pop("write")
    for deployment in spec["deployments"]:
        deployment.pop("write", None)
