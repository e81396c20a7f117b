"""GitHub Actions and GitLab CI as runners: lost replies, and what waits for people."""

import httpx

from tests.e2e.cluster import Document
from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.runners import (
    GITLAB_TOKEN,
    TRIGGER_TOKEN,
    actions,
    at,
    gitlab,
    pipelines,
    project_of,
    require,
    runs,
    secret,
    without_tests,
    workflow,
)
from tests.e2e.shop import until

READER_TOKEN = "sandbox-gitlab-reader"


def by_name(tests: list[Document]) -> dict[str, Document]:
    """Return the tests of a round by their names."""
    return {test["name"]: test for test in tests}


def test_a_run_whose_reply_is_lost_is_found_by_its_key_and_else_never_started_again(story: OpenStory) -> None:
    shop = without_tests(story("waves", "lost"))
    actions(shop)
    # A runner of its own, whose runs are those of one branch.
    actions(shop, "branch", ref="main")
    workflow(shop, "shown.yml")
    require(shop, "shown", "actions", "shown.yml")
    for name, runner in (("hidden", "actions"), ("on-branch", "branch")):
        workflow(shop, f"{name}.yml", run_name=None)
        require(shop, name, runner, f"{name}.yml")
    # Its runs have the key as their name, and its token may see it.
    named = gitlab(shop, "named", parametersAs="Inputs")
    named |= {
        "inputs": {"promotion_key": {"default": ""}, "revision": {"default": ""}},
        "workflow_name": "$[[ inputs.promotion_key ]]",
        "accepts_variables": False,
    }
    secret(shop, "named", token=GITLAB_TOKEN)
    # The key is a variable, which this token may not see.
    gitlab(shop, "blind")
    shop.seed["gitlab"]["tokens"] = {READER_TOKEN: {"access": "reporter", "scopes": ["read_api"]}}
    secret(shop, "blind", triggerToken=TRIGGER_TOKEN, token=READER_TOKEN)
    for name in ("named", "blind"):
        require(shop, name, name, "main")

    for name in ("shown", "hidden", "on-branch"):
        dispatch = f"POST /github/.*/lost/actions/workflows/{name}.yml/dispatches"
        shop.script("github", dispatch, "accept_then_drop", times=1)
    # While it is open whether runs show the key, the host is out of order.
    shop.script("github", "GET /github/.*/lost/contents/.*on-branch.yml", "status", status=503, times=1)
    shop.script("gitlab", "POST /gitlab/.*lost-named/pipeline$", "accept_then_drop", times=1)
    shop.script("gitlab", "POST /gitlab/.*lost-blind/trigger/pipeline", "accept_then_drop", times=1)
    tests = by_name(shop.begin().until_state("TestsFailed", seconds=150)["tests"])

    assert {name: test["state"] for name, test in tests.items()} == {
        "shown": "Passed",
        "hidden": "Error",
        "on-branch": "Error",
        "named": "Passed",
        "blind": "Error",
    }
    assert "run-name" in tests["hidden"]["message"]
    assert "do not show the promotion key" in tests["on-branch"]["message"]
    assert "promotion key" in tests["blind"]["message"]
    begun = {name: len(runs(shop, f"{name}.yml")) for name in ("shown", "hidden", "on-branch")}
    begun |= {name: len(pipelines(shop, name)) for name in ("named", "blind")}
    assert begun == dict.fromkeys(tests, 1)
    [pipeline] = pipelines(shop, "named")
    assert pipeline["inputs"]["revision"]
    assert pipeline["name"] == pipeline["inputs"]["promotion_key"]


def test_runs_that_wait_for_a_person_show_it_and_one_that_a_person_repeats_counts_by_its_end(story: OpenStory) -> None:
    shop = without_tests(story("waves", "persons"))
    actions(shop)
    workflow(shop, "again.yml", conclusion=["failure", "success"])
    workflow(shop, "approval.yml", approval=True)
    for name in ("again", "approval"):
        require(shop, name, "actions", f"{name}.yml")
    gitlab(shop)["status"] = "manual"
    secret(shop, token=GITLAB_TOKEN)
    require(shop, "manual", "gitlab", "main")
    unread = shop.script("github", "GET /github/.*/persons/actions/runs/[0-9]+", "status", status=502)
    shop.begin()

    # It is run again before its end was read.
    [failed] = until(
        lambda: runs(shop, "again.yml"), lambda seen: seen and seen[0]["conclusion"] == "failure", "it failed", 60
    )
    path = f"{shop.environment.sandbox_url}/github/repos/acme/persons/actions/runs/{failed['id']}/rerun"
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer sandbox-github-token"}) as person:
        person.post(path).raise_for_status()
    shop.unscript(unread)

    asked = shop.until_waiting("Verdict", "waits for an approval")["unblockWith"]
    assert asked.startswith("approve the run of job `approval.yml`")
    shop.until(
        lambda seen: "waits for a person" in str(by_name(seen.get("tests", [])).get("manual")), "the person is shown"
    )
    [run], [pipeline] = runs(shop, "approval.yml"), pipelines(shop)
    shop.sandbox.post("/_github/result", {"repo": "acme/persons", "run": run["id"]})
    ended = {"project": project_of(shop), "pipeline": pipeline["id"], "status": "success"}
    shop.sandbox.post("/_gitlab/result", ended)

    tests = by_name(shop.until_state("Completed")["promotions"][0]["tests"])
    assert {name: test["state"] for name, test in tests.items()} == dict.fromkeys(
        ("again", "approval", "manual"), "Passed"
    )
    assert "attempt 2" in str(tests["again"])
    assert (len(runs(shop, "again.yml")), len(runs(shop, "approval.yml")), len(pipelines(shop))) == (1, 1, 1)


def test_a_pipeline_is_started_by_its_trigger_token_and_read_by_the_other(story: OpenStory) -> None:
    shop = at(story("waves", "pipeline"), "gitlab", "main")
    shop.sandbox.post("/_seed", shop.seed)
    secret(shop, triggerToken=TRIGGER_TOKEN)
    shop.begin()
    reachable = until(
        lambda: shop.conditions("TestRunner", "gitlab").get("Reachable", {}),
        lambda seen: seen.get("status") == "False" and "read_api" in seen.get("message", ""),
        "a trigger token alone is not enough",
        30,
    )
    assert reachable["reason"] == "Invalid"
    secret(shop, triggerToken=TRIGGER_TOKEN, token=GITLAB_TOKEN)
    shop.until_state("Completed", seconds=150)
    posts = [one for one in shop.sandbox.journal() if one["system"] == "gitlab" and one["method"] == "POST"]
    assert [one["path"].rpartition("/projects/")[2] for one in posts if f"/{project_of(shop)}/" in one["path"]] == [
        f"{project_of(shop)}/trigger/pipeline"
    ]
