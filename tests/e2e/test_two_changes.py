"""Two pull requests on their way at the same time: both arrive, no place ever goes backwards, hold means something."""

import copy
import itertools

import pytest

from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import gates_of
from tests.e2e.shop import Shop, until

OLDER, NEWER = "web-412", "web-413"
NEWER_HEAD = "4130000000000000000000000000000000000aaa"
NEWER_SHA = "4130000000000000000000000000000000000413"
LONG_SECONDS = 600

_numbers = itertools.count(1)


@pytest.fixture
def two(shop: OpenShop) -> Shop:
    """A shop where the tests in dev of #412 run, and after it #413 was merged and deployed: its tests run too."""
    opened = shop(f"two-{next(_numbers)}").open(integration={"duration_seconds": LONG_SECONDS})
    opened.document("PromotionPolicy", "staging-to-prod")["spec"]["autoPromote"] = True
    for document in opened.documents:
        for test in gates_of(document):
            # One test decides, so that a test's end is the round's end.
            test["required"] = test["name"] == "integration" or document["metadata"]["name"] == "staging-to-prod"
    opened.apply_all().until(lambda seen: _runs(opened, MERGE_SHA), "the older one is tested")
    # A first poll comes after the source was read once more: then a newer change there begins no new round.
    opened.until(lambda seen: any(one["state"] == "Running" for one in seen.get("tests", ())), "its round has begun")
    _merge_newer(opened)
    opened.until(lambda seen: _runs(opened, NEWER_SHA), "the newer one is tested", tracker=NEWER)
    return opened


def test_both_arrive_when_the_tests_of_the_older_end_first(two: Shop) -> None:
    _end_tests(two, MERGE_SHA)
    older = two.until_state("Completed", tracker=OLDER)
    _end_tests(two, NEWER_SHA)
    newer = two.until_state("Completed", tracker=NEWER)
    assert _results(older) == ["Promoted", "Promoted"]
    assert _results(newer) == ["Promoted", "Promoted"]
    assert _writes(two, "staging") == [MERGE_SHA, NEWER_SHA]
    assert _writes(two, "prod") == [MERGE_SHA, NEWER_SHA]
    assert two.running() == {"dev": NEWER_SHA, "staging": NEWER_SHA, "prod": NEWER_SHA}


def test_the_older_is_brought_along_when_the_tests_of_the_newer_end_first(two: Shop) -> None:
    _end_tests(two, NEWER_SHA)
    older = two.until(lambda seen: seen.get("promotions"), "brought along", tracker=OLDER)
    assert older["promotions"][0]["result"] == "AlreadyContained"
    assert older["promotions"][0]["promoted"] is True
    assert older["promotions"][0]["broughtBy"] == NEWER
    two.until_state("Completed", tracker=NEWER)
    two.until_state("Completed", tracker=OLDER)
    assert _writes(two, "staging") == [NEWER_SHA]
    assert _writes(two, "prod") == [NEWER_SHA]
    # No one needs the verdict any more.
    results = {build["parameters"]["REVISION"]: build["result"] for build in two.builds("integration")}
    assert results[MERGE_SHA] == "ABORTED"


def test_hold_on_the_older_blocks_the_newer_until_release(two: Shop) -> None:
    two.pilotage("hold", OLDER, "--reason", "the shop is open")
    two.until_state("Held", tracker=OLDER)
    _end_tests(two, NEWER_SHA)
    waiting = two.until_waiting("Lane", OLDER, tracker=NEWER)
    assert waiting["object"] == OLDER
    assert two.status(NEWER)["reason"] == "BlockedBy"
    assert _writes(two, "staging") == []
    two.pilotage("release", OLDER)
    two.until_state("Completed", tracker=NEWER)
    two.until_state("Completed", tracker=OLDER)
    assert _writes(two, "staging") == [NEWER_SHA]
    assert _writes(two, "prod") == [NEWER_SHA]


def _merge_newer(opened: Shop) -> None:
    """Merge #413 after #412, deploy it to dev, and track it."""
    repository = {"repo": f"acme/{opened.name}"}
    sandbox = opened.sandbox
    sandbox.post("/_github/commit", {**repository, "sha": NEWER_HEAD, "parents": [MERGE_SHA]})
    head = {"ref": "sunshades", "sha": NEWER_HEAD}
    sandbox.post("/_github/pull", {**repository, "number": 413, "title": "Sell sunshades", "head": head})
    merge = {**repository, "sha": NEWER_SHA, "parents": [MERGE_SHA, NEWER_HEAD], "branch": "main"}
    sandbox.post("/_github/commit", merge)
    sandbox.post("/_github/merge", {**repository, "number": 413, "sha": NEWER_SHA})
    opened.deploy("dev", NEWER_SHA)
    tracker = copy.deepcopy(opened.document("PullRequestTracker", OLDER))
    tracker["metadata"]["name"], tracker["spec"]["number"] = NEWER, 413
    opened.cluster.apply(tracker)


def _runs(opened: Shop, revision: str) -> bool:
    return any(
        build["parameters"]["REVISION"] == revision and build["building"] for build in opened.builds("integration")
    )


def _end_tests(opened: Shop, revision: str) -> None:
    """Let the test that decides end well, for one of the two."""
    for build in opened.builds("integration"):
        if build["parameters"]["REVISION"] == revision:
            opened.job("integration", number=build["number"], result="SUCCESS")
    until(lambda: _runs(opened, revision), lambda still: not still, "the test ended", 30)


def _results(status: dict[str, list[dict[str, str]]]) -> list[str]:
    return [record["result"] for record in status["promotions"]]


def _writes(opened: Shop, place: str) -> list[str]:
    return [revision for written, revision in opened.patches() if written == place]
