"""The demo's report: what happened, computed from the evidence alone, and whether each promise was kept."""

from collections import Counter
from dataclasses import dataclass

from crds.reasons.vocabulary import State
from crds.v1alpha1.tests_status import TestState
from deploy.local.demo.evidence import Evidence
from deploy.local.demo.hosts import HOSTS
from deploy.local.sandbox.seed import DEV_APP, PROD_APP, STAGING_APP
from worker.cli import trackers, values
from worker.cli.output import line, table

EXPECTED_RUNS = 4
MERGE_SEEN_SECONDS = 2.0
CI_SYSTEMS = ("actions", "gitlab", "jenkins")


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One promise, and what was found."""

    promise: str
    kept: bool
    found: str


def expectations(evidence: Evidence) -> list[Expectation]:
    """Judge every promise of the demo."""
    status, killed = evidence.tracker.status, evidence.killed
    records = {record.target: record for record in status.promotions}
    staging, prod = records.get("staging"), records.get("prod")
    first = staging.aggregate if staging else None
    parallel = max(evidence.triggers_by_task.values(), default=0)
    triggers, writes, syncs = evidence.triggers_by_key, evidence.writes, evidence.syncs
    order = [(record.target, record.promoted) for record in status.promotions]
    optional = [test for test in staging.tests if not test.required] if staging else []
    leaked = evidence.leaked
    systems = sorted({test.runner for test in staging.tests}) if staging else []
    return [
        _judge(
            "the change arrived in prod",
            status.state is State.COMPLETED,
            f"{status.state}, environment {status.environment}",
        ),
        _judge(
            "the merge was read within 2 s of its webhook, between polls that are a minute apart",
            evidence.merge_seen_seconds is not None and evidence.merge_seen_seconds < MERGE_SEEN_SECONDS,
            f"after {evidence.merge_seen_seconds:.2f} s"
            if evidence.merge_seen_seconds is not None
            else "by no webhook",
        ),
        _judge(
            "two promotions are on record: staging, then prod",
            order == [("staging", True), ("prod", True)],
            ", ".join(f"{target}{'' if promoted else ' (not promoted)'}" for target, promoted in order) or "none",
        ),
        _judge(
            "three tests were triggered by one workflow task, each at a CI system of its own",
            parallel == 3 and systems == list(CI_SYSTEMS),
            f"{parallel} in one task; {', '.join(systems) or 'none'}",
        ),
        _judge(
            "the optional test failed and blocked nothing",
            first is not None
            and first.all_passed
            and first.optional_tests_failed
            and [test.state for test in optional] == [TestState.FAILED],
            ", ".join(f"{test.name} {test.state}" for test in optional) or "no optional test",
        ),
        _judge(
            f"{killed.name} (pid {killed.pid}) was killed in the middle of the tests",
            bool(killed.tests_open),
            f"after {killed.events} events, {', '.join(killed.tests_open) or 'nothing'} still running",
        ),
        _judge(
            "another worker continued the same history",
            bool(evidence.shared_history),
            " -> ".join(evidence.shared_history) or "no history has both",
        ),
        _judge(
            "a person promoted the change to prod",
            evidence.promote_exit_code == 0 and prod is not None and prod.promoted_by == evidence.user,
            f"promoted by {prod.promoted_by if prod else None}, exit code {evidence.promote_exit_code}",
        ),
        _judge(
            "each run was triggered exactly once",
            len(triggers) == EXPECTED_RUNS and set(triggers.values()) == {1},
            f"{triggers.total()} accepted triggers for {len(triggers)} keys",
        ),
        _judge(
            "each application was written and synced exactly once, dev never",
            writes == syncs == {STAGING_APP: 1, PROD_APP: 1} and DEV_APP not in writes,
            ", ".join(f"{name}: {count} write, {syncs[name]} sync" for name, count in sorted(writes.items())) or "none",
        ),
        *_shown(evidence),
        _judge("no token left the Secrets", not leaked, ", ".join(leaked) or "in no history, status or journal"),
    ]


def _shown(evidence: Evidence) -> list[Expectation]:
    """Judge what the host shows: labels, or commit statuses where it has no labels."""
    row = HOSTS.get(evidence.host)
    if row is None or row.labels:
        labels = {"promoted/staging", "promoted/prod"} <= set(evidence.labels)
        found = [_judge("the pull request carries the labels", labels, ", ".join(evidence.labels))]
    else:
        green = {evidence.statuses.get(f"pilotage/{place}") for place in ("staging", "prod")} == {"success"}
        states = ", ".join(f"{name} {state}" for name, state in sorted(evidence.statuses.items()))
        found = [_judge("the merge commit carries the statuses", green, states or "none")]
    if row is not None:
        calls = evidence.host_calls
        found.append(_judge(f"{evidence.host} was the host", calls > 0, f"{calls} calls of its API"))
    return found


def _answers(evidence: Evidence) -> str:
    answers = Counter(one["status"] for one in evidence.webhooks)
    return ", ".join(f"{count} answered {status}" for status, count in sorted(answers.items())) or "none"


def _judge(promise: str, kept: bool, found: str) -> Expectation:
    return Expectation(promise=promise, kept=kept, found=found)


def print_report(evidence: Evidence, judged: list[Expectation]) -> None:
    """Print records, tests, figures and the judgement."""
    status = evidence.tracker.status
    at = values.now()
    line()
    line("Promotion records (status.promotions)")
    table(trackers.PROMOTION_COLUMNS, [trackers.promotion_row(record, at) for record in status.promotions])
    line()
    line("Their tests")
    tests = [[record.target, *trackers.test_row(test, at)] for record in status.promotions for test in record.tests]
    table(("FOR", *trackers.TEST_COLUMNS), tests)
    line()
    calls = evidence.calls
    places = evidence.places
    line("Figures")
    for label, value in (
        (
            "API calls",
            ", ".join(f"{name} {count}" for name, count in sorted(calls.items())) + f"; {calls.total()} in all",
        ),
        (
            "History events",
            f"promotion {len(evidence.history)} in {len(evidence.runs)} runs; "
            + ", ".join(f"{k} {v}" for k, v in places.items()),
        ),
        ("Webhooks", _answers(evidence)),
        ("Timers fired", str(evidence.timers_fired)),
        ("Workers in history", ", ".join(evidence.identities)),
        ("Took", f"{evidence.seconds:.0f} s from the first apply"),
        ("Temporal UI", (status.workflow.url if status.workflow else None) or "not shown"),
    ):
        line(f"  {label + ':':<20}{value}")
    line()
    for one in judged:
        line(f"{'✓' if one.kept else '✗'} {one.promise}: {one.found}")
