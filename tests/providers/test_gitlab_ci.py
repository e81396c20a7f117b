"""GitLab CI as a CI system, request by request."""

import json

import httpx
import pytest

from deploy.local.sandbox.gitlab_inputs import check_inputs
from providers.errors import (
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import Origin, Run, RunPhase
from tests.providers.hosts import TOKEN, FakeHost, answer, gitlab_ci
from tests.providers.pipelines import PROJECT, pipeline, show_each

TRIGGER = {"token": TOKEN, "triggerToken": "glptt-trigger-token"}


async def test_a_pipeline_is_started_with_variables_and_the_key(host: FakeHost) -> None:
    host.on("POST", f"{PROJECT}/pipeline", answer(pipeline(5001), 201))
    made = await gitlab_ci(host.http()).create("main", "k", {"REVISION": "abc"})
    assert made.id == "5001"
    assert made.url.endswith("/5001")
    assert host.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert host.body() == {
        "ref": "main",
        "variables": [
            {"key": "PROMOTION_KEY", "value": "k", "variable_type": "env_var"},
            {"key": "REVISION", "value": "abc", "variable_type": "env_var"},
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
    assert host.requests[1].headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_trigger_token_alone_is_not_enough(host: FakeHost) -> None:
    with pytest.raises(ProviderMisconfigured, match="read_api"):
        await gitlab_ci(host.http(), data={"triggerToken": "glptt-x"}).check()
    with pytest.raises(ProviderMisconfigured, match="key `token`"):
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


async def test_a_refused_pipeline_gives_the_reason(host: FakeHost) -> None:
    host.always(answer({"message": {"base": ["No stages / jobs for this pipeline."]}}, 400))
    with pytest.raises(ProviderRejected, match="No stages"):
        await gitlab_ci(host.http()).create("main", "k", {})


@pytest.mark.parametrize("data", [None, TRIGGER])
async def test_parameters_travel_as_inputs_where_the_runner_declares_it(
    host: FakeHost, data: dict[str, str] | None
) -> None:
    host.always(answer(pipeline(5001), 201))
    await gitlab_ci(host.http(), data=data, parameters_as="Inputs").create("main", "k1", {"revision": "abc"})
    token = {"token": "glptt-trigger-token"} if data else {}
    assert host.body() == {**token, "ref": "main", "inputs": {"promotion_key": "k1", "revision": "abc"}}


async def test_a_key_that_reads_as_a_number_arrives_as_a_text(host: FakeHost) -> None:
    host.always(answer(pipeline(5001), 201))
    await gitlab_ci(host.http(), parameters_as="Inputs").create("main", "12e4", {})
    assert host.body() == {"ref": "main", "inputs": {"promotion_key": '"12e4"'}}


async def sent_input(host: FakeHost, value: str) -> str:
    host.always(answer(pipeline(5001), 201))
    await gitlab_ci(host.http(), parameters_as="Inputs").create("main", "k1", {"v": value})
    body = host.body()
    assert isinstance(body, dict)
    return str(body["inputs"]["v"])


@pytest.mark.parametrize("value", ["1.20", "1e5", "1234567e8", "-0", " 5 ", "null", '{"a": 1}', "v1.20", "007", ""])
async def test_an_input_arrives_as_the_text_that_it_is(host: FakeHost, value: str) -> None:
    assert check_inputs({"v": {}}, {"v": await sent_input(host, value)}) == {"v": value}


@pytest.mark.parametrize(
    ("value", "kind"),
    [("412", "number"), ("-1.5", "number"), ("true", "boolean"), ("false", "boolean"), ('["a","b"]', "array")],
)
async def test_an_input_that_is_exactly_a_number_a_boolean_or_a_list_fits_that_type(
    host: FakeHost, value: str, kind: str
) -> None:
    assert await sent_input(host, value) == value
    assert json.loads(check_inputs({"v": {"type": kind}}, {"v": value})["v"]) == json.loads(value)


async def test_an_input_in_quotes_is_a_text_whatever_is_in_them(host: FakeHost) -> None:
    assert check_inputs({"v": {}}, {"v": await sent_input(host, '"412"')}) == {"v": "412"}


async def test_a_run_with_inputs_is_found_by_name_alone_and_no_variables_are_asked_for(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(9, name="run k"), pipeline(8, name=None)]))
    host.on("GET", rf"{PROJECT}/pipelines\?name=k&.*", answer([]))
    show_each(host, 9)
    found = await gitlab_ci(host.http(), parameters_as="Inputs").find("main", "k", Origin(parameters={"REVISION": "a"}))
    assert [run.id for run in found] == ["9"]
    assert not [path for path in host.paths() if "variables" in path]


async def test_an_undeclared_input_shows_where_to_declare_it(host: FakeHost) -> None:
    refusal = "Given inputs not defined in the `spec` section of the included configuration file"
    host.always(answer({"message": {"base": [refusal]}}, 400))
    with pytest.raises(ProviderRejected, match=r"declare `promotion_key` and every parameter under `spec: inputs`"):
        await gitlab_ci(host.http(), parameters_as="Inputs").create("main", "k", {})


@pytest.mark.parametrize(
    ("parameters_as", "parameters", "refusal"),
    [
        ("Variables", {"A-B": "x"}, r"parameters\.A-B: .*letters, digits and `_`"),
        ("Variables", {"": "x"}, r"parameters\.: "),
        ("Variables", {"X" * 256: "x"}, r"at most 255"),
        ("Inputs", {f"p{number}": "x" for number in range(20)}, r"parameters: 21 inputs with `promotion_key`.* 20"),
    ],
)
async def test_parameters_that_gitlab_cannot_take_are_refused_by_name_before_anything_is_sent(
    host: FakeHost, parameters_as: str, parameters: dict[str, str], refusal: str
) -> None:
    with pytest.raises(ProviderRejected, match=refusal):
        await gitlab_ci(host.http(), parameters_as=parameters_as).create("main", "k", parameters)
    assert host.requests == []


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
async def test_doubtful_statuses_count_as_the_runner_declares(host: FakeHost, knob: str, meaning: str) -> None:
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status=knob)))
    reading = await gitlab_ci(host.http(), results={knob: meaning}).read("main", Run(id="7", key="k"))
    assert reading.phase.value == meaning
    assert not reading.waiting_for_approval


