"""Components: which are touched, how what runs is recognised, and how each is written."""

from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA, PREVIOUS_SHA
from tests.e2e.shop import until


def test_each_component_is_recognised_by_its_tag_and_written_in_its_own_way(story: OpenStory) -> None:
    shop = story("components", "both").begin()
    status = shop.until_state("Completed")
    [record] = status["promotions"]
    artifacts = {one["component"]: one for one in record["artifacts"]}
    assert {name: one["revision"] for name, one in artifacts.items()} == {"api": MERGE_SHA, "site": MERGE_SHA}
    assert (artifacts["api"]["tag"], artifacts["site"]["tag"]) == (f"sha-{MERGE_SHA}", f"v-{MERGE_SHA[:8]}")
    assert {test["name"] for test in record["tests"]} == {"integration", "lighthouse"}
    [first] = shop.live("api-staging")["sources"]
    assert first["kustomize"]["images"] == [f"ghcr.io/acme/api:sha-{MERGE_SHA}"]
    _, second = shop.live("site-staging")["sources"]
    assert second["helm"]["parameters"] == [
        {"name": "replicas", "value": "2"},
        {"name": "image.tag", "value": f"v-{MERGE_SHA[:8]}"},
    ]
    assert sorted(shop.written()) == ["api-staging", "site-staging"]
    writable = until(
        lambda: shop.condition("staging", "Writable"), lambda seen: seen.get("status") == "True", "Writable", 20
    )
    assert writable["reason"] == "Writable"


def test_a_component_is_found_among_many_changed_files_and_the_other_is_left_alone(story: OpenStory) -> None:
    files = [f"docs/page-{number}.md" for number in range(130)]
    shop = story("components", "many").changes(*files, "services/api/deep/down/main.py").begin()
    [record] = shop.until_state("Completed")["promotions"]
    assert [one["component"] for one in record["artifacts"]] == ["api"]
    # The site's own test is not needed.
    assert [test["name"] for test in record["tests"]] == ["integration"]
    assert shop.written() == ["api-staging"]


def test_a_change_of_no_component_is_completed_with_nothing_to_deploy(story: OpenStory) -> None:
    shop = story("components", "nothing").changes("README.md", "services/apiary.py").begin()
    status = shop.until_state("Completed")
    assert status["reason"] == "NothingToDeploy"
    assert shop.written() == []


def test_an_application_that_an_applicationset_owns_is_refused_until_it_is_allowed(story: OpenStory) -> None:
    shop = story("components", "owned").changes("site/index.html")
    shop.app("site-staging")["owner_references"] = [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "sites", "uid": "1"}
    ]
    shop.begin()
    failed = shop.until_state("PromotionFailed")
    assert "OwnedBy ApplicationSet/sites" in failed["message"]
    condition = until(
        lambda: shop.condition("staging", "Writable"), lambda seen: seen.get("status") == "False", "not Writable", 20
    )
    assert condition["reason"] == "OwnedBy"
    assert shop.written() == []
    staging = shop.document("Environment", "staging")
    staging["spec"]["deployments"][1]["write"]["argocd"]["allowManaged"] = True
    shop.apply("Environment", "staging")
    shop.pilotage("retry", "web-412")
    shop.until_state("Completed")
    assert shop.written() == ["site-staging"]


def test_a_tag_that_no_template_made_is_named_and_waits(story: OpenStory) -> None:
    shop = story("components", "latest").changes("services/api/main.py")
    shop.app("api-dev")["source"]["kustomize"]["images"] = ["ghcr.io/acme/api:latest"]
    shop.begin()
    shop.until(lambda seen: "`latest`" in seen.get("message", ""), "the tag is named")
    assert shop.status()["state"] == "AwaitingSync"
    # Once the team deploys what the template makes, it goes on by itself.
    shop.app("api-dev")["source"]["kustomize"]["images"] = [f"ghcr.io/acme/api:sha-{MERGE_SHA}"]
    shop.sandbox.post("/_seed", {"argocd": {"apps": {f"{shop.name}-api-dev": shop.app("api-dev")}}})
    shop.until_state("Completed")


def test_an_abbreviated_tag_of_no_commit_is_named(story: OpenStory) -> None:
    shop = story("components", "strange").changes("site/index.html")
    shop.app("site-dev")["sources"][1]["helm"]["parameters"][1]["value"] = "v-abcdef0"
    shop.begin()
    status = shop.until(lambda seen: "no commit abcdef0" in seen.get("message", ""), "the tag is named")
    assert status["state"] == "AwaitingSync"


def test_components_whose_paths_overlap_are_named_by_their_field(story: OpenStory) -> None:
    shop = story("components", "overlapping")
    shop.document("GitRepository", "web")["spec"]["components"][1]["paths"] = ["services/**"]
    shop.begin()
    shop.until_waiting("Reference", "spec.components[1].paths[0]", "overlaps")
    shop.document("GitRepository", "web")["spec"]["components"][1]["paths"] = ["site/**"]
    shop.apply("GitRepository", "web")
    assert shop.until_state("Completed")["promotions"]


def test_a_target_that_does_not_deploy_the_component_is_named(story: OpenStory) -> None:
    shop = story("components", "undeployed").changes("site/index.html")
    staging = shop.document("Environment", "staging")
    site = staging["spec"]["deployments"].pop()
    shop.begin()
    shop.until_waiting("Target", "does not deploy site")
    staging["spec"]["deployments"].append(site)
    shop.apply("Environment", "staging")
    shop.until_state("Completed")
    assert shop.written() == ["site-staging"]


def test_an_application_that_is_scaled_to_zero_is_written_only_once_what_runs_is_known(story: OpenStory) -> None:
    shop = story("components", "asleep").changes("services/api/main.py")
    shop.app("api-staging")["scaled_to_zero"] = True
    shop.begin()
    waiting = shop.until_waiting("Target", "lists no image ghcr.io/acme/api", "scaled to zero")
    assert waiting["what"] == "Target"
    assert shop.status()["reason"] == "TargetUnreadable"
    assert shop.written() == []
    shop.sandbox.post("/_argocd/set", {"app": "asleep-api-staging", "scaled_to_zero": False})
    shop.until_state("Completed")
    assert shop.written() == ["api-staging"]


def test_a_finished_jobs_old_tag_does_not_keep_the_new_one_from_arriving(story: OpenStory) -> None:
    shop = story("components", "jobs").changes("services/api/main.py")
    shop.app("api-staging")["other_images"] = [f"ghcr.io/acme/api:sha-{PREVIOUS_SHA}"]
    shop.begin()
    [record] = shop.until_state("Completed")["promotions"]
    assert [one["result"] for one in record["applications"]] == ["Promoted"]
    assert len(shop.live("api-staging")["images"]) == 2
