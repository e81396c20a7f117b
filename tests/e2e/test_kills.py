"""Every process may die in the middle of a round: the promotion is completed, and nothing is done twice."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from activities.models.state_labels import STATES_BY_LABEL
from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.samples import JOBS
from tests.e2e.shop import Shop, until

WORKERS = ("worker-1", "worker-2")
PARTS = ("temporal-1", "kube-apiserver-1", *WORKERS, "watcher-1")
SECONDS = 120.0
LONG_SECONDS, SHORT_SECONDS = 600, 1
WATCHER_DOWN_SECONDS = 10.0
"""At least. With the timings of these tests that is twenty polls, and all of the way to prod; with the shipped ones it
takes some 30 s."""


@dataclass(frozen=True)
class End:
    """What came of a promotion, and what was done for it outside."""

    results: list[str]
    triggers: list[int]
    """How often each key was triggered."""
    patches: list[tuple[str, str]]


ONCE = End(
    results=["Promoted", "Promoted"],
    triggers=[1, 1, 1, 1],
    patches=[("staging", MERGE_SHA), ("prod", MERGE_SHA)],
)


@pytest.fixture
def mortal(local: LocalEnvironment) -> Iterator[LocalEnvironment]:
    """The environment; whatever a test leaves dead is started again."""
    yield local
    for name in PARTS:
        if not local.running(name):
            local.restart(name)


def test_both_workers_are_killed_while_tests_run_and_one_comes_back(shop: OpenShop, mortal: LocalEnvironment) -> None:
    killed = shop("kill-workers")
    # An earlier state's label stays as long as no worker answers: who shows labels is killed between add and remove.
    silence = killed.script("github", r"DELETE .*/labels/", "hang", seconds=SECONDS)
    opened = _testing(killed, label="pilotage/awaiting-sync")
    until(lambda: _state_labels(opened), lambda seen: len(seen) > 1, "one was added, and the other is there", SECONDS)
    for name in WORKERS:
        mortal.kill(name)
    opened.unscript(silence)
    assert _state_labels(opened) == {"pilotage/awaiting-sync", "pilotage/testing"}
    _tests_end(opened)
    mortal.restart("worker-2")
    assert _end_of(opened) == ONCE
    until(lambda: _state_labels(opened), lambda seen: seen == {"pilotage/completed"}, "one label is left", SECONDS)
    assert "feature" in opened.pull()["labels"]


def test_the_watcher_is_killed_and_the_promotion_goes_on_without_it(shop: OpenShop, mortal: LocalEnvironment) -> None:
    opened = _testing(shop("kill-watcher"))
    mortal.kill("watcher-1")
    killed = time.monotonic()
    _tests_end(opened)
    until(opened.running, lambda seen: seen["prod"] == MERGE_SHA, "prod is reached without a watcher", SECONDS)
    time.sleep(max(0.0, WATCHER_DOWN_SECONDS - (time.monotonic() - killed)))
    assert opened.status()["state"] == "Testing"
    mortal.restart("watcher-1")
    assert _end_of(opened) == ONCE


def test_temporal_is_killed_and_restarted_on_its_file(shop: OpenShop, mortal: LocalEnvironment) -> None:
    opened = _testing(shop("kill-temporal"))
    mortal.kill("temporal-1")
    _tests_end(opened)
    mortal.restart("temporal-1")
    assert _end_of(opened) == ONCE


def test_the_api_server_is_killed_and_restarted(shop: OpenShop, mortal: LocalEnvironment) -> None:
    opened = _testing(shop("kill-api-server"))
    mortal.kill("kube-apiserver-1")
    _tests_end(opened)
    mortal.restart("kube-apiserver-1")
    assert _end_of(opened) == ONCE


def _state_labels(opened: Shop) -> set[str]:
    return set(opened.pull()["labels"]) & set(STATES_BY_LABEL)


def _testing(opened: Shop, *, label: str = "") -> Shop:
    """Apply the samples, without a person on the way, and wait until all tests of the first hop run: until they are
    released, so that each kill comes meanwhile."""
    opened.document("PromotionPolicy", "staging-to-prod")["spec"]["autoPromote"] = True
    opened.open()
    if label:
        opened.sandbox.post("/_github/label", {"repo": f"acme/{opened.name}", "number": 412, "add": [label]})
    for job in JOBS:
        opened.job(job, duration_seconds=LONG_SECONDS)
    opened.apply_all()
    opened.until_state("Testing")
    until(lambda: [opened.builds(job) for job in JOBS], all, "all tests run", SECONDS)
    return opened


def _tests_end(opened: Shop) -> None:
    """Let all tests that run end well, and those to come soon: nothing is left for which the outage could wait."""
    for job in JOBS:
        opened.job(job, duration_seconds=SHORT_SECONDS)
        for build in opened.builds(job):
            if build["building"]:
                opened.job(job, number=build["number"], result="SUCCESS")


def _end_of(opened: Shop) -> End:
    status = opened.until_state("Completed", seconds=SECONDS)
    return End(
        results=[record["result"] for record in status["promotions"]],
        triggers=sorted(opened.triggers().values()),
        patches=opened.patches(),
    )