async def test_a_pipeline_whose_file_is_wrong_is_no_failed_test(host: FakeHost) -> None:
    wrong = "jobs:e2e config contains unknown keys: skript"
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status="failed", yaml_errors=wrong)))
    reading = await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))
    assert (reading.phase, reading.message) == (RunPhase.ERROR, f"nothing ran, since the CI file is wrong: {wrong}")


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


CHILD = {"id": 99, "status": "failed", "web_url": "https://gitlab.example.com/acme/web/-/pipelines/99"}


@pytest.mark.parametrize(
    ("jobs", "bridge", "phase", "parts"),
    [
        ([], {"downstream_pipeline": CHILD}, RunPhase.FAILED, [str(CHILD["web_url"]), "child pipeline 99 of e2e"]),
        (["runner_system_failure"], {"downstream_pipeline": CHILD}, RunPhase.FAILED, ["unit", "child pipeline 99"]),
        ([], {"downstream_pipeline": {**CHILD, "status": "canceled"}}, RunPhase.CANCELLED, ["e2e: canceled"]),
        (["script_failure"], {"downstream_pipeline": {**CHILD, "status": "canceled"}}, RunPhase.FAILED, ["unit"]),
        ([], {"failure_reason": "downstream_bridge_project_not_found"}, RunPhase.ERROR, ["e2e (downstream"]),
        (["script_failure"], {"allow_failure": True, "downstream_pipeline": CHILD}, RunPhase.FAILED, ["unit"]),
    ],
)
async def test_a_failed_child_pipeline_is_named_and_is_a_failure_of_the_test(
    host: FakeHost, jobs: list[str], bridge: dict[str, object], phase: RunPhase, parts: list[str]
) -> None:
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7, status="failed")))
    host.on(
        "GET",
        rf"{PROJECT}/pipelines/7/jobs\?.*",
        answer([{"name": "unit", "failure_reason": reason} for reason in jobs]),
    )
    host.on("GET", rf"{PROJECT}/pipelines/7/bridges\?.*", answer([{"name": "e2e", "status": "failed", **bridge}]))
    reading = await gitlab_ci(host.http()).read("main", Run(id="7", key="k"))
    assert reading.phase is phase
    assert all(part in reading.message for part in parts)
    assert ("e2e" in reading.message) is not bool(bridge.get("allow_failure"))


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


async def test_a_run_without_an_id_is_read_by_its_key(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(7, name="k")]))
    host.on("GET", f"{PROJECT}/pipelines/7", answer(pipeline(7)))
    assert (await gitlab_ci(host.http()).read("main", Run(id="", key="k"))).run.id == "7"


