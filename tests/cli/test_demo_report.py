"""The demo's judgement: each broken promise is found in the evidence."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from temporalio.api.history.v1 import HistoryEvent

from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from deploy.local.demo.evidence import Evidence, Killed
from deploy.local.demo.hosts import HOSTS
from deploy.local.demo.report import expectations, print_report
from deploy.local.environment.processes import ROOT
from deploy.local.sandbox.seed import JENKINS_TOKEN
from tests.cli.conftest import MERGED, tracker_spec

ACTIONS = "/github/repos/acme/web/actions/workflows"
PROJECT = "/gitlab/api/v4/projects/acme/web"

MERGE_SEEN = "the merge was read within 2 s of its webhook, between polls that are a minute apart"

Change = Callable[[Evidence], Evidence]


def task(number: int, identity: str) -> HistoryEvent:
    """Return a completed workflow task."""
    event = HistoryEvent(event_id=number)
    event.workflow_task_completed_event_attributes.identity = identity
    return event


def trigger(number: int, completed: int) -> HistoryEvent:
    """Return a scheduled `trigger_round` of one test."""
    event = HistoryEvent(event_id=number)
    event.activity_task_scheduled_event_attributes.activity_type.name = "trigger_round"
    event.activity_task_scheduled_event_attributes.input.payloads.add(data=b'{"tests": [{}]}')
    event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id = completed
    return event


def read(number: int, at: float) -> list[HistoryEvent]:
    """Return a read of the pull request that ended at some time."""
    asked, ended = HistoryEvent(event_id=number), HistoryEvent(event_id=number + 1)
    asked.activity_task_scheduled_event_attributes.activity_type.name = "read_pull_request"
    ended.activity_task_completed_event_attributes.scheduled_event_id = number
    ended.event_time.FromNanoseconds(int(at * 1e9))
    return [asked, ended]


def webhook(at: float) -> dict[str, Any]:
    """Return what the sandbox shows of the merge's webhook."""
    return {"system": "github", "event": "merged", "key": "pull/412", "status": 202, "time": at}


