"""GitLab CI as a CI system, request by request."""

import httpx
import pytest

from providers.errors import ProviderNotFound, ProviderRejected, ProviderUnauthorized, ProviderUnavailable
from providers.gitlab_ci.wire import base_url
from providers.models import Run, RunPhase
from providers.ports import TraceableRuns
from tests.providers.hosts import TOKEN, FakeHost, answer, gitlab_ci

PROJECT = "/api/v4/projects/acme%2Fweb"
TRIGGER = {"token": TOKEN, "triggerToken": "glptt-trigger-token"}


def pipeline(number: int, **more: object) -> dict[str, object]:
    url = f"https://gitlab.example.com/acme/web/-/pipelines/{number}"
    return {"id": number, "iid": 3, "status": "running", "source": "api", "web_url": url, **more}


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("", "https://gitlab.com/api/v4"),
        ("git.example.com", "https://git.example.com/api/v4"),
        ("https://git.example.com/sub/api/v4/", "https://git.example.com/sub/api/v4"),
    ],
)
def test_a_domain_names_the_address_of_its_api(domain: str, wanted: str) -> None:
    assert base_url(domain) == wanted


async def test_a_pipeline_is_started_with_variables_and_the_key(host: FakeHost) -> None:
    host.on("POST", f"{PROJECT}/pipeline", answer(pipeline(5001), 201))
    made = await gitlab_ci(host.http()).create("main", "k", {"REVISION": "abc"})
    assert made.id == "5001"
    assert made.url.endswith("/5001")
    assert host.requests[0].headers["private-token"] == TOKEN
    assert host.body() == {
        "ref": "main",
        "variables": [
            {"key": "REVISION", "value": "abc", "variable_type": "env_var"},
            {"key": "PROMOTION_KEY", "value": "k", "variable_type": "env_var"},
        ],
    }


async def test_a_trigger_token_starts_and_the_other_token_reads(host: FakeHost) -> None:
    host.on("POST", f"{PROJECT}/trigger/pipeline", answer(pipeline(5001), 201))
    host.on("GET", f"{PROJECT}/pipelines/5001", answer(pipeline(5001)))
    runs = gitlab_ci(host.http(), data=TRIGGER)
    made = await runs.create("main", "k", {"REVISION": "abc"})
    reading = await runs.read("main", made)
    assert reading.phase is RunPhase.RUNNING
    assert host.body(0) == {
        "token": "glptt-trigger-token",
        "ref": "main",
        "variables": {"REVISION": "abc", "PROMOTION_KEY": "k"},
    }
    assert host.requests[1].headers["private-token"] == TOKEN


async def test_a_trigger_token_alone_is_not_enough(host: FakeHost) -> None:
    with pytest.raises(ProviderUnauthorized, match="read_api"):
        await gitlab_ci(host.http(), data={"triggerToken": "glptt-x"}).check()
    with pytest.raises(ProviderUnauthorized, match="key `token`"):
        await gitlab_ci(host.http(), data={"other": "x"}).check()
    assert host.requests == []


@pytest.mark.parametrize("job", ["", "  "])
async def test_a_job_without_a_ref_is_refused(host: FakeHost, job: str) -> None:
    with pytest.raises(ProviderRejected, match="branch or tag"):
        await gitlab_ci(host.http()).create(job, "k", {})


async def test_a_wrong_trigger_token_hidden_as_404_is_named(host: FakeHost) -> None:
    host.always(answer({"message": "404 Not Found"}, 404))
    with pytest.raises(ProviderNotFound, match="token is wrong"):
        await gitlab_ci(host.http(), data=TRIGGER).create("main", "k", {})


async def test_a_refused_pipeline_says_why(host: FakeHost) -> None:
    host.always(answer({"message": {"base": ["No stages / jobs for this pipeline."]}}, 400))
    with pytest.raises(ProviderRejected, match="No stages"):
        await gitlab_ci(host.http()).create("main", "k", {})


async def test_pipelines_are_found_by_name_else_by_variables_each_read_once(host: FakeHost) -> None:
    first = [pipeline(9, name="run k"), pipeline(8, name="run other"), pipeline(7, source="push", name="k")]
    host.on("GET", rf"{PROJECT}/pipelines\?.*page=1", answer(first, x_next_page="2"))
    host.on("GET", rf"{PROJECT}/pipelines\?.*page=2", answer([pipeline(6), pipeline(5)], x_next_page=""))
    variables = [{"key": "OTHER", "value": "x"}, {"key": "PROMOTION_KEY", "value": "k"}]
    host.on("GET", f"{PROJECT}/pipelines/6/variables", answer(variables))
    host.on("GET", f"{PROJECT}/pipelines/5/variables", answer({"message": "403 Forbidden"}, 403))
    host.on("GET", f"{PROJECT}/pipelines/8/variables", answer([]))
    http = host.http()
    assert [run.id for run in await gitlab_ci(http).find("main", "k")] == ["6", "9"]
    before = len(host.requests)
    assert [run.id for run in await gitlab_ci(http).find("main", "k")] == ["6", "9"]
    assert len(host.requests) - before == 2
    runs = gitlab_ci(http)
    assert isinstance(runs, TraceableRuns)
    assert await runs.traceable("main")


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("created", RunPhase.QUEUED),
        ("waiting_for_resource", RunPhase.QUEUED),
        ("preparing", RunPhase.QUEUED),
        ("waiting_for_callback", RunPhase.QUEUED),
        ("pending", RunPhase.QUEUED),
        ("scheduled", RunPhase.QUEUED),
        ("manual", RunPhase.QUEUED),
        ("running", RunPhase.RUNNING),
        ("canceling", RunPhase.RUNNING),
        ("some_new_one", RunPhase.RUNNING),
        ("success", RunPhase.PASSED),
        ("failed", RunPhase.FAILED),
        ("canceled", RunPhase.CANCELLED),
        ("skipped", RunPhase.ERROR),
    ],
)
async def test_a_status_becomes_a_phase(host: FakeHost, status: str, phase: RunPhase) -> None:
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status=status)))
    reading = await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))
    assert (reading.phase, reading.number) == (phase, "3")
    assert reading.waiting_for_approval is (status == "manual")


