"""GitHub Actions and GitLab CI as runners: lost replies, approvals, queues and what a result means."""

import httpx

from crds.group import API_VERSION
from crds.rules.secrets import CONSENT_LABEL
from tests.e2e.cluster import Document
from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import StoryShop
from tests.e2e.shop import until

INPUTS = {name: {"required": False, "default": ""} for name in ("revision", "promotion_key")}


def at(shop: StoryShop, runner: str, job: str, **block: object) -> StoryShop:
    """Let the policy's one test run at another CI system; `block` holds the runner's knobs."""
    kind = "githubActions" if runner == "actions" else "gitlabCI"
    repository = "web" if runner == "actions" else "pipelines"
    [policy] = [one for one in shop.documents if one["kind"] == "PromotionPolicy"]
    [test] = policy["spec"]["tests"]
    test.update(name="e2e", runnerRef={"name": runner}, job=job, parameters={"revision": "${revision}"})
    added = [_resource(shop, "TestRunner", runner, {kind: {"repositoryRef": {"name": repository}, **block}})]
    if runner == "gitlab":
        domain = f"{shop.environment.sandbox_url}/gitlab/api/v4"
        provider = {"gitlab": {"domain": domain}, "secretRef": {"name": "gitlab-token"}}
        pipelines = {"scmProviderRef": {"name": "gitlab"}, "gitlab": {"namespace": "acme", "name": shop.name}}
        added.append(_resource(shop, "ScmProvider", "gitlab", provider))
        added.append(_resource(shop, "GitRepository", "pipelines", pipelines))
        shop.seed["gitlab"] = {
            "projects": {
                f"acme/{shop.name}": {
                    "branches": {"main": "1" * 40},
                    "trigger_tokens": ["sandbox-gitlab-trigger-token"],
                }
            }
        }
    shop.documents[1:1] = added
    shop.seed["github"]["repos"][f"acme/{shop.name}"]["workflows"] = {
        "e2e.yml": {"run_name": "e2e ${{ inputs.promotion_key }}", "inputs": INPUTS},
        "untraceable.yml": {"run_name": None, "inputs": INPUTS},
    }
    return shop