async def test_a_run_that_is_nowhere_is_not_found(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([]))
    for known, refusal in (("", "no pipeline"), ("7", "pipeline 7, which is this run, is not there any more")):
        with pytest.raises(ProviderNotFound, match=refusal):
            await gitlab_ci(host.http()).read("main", Run(id=known, key="k"))


@pytest.mark.parametrize("status", [200, 404])
async def test_cancelling_a_finished_or_unknown_run_is_fine(host: FakeHost, status: int) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(7, name="k")]))
    show_each(host, 7)
    host.on("POST", f"{PROJECT}/pipelines/7/cancel", answer({}, status))
    runs = gitlab_ci(host.http())
    await runs.cancel("main", Run(id="7", key="k"))
    await runs.cancel("main", Run(id="", key="k"))
    assert [path.split()[0] for path in host.paths()].count("POST") == 2


def scoped(host: FakeHost, *scopes: str) -> FakeHost:
    """Let the host know the token's scopes and show the project."""
    host.on("GET", "/api/v4/personal_access_tokens/self", answer({"scopes": list(scopes)}))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web"}))
    host.on("GET", rf"{PROJECT}/pipelines\?per_page=1", answer([]))
    return host


@pytest.mark.parametrize(
    ("data", "scopes"),
    [
        (None, ("api",)),
        (None, ("read_user", "api")),
        (TRIGGER, ("read_api",)),
        (TRIGGER, ("api",)),
        (None, ("granular",)),
    ],
)
async def test_check_names_the_project_that_a_token_of_the_right_scope_reads(
    host: FakeHost, data: dict[str, str] | None, scopes: tuple[str, ...]
) -> None:
    assert await gitlab_ci(scoped(host, *scopes).http(), data=data).check() == "acme/web"
    assert f"GET {PROJECT}/pipelines?per_page=1" in host.paths()


@pytest.mark.parametrize(
    ("data", "scopes", "missing"),
    [
        (None, ("read_api",), r"\(scopes: read_api\) does not have the scope `api`.*`triggerToken`"),
        (TRIGGER, ("read_user", "read_repository"), r"read_repository, read_user\) does not have the scope `read_api`"),
    ],
)
async def test_check_names_the_scope_that_a_token_misses(
    host: FakeHost, data: dict[str, str] | None, scopes: tuple[str, ...], missing: str
) -> None:
    with pytest.raises(ProviderUnauthorized, match=missing) as caught:
        await gitlab_ci(scoped(host, *scopes).http(), data=data).check()
    assert caught.value.status == 403


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_where_nothing_shows_the_scopes_the_project_and_its_pipelines_prove_the_token(
    host: FakeHost, status: int
) -> None:
    scoped(host).on("GET", "/api/v4/personal_access_tokens/self", answer({"message": "no"}, status))
    assert await gitlab_ci(host.http()).check() == "acme/web"
    host.on("GET", rf"{PROJECT}/pipelines\?per_page=1", answer({"message": "403 Forbidden"}, 403))
    with pytest.raises(ProviderUnauthorized, match=r"403 Forbidden; .*`read_api`.*Reporter"):
        await gitlab_ci(host.http()).check()


@pytest.mark.parametrize(
    ("version", "fine"), [("18.6.0-ee", True), ("17.10.1", True), ("17.9.2", False), ("16.11", False)]
)
async def test_check_refuses_inputs_on_a_host_that_would_ignore_them(host: FakeHost, version: str, fine: bool) -> None:
    scoped(host, "api").on("GET", "/api/v4/version", answer({"version": version}))
    runs = gitlab_ci(host.http(), parameters_as="Inputs")
    if fine:
        assert await runs.check() == "acme/web"
    else:
        with pytest.raises(ProviderRejected, match=rf"GitLab {version} ignores inputs: .*17\.10"):
            await runs.check()


async def test_a_pipeline_that_a_person_retries_counts_by_its_newest_verdict(host: FakeHost) -> None:
    answers = [answer(pipeline(7, status=status)) for status in ("failed", "running", "success")]
    host.on("GET", f"{PROJECT}/pipelines/7", *answers)
    host.on("GET", rf"{PROJECT}/pipelines/7/jobs\?.*", answer([{"name": "unit", "failure_reason": "script_failure"}]))
    runs, run = gitlab_ci(host.http()), Run(id="7", key="k")
    readings = [await runs.read("main", run) for _ in range(3)]
    assert [reading.phase for reading in readings] == [RunPhase.FAILED, RunPhase.RUNNING, RunPhase.PASSED]
    assert readings[-1].message == ""
