"""Policies that cannot work: refused at the edge, or shown with the field that is wrong."""

import copy
from pathlib import Path

from tests.e2e.conftest import OpenShop
from tests.e2e.shop import until


def test_kubectl_refuses_a_policy_whose_source_is_its_target(shop: OpenShop, tmp_path: Path) -> None:
    opened = shop("circle").open()
    policy = opened.document("PromotionPolicy", "dev-to-staging")
    policy["spec"]["targetEnvironment"] = policy["spec"]["sourceEnvironment"]
    refusal = opened.kubectl("apply", "-f", str(opened.write_samples(tmp_path / "samples.json")), code=1)
    assert "spec.targetEnvironment" in refusal
    assert opened.cluster.get("PromotionPolicy", opened.namespace, "dev-to-staging") == {}


def test_an_unknown_variable_is_shown_with_its_field_on_the_policy_and_on_the_waiting_tracker(shop: OpenShop) -> None:
    opened = shop("variable").open()
    good = copy.deepcopy(opened.document("PromotionPolicy", "dev-to-staging"))
    bad = opened.document("PromotionPolicy", "dev-to-staging")
    bad["spec"]["tests"][0]["parameters"]["X"] = "${revison}"
    opened.apply_all()

    conditions = until(
        lambda: opened.conditions("PromotionPolicy", "dev-to-staging"),
        lambda seen: seen.get("Valid", {}).get("status") == "False",
        "the policy is not Valid",
        60,
    )
    assert "spec.tests[0].parameters.X" in conditions["Valid"]["message"]
    assert "revison" in conditions["Valid"]["message"]
    opened.until_waiting("Policy", "spec.tests[0].parameters.X")
    assert opened.triggers() == {}

    opened.cluster.apply(good)
    opened.until_waiting("PromoteCommand")
    assert opened.conditions("PromotionPolicy", "dev-to-staging")["Valid"]["status"] == "True"
