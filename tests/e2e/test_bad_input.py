"""Bad input: each names what to fix in the status, harms nothing else, and goes on by itself once it is fixed.

Several cases are played at the same time, since most of their time is waiting.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest

from deploy.local.demo.world import TRACKER
from deploy.local.sandbox.seed import HEAD_SHA, MERGE_SHA, PROJECT
from tests.e2e.cluster import Document
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import jenkins_job
from tests.e2e.shop import Shop

SECONDS = 120.0
AT_THE_SAME_TIME = 5
Fix = Callable[[], object]


PLACE = ("ReferencesResolved", "DeploymentUnreadable")
TEST = ("ReferencesResolved", "TestRefused")


def _tested(status: Document) -> object:
    return status.get("tests")


def _arrived(status: Document) -> object:
    return any(record["promoted"] for record in status.get("promotions", ()))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of bad input."""

    spoil: Callable[[Shop], Fix]
    """Spoil a shop before its samples are applied; returns what fixes it."""
    waits: str
    """What the tracker waits for meanwhile."""
    shows: tuple[str, ...]
    """What stands in `waitingFor` and in the condition, for a person to know what is wrong."""
    fix: tuple[str, ...]
    """What `unblockWith` and the condition name for that person to fix."""
    condition: tuple[str, str] = ("ReferencesResolved", "WaitingForReference")
    """Type and reason of the condition that is False meanwhile."""
    tracker: str = TRACKER
    command: str = ""
    """The command that people give once it is fixed; without one it goes on by itself."""
    goes_on: Callable[[Document], object] = _tested
    """How the status shows that it went on."""


def _secret(name: str, **data: str) -> Callable[[Shop], Fix]:
    """Replace a credential; the right one fixes."""

    def spoil(shop: Shop) -> Fix:
        good = copy.deepcopy(shop.document("Secret", name))
        shop.document("Secret", name)["stringData"] = data
        return lambda: shop.cluster.apply(good)

    return spoil


def _seeded(secret: str, seed: Document, **data: str) -> Callable[[Shop], Fix]:
    """Let the stand-ins know a credential with too few rights, and use it."""

    def spoil(shop: Shop) -> Fix:
        shop.sandbox.post("/_seed", seed)
        return _secret(secret, **data)(shop)

    return spoil


def _scripted(system: str, match: str, **more: object) -> Callable[[Shop], Fix]:
    """Let a host answer wrongly until the rule is taken back; `{}` in the match is the shop's name."""

    def spoil(shop: Shop) -> Fix:
        rule = shop.script(system, match.format(shop.name), "status", **more)
        return lambda: shop.unscript(rule)

    return spoil


def _no_pull_request(shop: Shop) -> Fix:
    tracker = shop.document("PullRequestTracker", TRACKER)
    tracker["metadata"]["name"], tracker["spec"]["number"] = "web-999", 999
    pull = {"number": 999, "head": {"ref": "umbrellas", "sha": HEAD_SHA}, "merged": True, "merge_sha": MERGE_SHA}
    return lambda: shop.sandbox.post("/_github/pull", {"repo": f"acme/{shop.name}", **pull})


def _no_job(shop: Shop) -> Fix:
    policy = shop.document("PromotionPolicy", "dev-to-staging")
    policy["spec"]["tests"][0]["job"] = f"{shop.name}/forgotten"
    return lambda: shop.sandbox.post("/_seed", {"jenkins": {"jobs": {f"{shop.name}/forgotten": jenkins_job()}}})


def _no_application(shop: Shop) -> Fix:
    environment = shop.document("Environment", "dev")
    good = copy.deepcopy(environment)
    environment["spec"]["deployments"][0]["argocd"]["application"] = f"{shop.name}-forgotten"
    return lambda: shop.cluster.apply(good)


def _no_host(shop: Shop) -> Fix:
    provider = shop.document("ScmProvider", "github")
    good = copy.deepcopy(provider)
    # Nothing listens on the discard port.
    provider["spec"]["github"]["domain"] = "http://127.0.0.1:9/github"
    return lambda: shop.cluster.apply(good)


def _argocd_token(subject: str, projects: Mapping[str, list[str]]) -> Callable[[Shop], Fix]:
    token = f"sandbox-{subject}-token"
    seed: Document = {"argocd": {"tokens": {token: {"subject": subject, "projects": projects}}}}
    return _seeded("argocd-token", seed, token=token)


HTML = "<html><head><title>Bad Gateway</title></head><body>try again</body></html>"

