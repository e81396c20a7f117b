"""What people see on the pull request next to the comment: the host's own deployments, and what is turned off."""

from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import Shop, until

ADDRESS = "https://staging.shop.example"
OFF = {"labels": False, "statuses": False, "deployments": False, "comment": False}


def _to_staging(shop: Shop) -> None:
    shop.open().document("Environment", "staging")["spec"].update(final=True, url=ADDRESS)
    shop.apply_all()
    shop.until_state("Completed")


def test_the_host_shows_what_was_deployed_where_with_its_address(shop: OpenShop) -> None:
    opened = shop("deployments")
    _to_staging(opened)
    opened.until_presented("Completed")
    shown = opened.repository()["deployments"]
    assert [(one["sha"], one["environment"], one["states"][-1], one["address"]) for one in shown] == [
        (MERGE_SHA, "staging", "success", ADDRESS)
    ]


def test_what_is_turned_off_is_not_written(shop: OpenShop) -> None:
    opened = shop("quiet")
    repository = next(one for one in opened.documents if one["kind"] == "GitRepository")
    repository["spec"]["show"] = OFF
    _to_staging(opened)
    until(
        lambda: opened.conditions("PullRequestTracker", "web-412"),
        lambda seen: seen.get("Presented", {}).get("status") == "True",
        "presented",
        30,
    )
    seen = opened.repository()
    assert (seen["deployments"], seen["statuses"]) == ([], {})
    assert (opened.pull()["labels"], opened.pull()["comments"]) == (["feature"], [])
