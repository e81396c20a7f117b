"""A pull request gets its tracker by itself, is only looked at first, and is promoted once that is wanted."""

from functools import partial

from deploy.local.demo.world import TRACKER
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.shop import DEADLINE_SECONDS, until

WRITES = ("POST", "PUT", "PATCH", "DELETE")


def test_a_merged_change_is_discovered_observed_and_promoted_once_the_mode_is_act(shop: OpenShop) -> None:
    opened = shop("discovered").open(merged=False)
    repository = opened.document("GitRepository", "web")
    repository["spec"]["discovery"] = {"baseBranches": [{"baseBranch": "main", "environment": "dev"}]}
    repository["spec"]["mode"] = "Observe"
    opened.document("Environment", "staging")["spec"]["final"] = True
    opened.apply_all(f"PullRequestTracker/{TRACKER}")
    opened.until_state("AwaitingMerge")
    opened.sandbox.post("/_github/merge", {"repo": f"acme/{opened.name}", "number": 412, "sha": MERGE_SHA})
    opened.deploy("dev", MERGE_SHA)
    waiting = opened.until_waiting("Policy", "mode: Act")
    assert waiting["object"] == "GitRepository/web"
    conditions = opened.conditions("GitRepository", "web")
    assert (conditions["Discovered"]["status"], conditions["Ready"]["status"]) == ("True", "True")
    assert opened.conditions("PullRequestTracker", TRACKER)["Stalled"]["status"] == "False"
    written = [entry for system in ("github", "jenkins", "argocd") for entry in opened.journal(system)]
    assert [entry["path"] for entry in written if entry["method"] in WRITES] == []
    repository["spec"]["mode"] = "Act"
    opened.apply("GitRepository", "web")
    opened.until_state("Completed")
    assert [place for place, _ in opened.patches()] == ["staging"]
    # Who removes the tracker does not want it: the same pull request gets none again.
    opened.cluster.delete("PullRequestTracker", opened.namespace, TRACKER)
    trackers = partial(opened.cluster.list, "PullRequestTracker", opened.namespace)
    until(trackers, lambda seen: seen == [], "the tracker is gone", 60)
    asked = len(opened.journal("github"))
    opened.sandbox.post("/_github/label", {"repo": f"acme/{opened.name}", "number": 412, "add": ["again"]})
    until(
        lambda: len(opened.journal("github")), lambda seen: seen > asked + 3, "the list is read again", DEADLINE_SECONDS
    )
    assert trackers() == []
