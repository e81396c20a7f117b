"""Every variable of the documented list reaches the CI system with the value that its name promises."""

from crds.rules.substitution import VARIABLES
from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA

HEAD_SHA = "ca11ab1e00000000000000000000000000000412"


def test_every_variable_reaches_the_job_with_its_own_value(story: OpenStory) -> None:
    shop = story("components", "variables").changes("services/api/main.py")
    for place, colour in (("dev", "blue"), ("staging", "green")):
        shop.document("Environment", place)["spec"]["vars"] = {"colour": colour}
    names = {f"P{number}": name.replace("*", "colour") for number, name in enumerate(VARIABLES)}
    integration = shop.document("PromotionPolicy", "dev-to-staging")["spec"]["tests"][0]
    integration["parameters"] = {parameter: f"${{{name}}}" for parameter, name in names.items()}
    shop.seed["jenkins"]["jobs"]["variables/integration"]["parameters"] = [*names, "PROMOTION_KEY"]
    status = shop.begin().until_state("Completed")
    [build] = shop.builds("integration")
    assert {name: build["parameters"][parameter] for parameter, name in names.items()} == {
        "revision": MERGE_SHA,
        "pullRequest.number": "412",
        "pullRequest.title": "Sell umbrellas",
        "pullRequest.author": "ada",
        "pullRequest.headSHA": HEAD_SHA,
        "pullRequest.mergeSHA": MERGE_SHA,
        "pullRequest.branch": "umbrellas",
        "pullRequest.baseBranch": "main",
        "pullRequest.url": status["pullRequest"]["url"],
        "repository.name": "variables",
        "repository.owner": "acme",
        "repository.fullName": "acme/variables",
        "sourceEnvironment": "dev",
        "targetEnvironment": "staging",
        "component.name": "api",
        "artifact.image": "ghcr.io/acme/api",
        "artifact.tag": f"sha-{MERGE_SHA}",
        "deployment.name": "api",
        "source.vars.colour": "blue",
        "target.vars.colour": "green",
        "policy.name": "dev-to-staging",
        "promotion.key": build["parameters"]["PROMOTION_KEY"],
    }
