"""What an outcome between success and failure counts as, each time as the runner declares and otherwise."""

from typing import Any

import pytest

from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.test_runners import at, secret


def test_an_unstable_build_is_a_failure_unless_the_runner_declares_otherwise(story: OpenStory) -> None:
    shop = story("waves", "unstable")
    shop.seed["jenkins"]["jobs"]["unstable/integration"]["result"] = "UNSTABLE"
    [test] = shop.begin().until_state("TestsFailed")["tests"]
    assert test["state"] == "Failed"
    shop.document("TestRunner", "jenkins")["spec"]["jenkins"]["unstable"] = "Passed"
    shop.apply("TestRunner", "jenkins")
    shop.pilotage("retest", "web-412")
    shop.until_state("Completed")


def test_a_neutral_workflow_passes_unless_the_runner_declares_otherwise(story: OpenStory) -> None:
    shop = at(story("waves", "neutral"), "actions", "e2e.yml", neutral="Failed")
    shop.seed["github"]["repos"]["acme/neutral"]["workflows"]["e2e.yml"]["conclusion"] = "neutral"
    [test] = shop.begin().until_state("TestsFailed")["tests"]
    assert test["state"] == "Failed"
    del shop.document("TestRunner", "actions")["spec"]["githubActions"]["neutral"]
    shop.apply("TestRunner", "actions")
    shop.pilotage("retest", "web-412")
    shop.until_state("Completed")


@pytest.mark.parametrize(
    ("name", "status", "block", "state"),
    [
        ("left-out", "skipped", {}, "Error"),
        ("left-out-well", "skipped", {"skipped": "Passed"}, "Passed"),
        ("by-hand", "manual", {"manual": "Error"}, "Error"),
    ],
)
def test_a_pipeline_counts_as_its_runner_declares(
    story: OpenStory, name: str, status: str, block: dict[str, Any], state: str
) -> None:
    shop = at(story("waves", name), "gitlab", "main", **block)
    shop.seed["gitlab"]["projects"][f"acme/{name}"]["status"] = status
    shop.cluster.apply(shop.documents[0])
    secret(shop, token="sandbox-gitlab-token")
    ended = shop.begin().until_state("Completed" if state == "Passed" else "TestsFailed")
    [test] = ended["promotions"][0]["tests"] if state == "Passed" else ended["tests"]
    assert test["state"] == state


def test_a_project_that_was_renamed_is_found_by_its_number(story: OpenStory) -> None:
    shop = at(story("waves", "renamed"), "gitlab", "main")
    shop.seed["gitlab"]["projects"]["acme/renamed"]["id"] = 7412
    shop.document("GitRepository", "pipelines")["spec"]["gitlab"] = {
        "namespace": "formerly",
        "name": "otherwise",
        "projectId": 7412,
    }
    shop.cluster.apply(shop.documents[0])
    secret(shop, token="sandbox-gitlab-token")
    shop.begin().until_state("Completed")
    assert len(shop.sandbox.state()["gitlab"]["acme/renamed"]) == 1


def test_a_runner_uses_its_own_secret_and_not_that_of_its_repository(story: OpenStory) -> None:
    shop = at(story("waves", "own-secret"), "actions", "e2e.yml")
    runner = shop.document("TestRunner", "actions")
    runner["spec"]["secretRef"] = {"name": "github-runner"}
    shop.begin().until_waiting("Verdict", "Secret", "github-runner")
    github = shop.document("Secret", "github-token")
    metadata = {**github["metadata"], "name": "github-runner"}
    shop.cluster.apply({**github, "metadata": metadata})
    assert shop.until_state("Completed")["promotions"][0]["result"] == "Promoted"