def call(system: str, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Return a journal entry of an accepted call."""
    return {"system": system, "method": method, "path": path, "body": body or None, "query": {}, "accepted": True}


def build(key: str) -> dict[str, Any]:
    """Return the journal entry of a trigger."""
    return call("jenkins", "POST", "/jenkins/job/web/job/e2e/buildWithParameters", PROMOTION_KEY=key)


def record(source: str, target: str, **fields: Any) -> dict[str, Any]:
    """Return a promotion record."""
    end = {"at": "2026-11-21T08:05:00Z", "artifacts": [{"component": "web", "revision": MERGED}]}
    return {"promoted": True, "result": "Promoted", "source": source, "target": target, **end, **fields}


@pytest.fixture
def evidence() -> Evidence:
    """Evidence of a demo in which everything happened."""
    verdict = {"all_passed": True, "any_failed": False, "any_running": False, "any_timeout": False}
    optional = {"name": "lighthouse", "runner": "gitlab", "required": False, "state": "Failed"}
    required = {"required": True, "state": "Passed"}
    integration = {"name": "integration", "runner": "jenkins", **required}
    tests = [integration, {"name": "e2e", "runner": "actions", **required}, optional]
    staging = record("dev", "staging", tests=tests, aggregate={**verdict, "optional_tests_failed": True})
    status = {
        "state": "Completed",
        "environment": "prod",
        "promotions": [staging, record("staging", "prod", promotedBy="admin")],
    }
    document = {"metadata": {"name": "web-412"}, "spec": tracker_spec(412), "status": status}
    applications = [f"/argocd/api/v1/applications/web-{place}" for place in ("staging", "prod")]
    return Evidence(
        tracker=PullRequestTracker.from_wire(document),
        document=document,
        runs=[
            [
                task(4, "7@host"),
                trigger(5, 4),
                trigger(6, 4),
                trigger(7, 4),
                *read(8, 99.0),
                *read(10, 101.5),
                task(12, "8@host"),
            ],
            [task(4, "8@host"), trigger(5, 4)],
        ],
        places={"staging": 50},
        journal=[
            build("a"),
            call("github", "POST", f"{ACTIONS}/e2e.yml/dispatches", inputs={"promotion_key": "b"}),
            call("gitlab", "POST", f"{PROJECT}/trigger/pipeline", variables={"PROMOTION_KEY": "c"}),
            call("gitlab", "POST", f"{PROJECT}/pipeline", variables=[{"key": "PROMOTION_KEY", "value": "d"}]),
            *(call("argocd", "PATCH", path) for path in applications),
            *(call("argocd", "POST", f"{path}/sync") for path in applications),
        ],
        webhooks=[webhook(100.0)],
        killed=Killed(name="worker-1", pid=7, identity="7@host", events=12, tests_open=("e2e",)),
        promote_exit_code=0,
        user="admin",
        labels=("promoted/staging", "promoted/prod"),
        seconds=40.0,
    )


def broken(evidence: Evidence) -> list[str]:
    """Return the promises that were not kept."""
    return [one.promise for one in expectations(evidence) if not one.kept]


def test_a_demo_in_which_everything_happened_keeps_every_promise(evidence: Evidence) -> None:
    assert broken(evidence) == []


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("each run was triggered exactly once", lambda e: replace(e, journal=[*e.journal, build("a")])),
        (
            "each application was written and synced exactly once, dev never",
            lambda e: replace(e, journal=[*e.journal, call("argocd", "PATCH", "/argocd/api/v1/applications/web-dev")]),
        ),
        (MERGE_SEEN, lambda e: replace(e, webhooks=[])),
        (MERGE_SEEN, lambda e: replace(e, webhooks=[webhook(99.0)])),
        (MERGE_SEEN, lambda e: replace(e, webhooks=[webhook(102.0)])),
        ("another worker continued the same history", lambda e: replace(e, runs=[e.runs[0][:4], e.runs[1]])),
        (
            "three tests were triggered by one workflow task, each at a CI system of its own",
            lambda e: replace(e, runs=[e.runs[0][:3] + e.runs[0][4:]]),
        ),
        ("a person promoted the change to prod", lambda e: replace(e, user="somebody else")),
        ("a person promoted the change to prod", lambda e: replace(e, promote_exit_code=1)),
        ("the pull request carries the labels", lambda e: replace(e, labels=("promoted/staging",))),
        (
            "no token left the Secrets",
            lambda e: replace(e, journal=[*e.journal, call("github", "POST", "/github/x", text=JENKINS_TOKEN)]),
        ),
    ],
)
def test_a_promise_that_was_broken_is_found(evidence: Evidence, promise: str, change: Change) -> None:
    assert promise in broken(change(evidence))


def test_another_host_is_judged_by_the_calls_that_it_was_asked(evidence: Evidence) -> None:
    elsewhere = replace(evidence, host="gitea")
    assert broken(elsewhere) == ["gitea was the host"]
    asked = call("gitea", "GET", "/gitea/api/v1/repos/acme/web/pulls/412")
    assert broken(replace(elsewhere, journal=[*evidence.journal, asked])) == []
    pipeline = call("gitlab", "POST", f"{PROJECT}/pipeline")
    assert replace(evidence, host="gitlab", journal=[pipeline]).host_calls == 0


def test_a_host_without_labels_shows_statuses_instead(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HOSTS, "gitea", replace(HOSTS["gitea"], labels=False))
    elsewhere = replace(evidence, host="gitea", labels=())
    assert "the merge commit carries the statuses" in broken(elsewhere)
    statuses = {"pilotage/staging": "success", "pilotage/prod": "success"}
    assert "the merge commit carries the statuses" not in broken(replace(elsewhere, statuses=statuses))


def test_a_refused_trigger_is_no_run(evidence: Evidence) -> None:
    refused = {**build("a"), "accepted": False}

    assert broken(replace(evidence, journal=[*evidence.journal, refused])) == []


def test_the_report_shows_records_figures_and_judgement(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(evidence, expectations(evidence))

    text = capsys.readouterr().out
    assert "dev       staging   Promoted" in text
    assert "argocd 4, github 1, gitlab 2, jenkins 1; 8 in all" in text
    assert "7@host -> 8@host" in text
    assert "✗" not in text


def test_getting_started_shows_what_the_demo_promises_today(evidence: Evidence) -> None:
    promises = [re.sub(r"\d+", "N", one.promise) for one in expectations(evidence)]
    shown = [line for line in (ROOT / "docs" / "getting-started.md").read_text().splitlines() if line.startswith("✓ ")]

    assert len(shown) == len(promises)
    for line, promise in zip(shown, promises, strict=True):
        assert re.sub(r"\d+", "N", line).startswith(f"✓ {promise}: ")
