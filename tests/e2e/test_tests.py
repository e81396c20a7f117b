"""What becomes of a promotion when tests fail, and when the reply to a trigger is lost."""

from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop


def test_a_lost_reply_to_a_trigger_makes_no_second_build_count(shop: OpenShop) -> None:
    opened = shop("lost-reply").open()
    trigger = "POST /jenkins/job/lost-reply/job/e2e/buildWithParameters"
    opened.script("jenkins", trigger, "accept_then_drop", times=1)
    opened.apply_all().until_waiting("PromoteCommand")
    opened.pilotage("promote", "web-412")
    opened.until_state("Completed")
    in_dev = [build for build in opened.builds("e2e") if build["parameters"]["ENV"] == "dev"]
    assert len(in_dev) == 1
    assert set(opened.triggers().values()) == {1}


def test_a_required_test_that_fails_stops_the_promotion_until_a_retest_passes(shop: OpenShop) -> None:
    # Twice: the policy allows one retry of `integration`.
    opened = shop("required").open(integration={"result": ["FAILURE", "FAILURE", "SUCCESS"]})
    opened.apply_all().until_state("TestsFailed")
    waiting = opened.status()["waitingFor"]
    assert waiting["what"] == "Retest"
    assert "integration" in waiting["observed"]
    assert opened.patches() == []
    # What the status asks people to type is typed.
    assert waiting["unblockWith"].startswith("pilotage ")
    opened.pilotage(*waiting["unblockWith"].split()[1:])
    status = opened.until(lambda seen: seen.get("promotions"), "promoted to staging")
    first = status["promotions"][0]
    assert first["promoted"] is True
    assert first["aggregate"]["all_passed"] is True
    assert opened.patches() == [("staging", MERGE_SHA)]
    assert set(opened.triggers().values()) == {1}


def test_an_optional_test_that_fails_is_shown_and_blocks_nothing(shop: OpenShop) -> None:
    opened = shop("optional").open(lighthouse={"result": "FAILURE", "duration_seconds": 0.1})
    # The round ends with the last required test, so that the optional one must end before.
    opened.job("integration", duration_seconds=4)
    opened.apply_all()
    status = opened.until(lambda seen: seen.get("promotions"), "promoted to staging")
    aggregate = status["promotions"][0]["aggregate"]
    assert status["promotions"][0]["promoted"] is True
    assert aggregate["optional_tests_failed"] is True
    assert aggregate["all_passed"] is True
    assert aggregate["results"]["lighthouse"] == "Failed"
    assert opened.running()["staging"] == MERGE_SHA
