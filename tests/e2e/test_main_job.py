"""The main job: apply, wait, promote, Completed; and what is durable about it."""

import asyncio
import json
import re
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from deploy.local.demo.evidence import read_runs
from deploy.local.environment.assembly import INSTALLATION
from deploy.local.sandbox.seed import MERGE_SHA
from tests.e2e.cluster import Document
from tests.e2e.shop import Shop, until
from tests.otlp import SpanReceiver
from workflows.identity import promotion_workflow_id

PROCESSES = ("watcher-1", "worker-1", "worker-2")
LONG_SECONDS = 600
MENTION = "@ada the required tests passed (1 of 1 required passed); this change waits for approval to go to prod"


@pytest.fixture(scope="module")
def promoted(shipped: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose tracker was promoted to prod, with the commands that the README names."""
    opened = shipped.open(integration={"duration_seconds": LONG_SECONDS})
    samples = opened.write_samples(tmp_path_factory.mktemp("samples") / "main-job.json")
    opened.kubectl("apply", "-f", str(samples))
    opened.until(lambda seen: {"Running"} & _states(seen, "integration"), "a poll finds the test running")
    for build in opened.builds("integration"):
        opened.job("integration", number=build["number"], result="SUCCESS")
    opened.kubectl("wait", "prt/web-412", "--for=jsonpath={.status.waitingFor.what}=PromoteCommand", "--timeout=90s")
    # A person promotes once asked to: who is faster than the comment needs none, and gets none.
    until(
        opened.pull, lambda seen: any(one.startswith(MENTION) for one in _bodies(seen)), "the author is mentioned", 30
    )
    opened.pilotage("promote", "web-412")
    opened.until_state("Completed")
    opened.until_presented("Completed")
    return opened


def test_the_samples_are_promoted_to_staging_by_policy_and_to_prod_by_a_person(promoted: Shop) -> None:
    status = promoted.status()
    records = status["promotions"]
    assert [(one["source"], one["target"], one["promoted"]) for one in records] == [
        ("dev", "staging", True),
        ("staging", "prod", True),
    ]
    assert [one["promotedBy"] for one in records] == ["autoPromote", "admin"]
    assert promoted.running() == {"dev": MERGE_SHA, "staging": MERGE_SHA, "prod": MERGE_SHA}
    assert promoted.patches() == [("staging", MERGE_SHA), ("prod", MERGE_SHA)]
    assert sorted(promoted.runs().values()) == [1, 1, 1, 1]


def test_the_dashboard_shows_the_promotion_in_one_line(promoted: Shop) -> None:
    heading, line = promoted.kubectl("get", "prt").splitlines()
    assert heading.split()[:2] == ["NAME", "PR"]
    assert {"web-412", "prod", "Completed"} <= set(line.split())


def test_there_is_one_promotion_workflow_with_the_id_that_the_design_names(promoted: Shop) -> None:
    query = f"WorkflowType='PromotionWorkflow' AND PilotageNamespace='{promoted.namespace}'"
    # The index of workflows follows the histories with a delay.
    listed = until(
        lambda: json.loads(promoted.temporal("workflow", "list", "--query", query, "-o", "json")),
        lambda seen: {one["status"] for one in seen} == {"WORKFLOW_EXECUTION_STATUS_COMPLETED"},
        "the workflow is listed",
        30,
    )
    uid = promoted.cluster.get("PullRequestTracker", promoted.namespace, "web-412")["metadata"]["uid"]
    expected = promotion_workflow_id(INSTALLATION, promoted.namespace, "web-412", uid, 1)
    assert {one["execution"]["workflowId"] for one in listed} == {expected}
    assert promoted.status()["workflow"]["id"] == expected


def test_the_workflow_is_found_by_everything_that_people_search_for(promoted: Shop) -> None:
    wanted = {
        "PilotageState": "Completed",
        "PilotageNamespace": promoted.namespace,
        "PilotageEnvironment": "prod",
        "PilotagePullRequest": 412,
        "PilotageRepository": "web",
    }

    async def described() -> dict[str, object]:
        client = await Client.connect(promoted.environment.temporal_address)
        found = await client.get_workflow_handle(promoted.status()["workflow"]["id"]).describe()
        return {pair.key.name: pair.value for pair in found.typed_search_attributes if pair.key.name in wanted}

    assert asyncio.run(described()) == wanted
    query = " AND ".join(f"{name}={value!r}" for name, value in wanted.items())
    until(
        lambda: json.loads(promoted.temporal("workflow", "list", "--query", query, "-o", "json")),
        lambda seen: [one["execution"]["workflowId"] for one in seen] == [promoted.status()["workflow"]["id"]],
        "exactly one workflow is found",
        30,
    )


def test_search_attributes_are_written_once_per_change_of_state_or_environment(promoted: Shop) -> None:
    upserts = []
    for _, event in _history(promoted):
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
            fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
            upserts.append({name: json.loads(payload.data) for name, payload in fields.items()})
    assert all(set(one) == {"PilotageState", "PilotageEnvironment"} for one in upserts)
    shown = [(one["PilotageEnvironment"], one["PilotageState"]) for one in upserts]
    assert all(earlier != later for earlier, later in pairwise(shown))
    # What passes within moments, such as a lane that is free, is not shown.
    lasting = ["Testing", "ReadyToPromote", "Promoting"]
    assert [state for place, state in shown if place == "staging" and state in lasting] == lasting
    assert [state for place, state in shown if place == "dev" and state in ("Testing", "Promoting")] == [
        "Testing",
        "Promoting",
    ]
    assert shown[-1] == ("prod", "Completed")


def test_the_tests_of_a_hop_are_triggered_in_one_workflow_task(promoted: Shop) -> None:
    triggers = [
        len(json.loads(event.activity_task_scheduled_event_attributes.input.payloads[0].data)["tests"])
        for _, event in _history(promoted)
        if event.activity_task_scheduled_event_attributes.activity_type.name == "trigger_round"
    ]
    assert sorted(triggers) == [1, 3]


def test_a_durable_timer_fires_between_two_polls(promoted: Shop) -> None:
    # Each CI system is polled on its own; a new hop begins with polls that nothing preceded.
    gaps, fired = [], dict[str, bool]()
    for _, event in _history(promoted):
        scheduled = event.activity_task_scheduled_event_attributes
        if event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
            fired = dict.fromkeys(fired, True)
        elif scheduled.activity_type.name == "trigger_round":
            fired.clear()
        elif scheduled.activity_type.name == "poll_tests":
            runs = json.loads(scheduled.input.payloads[0].data)["runs"]
            for runner in {one["runner"] for one in runs}:
                gaps += [fired[runner]] if runner in fired else []
                fired[runner] = False
    # Where a busy machine is late already, the next poll comes at once.
    assert any(gaps)


def test_the_status_reads_the_same_for_the_command_line(promoted: Shop, tmp_path: Path) -> None:
    shown = json.loads(promoted.pilotage("show", "web-412", "-o", "json"))
    assert shown["status"]["state"] == "Completed"
    assert "Completed" in promoted.pilotage("why", "web-412")


def test_the_pull_request_shows_the_whole_way_in_one_comment_edited_in_place(promoted: Shop) -> None:
    pull = promoted.pull()
    (summary,) = [body for body in _bodies(pull) if body.startswith("### Pilotage")]
    marker = re.escape(f"<!-- pilotage:{INSTALLATION}/{promoted.namespace}/web-412 ")
    assert re.search(rf"\n{marker}[0-9a-f]{{32}} -->$", summary.rstrip())
    for record in promoted.status()["promotions"]:
        source, target = record["source"], record["target"]
        assert f"| {source} | {target} | Promoted | {record['promotedBy']} |" in summary
        shown = summary.partition(f"<summary>Tests {source} → {target}: ")[2].partition("</details>")[0]
        rows = {line.split(" | ")[0].strip("| "): line for line in shown.splitlines() if "](http" in line}
        assert rows.keys() == {test["name"] for test in record["tests"]}
        assert all("✅ Passed" in rows[test["name"]] for test in record["tests"])
        assert all(f"]({test['url']})" in rows[test["name"]] for test in record["tests"])
    # Only the policy to prod waits for a person.
    (mention,) = [body for body in _bodies(pull) if body != summary]
    assert mention.startswith(MENTION)
    assert {"pilotage/completed", "promoted/staging", "promoted/prod"} <= set(pull["labels"])
    assert {one for one in pull["labels"] if one.startswith("pilotage/")} == {"pilotage/completed", "pilotage/env/prod"}


def test_the_merge_commit_has_a_status_for_each_environment_on_the_way(promoted: Shop) -> None:
    def statuses() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in promoted.sandbox.state()["github"][f"acme/{promoted.name}"]["statuses"][MERGE_SHA]:
            found.setdefault(row["context"], []).append(row["state"])
        return found

    last = {"pilotage/dev": "success", "pilotage/staging": "success", "pilotage/prod": "success"}
    posted = until(statuses, lambda seen: {name: rows[-1] for name, rows in seen.items()} == last, "all green", 30)
    assert all(set(posted[name][:-1]) == {"pending"} for name in ("pilotage/staging", "pilotage/prod"))


def test_metrics_show_the_promotion_and_of_what_it_cost(promoted: Shop) -> None:
    shop = promoted.namespace
    assert _measured(promoted, "pilotage_promotions_total", namespace=shop, target="staging", result="Promoted") == 1
    assert _measured(promoted, "pilotage_promotions_total", namespace=shop, target="prod", result="Promoted") == 1
    assert _measured(promoted, "pilotage_tests_total", namespace=shop, result="Passed") == 4
    assert _measured(promoted, "pilotage_test_triggers_total", namespace=shop) == 4
    assert _measured(promoted, "pilotage_test_polls_total", namespace=shop, state="Passed") == 4
    assert _measured(promoted, "pilotage_test_polls_total", namespace=shop, state="Running") >= 1
    # States have no namespace, and other shops are counted as well.
    assert _measured(promoted, "pilotage_state_seconds_count", state="Testing") >= 2
    assert _measured(promoted, "pilotage_state_seconds_sum", state="Testing") > 0
    assert _measured(promoted, "scm_calls_total", git_repository_namespace=shop, operation="get") >= 1
    assert _measured(promoted, "temporal_activity_execution_latency_seconds_count", activity_type="poll_tests") >= 2


def test_watcher_worker_and_hosts_have_one_trace(promoted: Shop, traces: SpanReceiver) -> None:
    workflow = promoted.status()["workflow"]["id"]
    text = promoted.environment.log("watcher").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (trace_id,) = {one["trace_id"] for one in lines if one.get("workflow_id") == workflow and "trace_id" in one}
    written = [
        entry
        for system, method in (("jenkins", "POST"), ("argocd", "PATCH"))
        for entry in promoted.journal(system)
        if entry["method"] == method and "traceparent" in entry["headers"]
    ]
    assert {(one["system"], one["headers"]["traceparent"].split("-")[1]) for one in written} == {
        ("jenkins", trace_id),
        ("argocd", trace_id),
    }
    wanted = {
        ("watcher", "StartWorkflow:PromotionWorkflow"),
        ("worker", "RunActivity:trigger_round"),
        ("watcher", "RunActivity:publish_status"),
    }
    # They are sent in the background, some seconds later.
    until(
        lambda: {(span.process.partition("-")[0], span.name) for span in traces.spans(trace_id)},
        lambda seen: wanted <= seen,
        "the spans of both processes are exported",
        30,
    )


def _states(status: Document, test: str) -> set[str]:
    return {one["state"] for one in status.get("tests", ()) if one["name"] == test}


def _bodies(pull: Document) -> list[str]:
    return [str(body) for body in pull["comments"]]


def _measured(shop: Shop, name: str, **labels: str) -> float:
    """Add up one sample of all processes."""
    pages = [httpx.get(f"{shop.environment.http_url(process)}/metrics", trust_env=False).text for process in PROCESSES]
    families = [family for page in pages for family in text_string_to_metric_families(page)]
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def _history(shop: Shop) -> list[tuple[int, HistoryEvent]]:
    """Return the events of all runs, each with its run's number."""

    async def read() -> list[list[HistoryEvent]]:
        client = await Client.connect(shop.environment.temporal_address)
        return await read_runs(client, shop.status()["workflow"]["id"])

    return [(number, event) for number, run in enumerate(asyncio.run(read())) for event in run]
