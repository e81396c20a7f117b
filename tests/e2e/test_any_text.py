"""Titles, labels, job names and reasons that people and tools do write, through every part."""

import json
import re

from tests.crds.test_gitops import CURRENT, kstatus
from tests.e2e.cluster import Document
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import jenkins_job, world
from tests.e2e.shop import DECLARED, Shop, until

TITLE = "🚀 Add <!-- x --> @acme/everyone, fixes #7 | \x1b[31mred\x1b[0m \u202etxt\u202c \ud83d\ude00 \x00 𝔘𝔫𝔦 𠀡"
STORED_TITLE = "🚀 Add <!-- x --> @acme/everyone, fixes #7 | \ufffd[31mred\ufffd[0m \u202etxt\u202c 😀 \ufffd 𝔘𝔫𝔦 𠀡"
JOB = "e2e 🧪 naïve 𝔘 שלום"
REASON = "🎉 שלום \u202etxt\u202c — it's fine"


def test_any_text_goes_through_every_part(shop: OpenShop) -> None:
    opened = shop("texts")
    opened.open()
    seed = world(opened.name)
    (pull,) = (one for one in seed["github"]["repos"][f"acme/{opened.name}"]["pulls"] if one["number"] == 412)
    pull["title"] = TITLE
    pull["labels"] = ["🏷 needs review", "@all"]
    seed["jenkins"]["jobs"] = {f"{opened.name}/{JOB}": jenkins_job()}
    opened.sandbox.post("/_seed", seed)
    for policy in ("dev-to-staging", "staging-to-prod"):
        (test, *_) = opened.document("PromotionPolicy", policy)["spec"]["tests"]
        test["job"] = f"{opened.name}/{JOB}"
        opened.document("PromotionPolicy", policy)["spec"]["tests"] = [test]
    opened.apply_all().until_waiting("PromoteCommand")
    opened.pilotage("promote", "web-412", "--reason", REASON)
    status = opened.until_state("Completed")
    assert status["pullRequest"]["title"] == STORED_TITLE
    assert {"🏷 needs review", "@all"} <= set(status["pullRequest"]["labels"])
    commands = opened.cluster.list("PromotionCommand", opened.namespace)
    assert [one["spec"]["reason"] for one in commands] == [REASON]
    comments = opened.until_presented("Completed")["comments"]
    shown = "\n".join(comments)
    outside_code = re.sub(r"`[^`\n]+`", "", shown)
    assert not re.search(r"@(?!ada\b)\w|#\d", outside_code), shown
    for arguments in (("show", "web-412"), ("why", "web-412"), ("get",)):
        output = opened.pilotage(*arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", output)
    assert (
        json.loads(opened.pilotage("show", "web-412", "-o", "json"))["status"]["pullRequest"]["title"] == STORED_TITLE
    )


def test_a_hop_without_tests_after_one_with_tests_is_shown_to_its_end(shop: OpenShop) -> None:
    opened = shop("untested").open()
    opened.document("PromotionPolicy", "staging-to-prod")["spec"]["tests"] = []
    opened.apply_all().until_waiting("PromoteCommand", "the policy has no tests")
    opened.pilotage("promote", "web-412")
    status = opened.until_state("Completed")
    assert [(one["target"], one["result"]) for one in status["promotions"]] == [
        ("staging", "Promoted"),
        ("prod", "Promoted"),
    ]
    assert status["promotions"][1].get("tests", []) == []
    available = until(
        lambda: opened.conditions("PullRequestTracker", "web-412").get("WorkflowAvailable", {}),
        lambda seen: seen.get("reason") == "Finished",
        "the workflow is Finished",
        60,
    )
    assert available["status"] == "True"
    for kind in ("PullRequestTracker", "PromotionCommand", *DECLARED):
        found = opened.cluster.list(kind, opened.namespace)
        assert found, kind
        names = [one["metadata"]["name"] for one in found]
        assert all(one["status"]["conditions"] for one in found), kind
        for name in names:
            _until_current(opened, kind, name)


def _until_current(shop: Shop, kind: str, name: str) -> None:
    def look() -> Document:
        return shop.cluster.get(kind, shop.namespace, name)

    until(look, lambda seen: kstatus(seen) == CURRENT, f"{kind} {name} is not current", 30)