CASES: dict[str, Case] = {
    "github-refuses-the-token": Case(
        spoil=_secret("github-token", token="wrong-github-token"),
        waits="Reference",
        shows=("pull request", "401"),
        fix=("the credential of GitRepository/",),
    ),
    "github-forbids-reading": Case(
        spoil=_seeded(
            "github-token",
            {"github": {"tokens": {"sandbox-blind-token": {"login": "blind", "permissions": {"metadata": "read"}}}}},
            token="sandbox-blind-token",
        ),
        waits="Reference",
        shows=("pull request", "403"),
        fix=("the credential of GitRepository/", "its rights"),
    ),
    "github-secret-without-the-token": Case(
        spoil=_secret("github-token", password="wrong"),
        waits="Reference",
        shows=("Secret", "`token`"),
        fix=("GitRepository/web",),
    ),
    "github-does-not-answer": Case(
        spoil=_no_host,
        waits="Reference",
        shows=("127.0.0.1:9",),
        fix=("check the host of GitRepository/",),
        condition=("ReferencesResolved", "Unavailable"),
    ),
    "github-answers-garbage": Case(
        spoil=_scripted("github", "GET /github/.*repos/acme/{}/pulls/412$", status=200, body=HTML),
        waits="Reference",
        shows=("pull request", "JSON"),
        fix=("check the host of GitRepository/",),
    ),
    "pull-request-missing": Case(
        spoil=_no_pull_request,
        waits="Reference",
        shows=("pull request #999", "404"),
        fix=("create pull request #999", "GitRepository/"),
        tracker="web-999",
    ),
    "argocd-refuses-the-token": Case(
        spoil=_secret("argocd-token", token="wrong-argocd-token"),
        waits="Sync",
        shows=("401",),
        fix=("fix ArgoCDInstance/argocd",),
        condition=PLACE,
    ),
    "argocd-forbids-reading": Case(
        spoil=_argocd_token("stranger", {"elsewhere": ["get"]}),
        waits="Sync",
        shows=("403",),
        fix=("fix ArgoCDInstance/argocd",),
        condition=PLACE,
    ),
    "argocd-application-missing": Case(
        spoil=_no_application,
        waits="Sync",
        shows=("-forgotten", "404"),
        fix=("ArgoCDInstance/argocd", "-forgotten as Environment/dev names it"),
        condition=PLACE,
    ),
    "argocd-answers-garbage": Case(
        spoil=_scripted("argocd", "GET /argocd/.*/{}-dev", status=200, body=HTML),
        waits="Sync",
        shows=("application", "JSON"),
        fix=("check ArgoCDInstance/argocd",),
        condition=PLACE,
    ),
    "argocd-forbids-writing": Case(
        spoil=_argocd_token("reader", {PROJECT: ["get"]}),
        waits="Retry",
        shows=("403", "update"),
        fix=("pilotage", "retry"),
        condition=("Completed", "WaveFailed"),
        command="retry",
        goes_on=_arrived,
    ),
    "jenkins-refuses-the-token": Case(
        spoil=_secret("jenkins-token", username="ci", token="wrong-jenkins-token"),
        waits="Verdict",
        shows=("401",),
        fix=("fix the credential of TestRunner/jenkins", "retest"),
        condition=TEST,
        goes_on=_arrived,
    ),
    "jenkins-forbids-building": Case(
        spoil=_seeded(
            "jenkins-token",
            {"jenkins": {"users": {"guest": {"token": "sandbox-guest-token", "permissions": ["discover", "read"]}}}},
            username="guest",
            token="sandbox-guest-token",
        ),
        waits="Verdict",
        shows=("403",),
        fix=("fix the credential of TestRunner/jenkins", "its rights on job"),
        condition=TEST,
        goes_on=_arrived,
    ),
    "jenkins-job-missing": Case(
        spoil=_no_job,
        waits="Verdict",
        shows=("forgotten", "404"),
        fix=("/forgotten` at TestRunner/jenkins", "fix PromotionPolicy/dev-to-staging, then pilotage"),
        condition=TEST,
        goes_on=_arrived,
    ),
    "jenkins-answers-garbage": Case(
        spoil=_scripted("jenkins", "GET /jenkins/job/{}/job/integration/", status=200, body=HTML),
        waits="Verdict",
        shows=("integration", "JSON"),
        fix=("check TestRunner/jenkins",),
        condition=TEST,
        goes_on=_arrived,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the tracker showed while the case was spoilt, and its conditions after it was fixed."""

    waiting: Document
    spoilt: dict[str, Document]
    fixed: dict[str, Document]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, new_shop: OpenShop) -> Iterator[dict[str, "Future[Played]"]]:
    """The outcome of each case that was asked for."""
    wanted = [name for name in CASES if any(f"[{name}]" in item.name for item in request.session.items)]
    with ThreadPoolExecutor(max_workers=AT_THE_SAME_TIME) as pool:
        yield {name: pool.submit(_play, new_shop(name), CASES[name]) for name in wanted}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_names_what_to_fix_and_goes_on_once_fixed(name: str, played: dict[str, "Future[Played]"]) -> None:
    case, seen = CASES[name], played[name].result()
    assert seen.waiting["what"] == case.waits
    assert [text for text in case.fix if text not in seen.waiting["unblockWith"]] == []
    kind, reason = case.condition
    assert (seen.spoilt[kind]["status"], seen.spoilt[kind]["reason"]) == ("False", reason)
    wanted = case.shows if case.command else (*case.shows, *case.fix)
    assert [text for text in wanted if text not in seen.spoilt[kind]["message"]] == []
    assert seen.fixed["ReferencesResolved"]["status"] == "True"


def _play(shop: Shop, case: Case) -> Played:
    with closing(shop.open()):
        fix = case.spoil(shop)
        shop.apply_all()
        waiting = shop.until_waiting(case.waits, *case.shows, *case.fix, tracker=case.tracker, seconds=SECONDS)
        spoilt = shop.conditions("PullRequestTracker", case.tracker)
        assert shop.patches() == []
        fix()
        if case.command:
            shop.pilotage(case.command, case.tracker)
        shop.until(case.goes_on, "goes on", tracker=case.tracker, seconds=SECONDS)
        return Played(waiting=waiting, spoilt=spoilt, fixed=shop.conditions("PullRequestTracker", case.tracker))