@pytest.mark.parametrize(("knob", "meaning"), [("manual", "Error"), ("manual", "Passed"), ("skipped", "Passed")])
async def test_doubtful_statuses_count_as_the_runner_says(host: FakeHost, knob: str, meaning: str) -> None:
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status=knob)))
    reading = await gitlab_ci(host.http(), results={knob: meaning}).read("main", Run(id="7", key="k"))
    assert reading.phase.value == meaning
    assert not reading.waiting_for_approval


@pytest.mark.parametrize(
    ("jobs", "phase"),
    [
        ([("unit", "script_failure")], RunPhase.FAILED),
        ([("unit", "job_execution_timeout")], RunPhase.TIMED_OUT),
        ([("unit", "stuck_or_timeout_failure"), ("e2e", "runner_system_failure")], RunPhase.TIMED_OUT),
        ([("unit", "runner_system_failure")], RunPhase.ERROR),
        ([("unit", "runner_system_failure"), ("e2e", "script_failure")], RunPhase.FAILED),
        ([], RunPhase.FAILED),
    ],
)
async def test_why_jobs_failed_decides_what_the_failure_means(
    host: FakeHost, jobs: list[tuple[str, str]], phase: RunPhase
) -> None:
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status="failed")))
    listed: list[dict[str, object]] = [{"name": name, "failure_reason": reason} for name, reason in jobs]
    listed.append({"name": "flaky", "failure_reason": "script_failure", "allow_failure": True})
    host.on("GET", rf"{PROJECT}/pipelines/7/jobs\?.*", answer(listed))
    reading = await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))
    assert reading.phase is phase
    assert all(name in reading.message for name, _ in jobs)
    assert "flaky" not in reading.message


async def test_a_failure_whose_reasons_cannot_be_read_is_no_verdict_yet(host: FakeHost) -> None:
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status="failed")))
    host.on("GET", rf"{PROJECT}/pipelines/7/jobs\?.*", answer({}, 500))
    with pytest.raises(ProviderUnavailable):
        await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))


@pytest.mark.parametrize(
    ("report", "summary"),
    [
        (
            answer({"total": {"count": 5, "success": 2, "failed": 1, "error": 1, "skipped": 1}}),
            "2 passed, 2 failed, 1 skipped",
        ),
        (answer({"message": "404"}, 404), ""),
        (httpx.ReadTimeout("late"), ""),
    ],
)
async def test_a_verdict_comes_with_test_counts_where_there_are_any(
    host: FakeHost, report: httpx.Response | Exception, summary: str
) -> None:
    warned = pipeline(7, status="success", detailed_status={"text": "Passed with warnings"})
    host.on("GET", f"{PROJECT}/pipelines/7", answer(warned))
    host.on("GET", f"{PROJECT}/pipelines/7/test_report_summary", report)
    reading = await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))
    assert (reading.phase, reading.summary, reading.message) == (RunPhase.PASSED, summary, "Passed with warnings")


@pytest.mark.parametrize("known", ["", "6"])
async def test_a_run_without_a_valid_id_is_read_by_its_key(host: FakeHost, known: str) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(7, name="k")]))
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7)))
    assert (await gitlab_ci(host.http()).read("main", Run(id=known, key="k"))).run.id == "7"


async def test_a_run_that_is_nowhere_is_not_found(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([]))
    with pytest.raises(ProviderNotFound, match="no pipeline"):
        await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))


@pytest.mark.parametrize("status", [200, 404])
async def test_cancelling_a_finished_or_unknown_run_is_fine(host: FakeHost, status: int) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(7, name="k")]))
    host.on("POST", f"{PROJECT}/pipelines/7/cancel", answer({}, status))
    runs = gitlab_ci(host.http())
    await runs.cancel("main", Run(id="7", key="k"))
    await runs.cancel("main", Run(id="", key="k"))
    assert [path.split()[0] for path in host.paths()].count("POST") == 2


async def test_check_names_the_project(host: FakeHost) -> None:
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web"}))
    assert await gitlab_ci(host.http()).check() == "acme/web"