def _resource(shop: StoryShop, kind: str, name: str, spec: Document) -> Document:
    metadata = {"name": name, "namespace": shop.namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def secret(shop: StoryShop, **data: str) -> None:
    """Give GitLab's provider its Secret."""
    metadata = {"name": "gitlab-token", "namespace": shop.namespace, "labels": {CONSENT_LABEL: "true"}}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def test_a_lost_reply_of_a_workflow_that_shows_the_key_makes_one_run(story: OpenStory) -> None:
    shop = at(story("waves", "actions-lost"), "actions", "e2e.yml")
    shop.script(
        "github", "POST /github/.*/actions-lost/actions/workflows/e2e.yml/dispatches", "accept_then_drop", times=1
    )
    shop.begin().until_state("Completed")
    assert len(runs(shop)) == 1


def test_a_lost_reply_of_a_workflow_without_the_key_is_never_sent_again(story: OpenStory) -> None:
    shop = at(story("waves", "actions-blind"), "actions", "untraceable.yml")
    shop.script("github", "POST /github/.*/actions-blind/actions/workflows/.*/dispatches", "accept_then_drop", times=1)
    status = shop.begin().until_state("TestsFailed")
    [test] = status["tests"]
    assert test["state"] == "Error"
    assert "run-name" in test["message"]
    assert len(runs(shop)) == 1


def test_an_outage_after_a_lost_reply_makes_no_second_run_at_a_branch_of_the_runners_own(story: OpenStory) -> None:
    shop = at(story("waves", "actions-branch"), "actions", "untraceable.yml", ref="main")
    shop.script("github", "POST /github/.*/actions-branch/actions/workflows/.*/dispatches", "accept_then_drop", times=1)
    shop.script("github", "GET /github/.*/actions-branch/contents/.*", "status", status=503, times=1)
    [test] = shop.begin().until_state("TestsFailed")["tests"]
    assert (test["state"], "do not show the promotion key" in test["message"]) == ("Error", True)
    assert len(runs(shop)) == 1


def test_a_run_that_a_person_runs_again_before_its_end_was_read_counts_by_its_newest_attempt(story: OpenStory) -> None:
    shop = at(story("waves", "again"), "actions", "e2e.yml")
    shop.seed["github"]["repos"]["acme/again"]["workflows"]["e2e.yml"]["conclusion"] = ["failure", "success"]
    unread = shop.script("github", "GET /github/.*/again/actions/runs/[0-9]+", "status", status=502)
    shop.begin()
    [failed] = until(lambda: runs(shop), lambda seen: seen and seen[0]["conclusion"] == "failure", "it failed", 60)
    path = f"{shop.environment.sandbox_url}/github/repos/acme/again/actions/runs/{failed['id']}/rerun"
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer sandbox-github-token"}) as person:
        person.post(path).raise_for_status()
    shop.unscript(unread)
    [test] = shop.until_state("Completed")["promotions"][0]["tests"]
    assert (test["state"], "attempt 2" in str(test)) == ("Passed", True)
    assert len(runs(shop)) == 1


def test_a_workflow_that_waits_for_approval_shows_it_and_goes_on_when_approved(story: OpenStory) -> None:
    shop = at(story("waves", "approval"), "actions", "e2e.yml")
    shop.seed["github"]["repos"]["acme/approval"]["workflows"]["e2e.yml"]["approval"] = True
    asked = shop.begin().until_waiting("Verdict", "waits for an approval")["unblockWith"]
    assert asked.startswith("approve the run of job `e2e.yml`")
    [run] = runs(shop)
    shop.sandbox.post("/_github/result", {"repo": "acme/approval", "run": run["id"]})
    shop.until_state("Completed")
    assert len(runs(shop)) == 1


def test_a_skipped_workflow_is_an_error_unless_the_runner_declares_otherwise(story: OpenStory) -> None:
    shop = at(story("waves", "skipped"), "actions", "e2e.yml")
    shop.seed["github"]["repos"]["acme/skipped"]["workflows"]["e2e.yml"]["conclusion"] = "skipped"
    [test] = shop.begin().until_state("TestsFailed")["tests"]
    assert (test["state"], "skipped" in test["message"]) == ("Error", True)
    shop.document("TestRunner", "actions")["spec"]["githubActions"]["skipped"] = "Passed"
    shop.apply("TestRunner", "actions")
    shop.pilotage("retest", "web-412")
    shop.until_state("Completed")


def test_a_pipeline_is_started_by_its_trigger_token_and_read_by_the_other(story: OpenStory) -> None:
    shop = at(story("waves", "pipeline"), "gitlab", "main")
    shop.sandbox.post("/_seed", shop.seed)
    shop.cluster.apply(shop.documents[0])
    secret(shop, triggerToken="sandbox-gitlab-trigger-token")
    shop.begin()
    reachable = until(
        lambda: shop.conditions("TestRunner", "gitlab").get("Reachable", {}),
        lambda seen: seen.get("status") == "False" and "read_api" in seen.get("message", ""),
        "a trigger token alone is not enough",
        30,
    )
    assert reachable["reason"] == "Invalid"
    secret(shop, triggerToken="sandbox-gitlab-trigger-token", token="sandbox-gitlab-token")
    shop.until_state("Completed", seconds=150)
    posts = [one for one in shop.sandbox.journal() if one["system"] == "gitlab" and one["method"] == "POST"]
    assert [one["path"].rpartition("/projects/")[2] for one in posts if "/acme/pipeline/" in one["path"]] == [
        "acme/pipeline/trigger/pipeline"
    ]


def test_a_lost_reply_of_a_pipeline_whose_key_the_token_may_not_see_is_never_sent_again(story: OpenStory) -> None:
    shop = at(story("waves", "pipeline-blind"), "gitlab", "main")
    shop.seed["gitlab"]["tokens"] = {"sandbox-gitlab-reader": {"access": "reporter", "scopes": ["read_api"]}}
    shop.cluster.apply(shop.documents[0])
    secret(shop, triggerToken="sandbox-gitlab-trigger-token", token="sandbox-gitlab-reader")
    shop.script("gitlab", "POST /gitlab/.*pipeline-blind/trigger/pipeline", "accept_then_drop", times=1)
    [test] = shop.begin().until_state("TestsFailed")["tests"]
    assert (test["state"], "promotion key" in test["message"]) == ("Error", True)
    assert len(shop.sandbox.state()["gitlab"]["acme/pipeline-blind"]) == 1


def test_a_pipeline_with_inputs_whose_reply_is_lost_is_found_by_its_name(story: OpenStory) -> None:
    shop = at(story("waves", "pipeline-inputs"), "gitlab", "main", parametersAs="Inputs")
    shop.seed["gitlab"]["projects"]["acme/pipeline-inputs"] |= {
        "inputs": {"promotion_key": {"default": ""}, "revision": {"default": ""}},
        "workflow_name": "$[[ inputs.promotion_key ]]",
        "accepts_variables": False,
    }
    shop.cluster.apply(shop.documents[0])
    secret(shop, token="sandbox-gitlab-token")
    shop.script("gitlab", "POST /gitlab/.*pipeline-inputs/pipeline$", "accept_then_drop", times=1)
    shop.begin().until_state("Completed", seconds=150)
    [pipeline] = shop.sandbox.state()["gitlab"]["acme/pipeline-inputs"]
    assert pipeline["inputs"]["revision"]
    assert pipeline["name"] == pipeline["inputs"]["promotion_key"]


def test_a_pipeline_that_waits_for_a_person_shows_it(story: OpenStory) -> None:
    shop = at(story("waves", "manual"), "gitlab", "main")
    shop.seed["gitlab"]["projects"]["acme/manual"]["status"] = "manual"
    shop.cluster.apply(shop.documents[0])
    secret(shop, token="sandbox-gitlab-token")
    shop.begin().until(lambda seen: "waits for a person" in str(seen.get("tests")), "the person is shown")
    [pipeline] = shop.sandbox.state()["gitlab"]["acme/manual"]
    shop.sandbox.post("/_gitlab/result", {"project": "acme/manual", "pipeline": pipeline["id"], "status": "success"})
    shop.until_state("Completed")
    assert len(shop.sandbox.state()["gitlab"]["acme/manual"]) == 1


def runs(shop: StoryShop) -> list[dict[str, object]]:
    """Return the workflow runs of the shop's repository."""
    return list(shop.sandbox.state()["github"][f"acme/{shop.name}"]["runs"])
