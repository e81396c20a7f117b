"""Every process may die in the middle of a round: the promotion is completed, and nothing is done twice."""

import time
from collections.abc import Iterator

import pytest

from activities.models.state_labels import STATES_BY_LABEL
from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.conftest import OpenShop
from tests.e2e.outages import ONCE, SECONDS, end_of, end_tests, until_testing
from tests.e2e.shop import Shop, until

WORKERS = ("worker-1", "worker-2")
PARTS = ("kube-apiserver-1", *WORKERS, "watcher-1")
WATCHER_DOWN_SECONDS = 10.0
"""At least. With the timings of these tests that is twenty polls, and all of the way to prod; with the shipped ones it
takes some 30 s."""


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
    opened = until_testing(killed, label="pilotage/awaiting-sync")
    until(lambda: _state_labels(opened), lambda seen: len(seen) > 1, "one was added, and the other is there", SECONDS)
    for name in WORKERS:
        mortal.kill(name)
    opened.unscript(silence)
    assert _state_labels(opened) == {"pilotage/awaiting-sync", "pilotage/testing"}
    end_tests(opened)
    mortal.restart("worker-2")
    assert end_of(opened) == ONCE
    until(lambda: _state_labels(opened), lambda seen: seen == {"pilotage/completed"}, "one label is left", SECONDS)
    assert "feature" in opened.pull()["labels"]


def test_the_watcher_is_killed_and_the_promotion_goes_on_without_it(shop: OpenShop, mortal: LocalEnvironment) -> None:
    opened = until_testing(shop("kill-watcher"))
    mortal.kill("watcher-1")
    killed = time.monotonic()
    end_tests(opened)
    until(opened.running, lambda seen: seen["prod"] == MERGE_SHA, "prod is reached without a watcher", SECONDS)
    time.sleep(max(0.0, WATCHER_DOWN_SECONDS - (time.monotonic() - killed)))
    assert opened.status()["state"] == "Testing"
    mortal.restart("watcher-1")
    assert end_of(opened) == ONCE


def test_the_api_server_is_killed_and_restarted(shop: OpenShop, mortal: LocalEnvironment) -> None:
    opened = until_testing(shop("kill-api-server"))
    mortal.kill("kube-apiserver-1")
    end_tests(opened)
    mortal.restart("kube-apiserver-1")
    assert end_of(opened) == ONCE


def _state_labels(opened: Shop) -> set[str]:
    return set(opened.pull()["labels"]) & set(STATES_BY_LABEL)
