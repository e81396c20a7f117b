"""What an outcome between success and failure counts as, and which project and Secret a runner uses."""

from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.runners import (
    GITLAB_TOKEN,
    actions,
    at,
    gitlab,
    pipelines,
    policy_of,
    require,
    secret,
    without_tests,
    workflow,
)
from tests.e2e.components.test_runners import by_name


def test_an_outcome_between_success_and_failure_counts_as_its_runner_declares(story: OpenStory) -> None:
    shop = story("waves", "outcomes")
    # That of the samples runs at Jenkins.
    shop.seed["jenkins"]["jobs"]["outcomes/integration"]["result"] = "UNSTABLE"
    actions(shop, neutral="Failed")
    for outcome in ("neutral", "skipped"):
        workflow(shop, f"{outcome}.yml", conclusion=outcome)
        require(shop, outcome, "actions", f"{outcome}.yml")
    gitlab(shop, "left-out")["status"] = "skipped"
    gitlab(shop, "by-hand", manual="Error")["status"] = "manual"
    for runner in ("left-out", "by-hand"):
        secret(shop, runner, token=GITLAB_TOKEN)
        require(shop, runner, runner, "main")
    tests = by_name(shop.begin().until_state("TestsFailed")["tests"])
    assert {name: test["state"] for name, test in tests.items()} == {
        "integration": "Failed",
        "neutral": "Failed",
        "skipped": "Error",
        "left-out": "Error",
        "by-hand": "Error",
    }
    assert "skipped" in tests["skipped"]["message"]

    shop.document("TestRunner", "jenkins")["spec"]["jenkins"]["unstable"] = "Passed"
    block = shop.document("TestRunner", "actions")["spec"]["githubActions"]
    del block["neutral"]
    block["skipped"] = "Passed"
    shop.document("TestRunner", "left-out")["spec"]["gitlabCI"]["skipped"] = "Passed"
    for runner in ("jenkins", "actions", "left-out"):
        shop.apply("TestRunner", runner)
    # By default this one waits for a person.
    policy = policy_of(shop)
    policy["spec"]["tests"] = [one for one in policy["spec"]["tests"] if one["name"] != "by-hand"]
    shop.apply("PromotionPolicy", policy["metadata"]["name"])
    shop.pilotage("retest", "web-412")
    tests = by_name(shop.until_state("Completed")["promotions"][0]["tests"])
    assert {name: test["state"] for name, test in tests.items()} == {
        "integration": "Passed",
        "neutral": "Passed",
        "skipped": "Passed",
        "left-out": "Passed",
    }


def test_a_project_that_was_renamed_is_found_by_its_number(story: OpenStory) -> None:
    shop = without_tests(story("waves", "renamed"))
    gitlab(shop)["id"] = 7412
    require(shop, "e2e", "gitlab", "main")
    shop.document("GitRepository", "gitlab")["spec"]["gitlab"] = {
        "namespace": "formerly",
        "name": "otherwise",
        "projectId": 7412,
    }
    secret(shop, token=GITLAB_TOKEN)
    shop.begin().until_state("Completed")
    assert len(pipelines(shop)) == 1


def test_a_runner_uses_its_own_secret_and_not_that_of_its_repository(story: OpenStory) -> None:
    shop = at(story("waves", "own-secret"), "actions", "e2e.yml")
    runner = shop.document("TestRunner", "actions")
    runner["spec"]["secretRef"] = {"name": "github-runner"}
    shop.begin().until_waiting("Verdict", "Secret", "github-runner")
    github = shop.document("Secret", "github-token")
    metadata = {**github["metadata"], "name": "github-runner"}
    shop.cluster.apply({**github, "metadata": metadata})
    assert shop.until_state("Completed")["promotions"][0]["result"] == "Promoted"
