"""A tracker that comes before everything that it names names what is missing, and goes on by itself."""

from tests.e2e.conftest import OpenShop


def test_a_tracker_applied_first_names_what_is_missing_one_thing_after_the_other(shop: OpenShop) -> None:
    opened = shop("early").open()
    opened.apply("PullRequestTracker", "web-412")

    opened.until_waiting("Reference", "GitRepository", "web")
    opened.apply("GitRepository", "web")
    opened.until_waiting("Reference", "ScmProvider", "github")
    opened.apply("ScmProvider", "github")
    opened.until_waiting("Reference", "Secret", "github-token")
    opened.apply("Secret", "github-token")

    opened.until_waiting("Reference", "Environment", "dev")
    opened.apply("Environment", "dev")
    opened.until_waiting("Reference", "ArgoCDInstance", "argocd")
    opened.apply("ArgoCDInstance", "argocd")
    opened.until_waiting("Reference", "Secret", "argocd-token")
    opened.apply("Secret", "argocd-token")

    opened.until_waiting("Policy", "no policy leaves dev")
    opened.apply("PromotionPolicy", "dev-to-staging")
    opened.until_waiting("Policy", "TestRunner", "jenkins")
    opened.apply("TestRunner", "jenkins")
    opened.until_waiting("Policy", "Environment", "staging")
    opened.apply("Environment", "staging")

    # A policy is valid without its runner's Secret: that may come and go at any time.
    opened.until_waiting("Verdict", "Secret", "jenkins-token")
    opened.apply("Secret", "jenkins-token")

    opened.until_waiting("Policy", "no policy leaves staging")
    opened.apply("Environment", "prod")
    opened.apply("PromotionPolicy", "staging-to-prod")
    opened.until_waiting("PromoteCommand")
    opened.pilotage("promote", "web-412")
    completed = opened.until_state("Completed")
    assert [one["target"] for one in completed["promotions"]] == ["staging", "prod"]
    # The last presentation, and what its condition shows, come after the state.
    opened.until(
        lambda seen: {one["status"] for one in seen["conditions"] if one["type"] != "Stalled"} == {"True"},
        "every condition holds at its end",
    )
