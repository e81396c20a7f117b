"""Jenkins as a CI system, request by request."""

import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import httpx
import pytest

from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.jenkins import wire
from providers.models import Origin, Run, RunPhase
from tests.providers.hosts import FakeHost, answer, jenkins

JOB = "/jenkins/job/web/job/integration"
PASSWORD = {"username": "bot", "password": "hunter2hunter2"}


def build(number: int, key: str = "k", more: Mapping[str, object] | None = None, **fields: object) -> dict[str, object]:
    actions = [{"_class": "x"}, {"parameters": [{"name": "ENV"}, {"name": "PROMOTION_KEY", "value": key}]}, {}]
    url = f"https://internal:8080/job/web/job/integration/{number}/"
    return {"number": number, "queueId": number + 100, "url": url, "actions": actions, **fields, **(more or {})}


def item(number: int, key: str = "k") -> dict[str, object]:
    return {"id": number, "actions": [{"parameters": [{"name": "PROMOTION_KEY", "value": key}]}]}


def lists(host: FakeHost, *, builds: list[dict[str, object]], queue: list[dict[str, object]] | None = None) -> None:
    host.on("GET", rf"{JOB}/api/json\?.*", answer({"builds": builds}))
    host.on("GET", r"/jenkins/queue/api/json\?.*", answer({"items": queue or []}))


@pytest.mark.parametrize(
    ("job", "path"),
    [
        ("web/integration", "/job/web/job/integration"),
        ("/web/", "/job/web"),
        ("web/a%2Fb", "/job/web/job/a%252Fb"),
        ("two parts", "/job/two%20parts"),
    ],
)
def test_a_folder_path_becomes_a_job_path(job: str, path: str) -> None:
    assert wire.job_path(job) == path


@pytest.mark.parametrize("job", ["", "/", "web/../../api"])
async def test_a_job_without_a_name_or_with_a_walking_one_is_refused(host: FakeHost, job: str) -> None:
    with pytest.raises(ProviderRejected):
        await jenkins(host.http()).create(job, "k", {})
    assert host.requests == []


async def test_runs_are_found_by_key_in_builds_and_queue_oldest_first_and_once(host: FakeHost) -> None:
    lists(host, builds=[build(9), build(8, "other"), build(7)], queue=[item(111), item(109), item(5, "other")])
    found = await jenkins(host.http()).find("web/integration", "k")
    assert [run.id for run in found] == ["build:7:107", "build:9:109", "queue:111"]
    assert "queue" in host.paths()[0]


async def test_a_job_that_drops_the_key_is_refused_before_anything_is_started(host: FakeHost) -> None:
    host.on("GET", r"/jenkins/queue/.*", answer({"items": []}))
    declared = [{"parameterDefinitions": [{"name": "REVISION"}]}, {}]
    host.on("GET", rf"{JOB}/api/json\?.*", answer({"builds": [], "property": declared}))
    runs = jenkins(host.http())
    with pytest.raises(ProviderRejected, match="PROMOTION_KEY"):
        await runs.find("web/integration", "k")
    assert not await runs.traceable("web/integration")


@pytest.mark.parametrize(("age_seconds", "found"), [(60, ["build:50:150"]), (7200, [])])
async def test_a_busy_job_is_looked_through_beyond_its_newest_hundred_builds(
    host: FakeHost, age_seconds: int, found: list[str]
) -> None:
    started = int((time.time() - age_seconds) * 1000)
    lists(host, builds=[build(number, "other", timestamp=started) for number in range(200, 100, -1)])
    host.on("GET", rf"{JOB}/api/json\?tree=allBuilds.*100%2C1000.*", answer({"allBuilds": [build(50)]}))
    assert [run.id for run in await jenkins(host.http()).find("web/integration", "k")] == found


@pytest.mark.parametrize("date", [None, "Fri, 02 Jan 2026 12:00:00 GMT"], ids=["our clock", "the host's clock"])
@pytest.mark.parametrize(("round_age_seconds", "found"), [(3 * 3600, ["build:50:150"]), (5400, [])])
async def test_builds_are_looked_through_as_far_back_as_a_run_of_ours_may_be(
    host: FakeHost, date: str | None, round_age_seconds: int, found: list[str]
) -> None:
    now_seconds = time.time() if date is None else datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()
    oldest = int((now_seconds - 7200) * 1000)
    newest = answer({"builds": [build(number, "other", timestamp=oldest) for number in range(200, 100, -1)]})
    if date is not None:
        newest.headers["date"] = date
    host.on("GET", r"/jenkins/queue/api/json\?.*", answer({"items": []}))
    host.on("GET", rf"{JOB}/api/json\?.*", newest)
    host.on("GET", rf"{JOB}/api/json\?tree=allBuilds.*", answer({"allBuilds": [build(50)]}))
    origin = Origin(began=time.monotonic() - round_age_seconds)
    assert [run.id for run in await jenkins(host.http()).find("web/integration", "k", origin)] == found


async def test_a_trigger_sends_the_key_and_reads_the_queue_item_whatever_host_it_names(host: FakeHost) -> None:
    host.on("POST", f"{JOB}/buildWithParameters.*", answer(status=201, location="http://internal:8080/queue/item/42/"))
    run = await jenkins(host.http()).create("web/integration", "k", {"REVISION": "a b&c"})
    assert run == Run(id="queue:42", key="k")
    assert host.paths() == [f"POST {JOB}/buildWithParameters?delay=0sec"]
    assert dict(parse_qsl(host.requests[0].content.decode())) == {"REVISION": "a b&c", "PROMOTION_KEY": "k"}


async def test_a_parameter_that_jenkins_knows_as_well_is_sent_once(host: FakeHost) -> None:
    host.on("POST", f"{JOB}/buildWithParameters.*", answer(status=201, location="/queue/item/42/"))
    await jenkins(host.http()).create("web/integration", "k", {"delay": "5"})
    assert host.paths() == [f"POST {JOB}/buildWithParameters"]
    assert dict(parse_qsl(host.requests[0].content.decode())) == {"delay": "5", "PROMOTION_KEY": "k"}


async def test_an_equal_item_in_the_queue_is_the_run(host: FakeHost) -> None:
    host.always(answer(status=303, location="/jenkins/queue/item/41/"))
    assert (await jenkins(host.http()).create("web", "k", {})).id == "queue:41"
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "advice"),
    [
        (answer(status=302, location="/jenkins/job/web/"), ProviderRejected, "did not queue"),
        (answer(status=303), ProviderRejected, "did not queue"),
        (answer(status=201), ProviderMalformed, "without naming"),
        (
            answer({"message": "x is not parameterized"}, 400),
            ProviderRejected,
            "not parameterized: declare PROMOTION_KEY",
        ),
        (answer(status=409), ProviderRejected, "disabled"),
        (answer(status=404), ProviderNotFound, "job `web` does not exist"),
        (answer(status=401), ProviderUnauthorized, "401"),
        (
            httpx.Response(503, html="<html><title>Please wait while Jenkins restarts</title>"),
            ProviderError,
            "Please wait",
        ),
    ],
)
async def test_a_refused_trigger_names_what_to_fix(
    host: FakeHost, reply: httpx.Response, kind: type[ProviderError], advice: str
) -> None:
    host.always(reply)
    with pytest.raises(kind, match=advice):
        await jenkins(host.http()).create("web", "k", {})


async def test_a_missing_job_is_named_when_runs_are_looked_for(host: FakeHost) -> None:
    host.on("GET", r"/jenkins/queue/.*", answer({"items": []}))
    with pytest.raises(ProviderNotFound, match="job `web` does not exist"):
        await jenkins(host.http()).find("web", "k")


async def test_a_waiting_item_shows_why_it_waits(host: FakeHost) -> None:
    host.on("GET", r"/jenkins/queue/item/42/.*", answer({"why": "Waiting for next available executor"}))
    reading = await jenkins(host.http()).read("web/integration", Run(id="queue:42", key="k"))
    assert (reading.phase, reading.message) == (RunPhase.QUEUED, "Waiting for next available executor")


async def test_a_cancelled_item_is_cancelled(host: FakeHost) -> None:
    host.always(answer({"cancelled": True}))
    assert (await jenkins(host.http()).read("web", Run(id="queue:42", key="k"))).phase is RunPhase.CANCELLED


async def test_an_item_that_left_the_queue_becomes_its_build(host: FakeHost) -> None:
    host.on("GET", r"/jenkins/queue/item/42/.*", answer({"executable": {"number": 7}}))
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, building=True, queueId=42)))
    reading = await jenkins(host.http()).read("web/integration", Run(id="queue:42", key="k"))
    assert (reading.phase, reading.run.id, reading.number) == (RunPhase.RUNNING, "build:7:42", "7")


@pytest.mark.parametrize("found", [build(7), build(7, "", queueId=42)], ids=["by key", "by queue id"])
async def test_an_item_that_is_forgotten_is_found_among_the_builds(host: FakeHost, found: dict[str, object]) -> None:
    lists(host, builds=[build(9, "other"), found])
    host.on("GET", rf"{JOB}/7/api/json.*", answer({**found, "building": True}))
    reading = await jenkins(host.http()).read("web/integration", Run(id="queue:42", key="k"))
    assert reading.phase is RunPhase.RUNNING
    assert reading.run.key == "k"


async def test_a_run_known_by_its_key_alone_is_found_in_the_queue(host: FakeHost) -> None:
    lists(host, builds=[], queue=[item(42)])
    reading = await jenkins(host.http()).read("web/integration", Run(id="", key="k"))
    assert (reading.phase, reading.run.id) == (RunPhase.QUEUED, "queue:42")


async def test_a_pruned_build_is_gone(host: FakeHost) -> None:
    lists(host, builds=[])
    with pytest.raises(ProviderNotFound, match="neither a build nor a queue item"):
        await jenkins(host.http()).read("web/integration", Run(id="build:7:42", key="k"))


@pytest.mark.parametrize(("key", "queue", "ours"), [("another", 42, 42), ("", 12, 107)], ids=["another", "by-hand"])
async def test_a_build_under_our_number_of_another_key_or_item_is_no_run_of_ours(
    host: FakeHost, key: str, queue: int, ours: int
) -> None:
    foreign = build(7, key, queueId=queue, building=False, result="SUCCESS")
    lists(host, builds=[foreign])
    host.on("GET", rf"{JOB}/7/api/json.*", answer(foreign))
    with pytest.raises(ProviderNotFound, match="neither a build nor a queue item"):
        await jenkins(host.http()).read("web/integration", Run(id=f"build:7:{ours}", key="k"))


@pytest.mark.parametrize(
    "theirs",
    [{"task": {"url": "https://internal:8080/job/web/job/nightly/"}}, item(107, "another")],
    ids=["another job's", "another key's"],
)
async def test_an_id_that_a_crashed_controller_gave_again_names_no_run_of_ours(
    host: FakeHost, theirs: dict[str, object]
) -> None:
    host.on("GET", r"/jenkins/queue/item/107/.*", answer({**theirs, "why": "busy"}))
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, building=True)))
    lists(host, builds=[build(7)])
    runs = jenkins(host.http())
    reading = await runs.read("web/integration", Run(id="queue:107", key="k"))
    assert (reading.phase, reading.run.id) == (RunPhase.RUNNING, "build:7:107")
    # Where ours is lost theirs is left alone.
    lists(host, builds=[])
    await runs.cancel("web/integration", Run(id="queue:107", key="k"))
    assert not any(path.startswith("POST") for path in host.paths())


async def test_an_item_of_the_job_that_hides_the_key_is_ours(host: FakeHost) -> None:
    hidden = {"actions": [{"parameters": [{"name": "PROMOTION_KEY"}]}], "why": "busy"}
    url = "https://internal:8080/job/web/job/a%252Fb/"
    host.on("GET", r"/jenkins/queue/item/42/.*", answer({**hidden, "task": {"url": url}}))
    reading = await jenkins(host.http()).read("web/a%2Fb", Run(id="queue:42", key="k"))
    assert (reading.phase, reading.message) == (RunPhase.QUEUED, "busy")


async def test_a_build_whose_number_is_anothers_by_now_is_found_by_its_key(host: FakeHost) -> None:
    ours = build(9, building=True)
    lists(host, builds=[ours, build(7, "another")])
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, "another", building=False, result="SUCCESS")))
    host.on("GET", rf"{JOB}/9/api/json.*", answer(ours))
    reading = await jenkins(host.http()).read("web/integration", Run(id="build:7:42", key="k"))
    assert (reading.phase, reading.number) == (RunPhase.RUNNING, "9")


async def test_a_foreign_build_under_our_number_is_not_stopped(host: FakeHost) -> None:
    foreign = build(7, "another", building=True)
    lists(host, builds=[foreign])
    host.on("GET", rf"{JOB}/7/api/json.*", answer(foreign))
    await jenkins(host.http()).cancel("web/integration", Run(id="build:7:42", key="k"))
    assert not any(path.startswith("POST") for path in host.paths())


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ({"building": False, "result": "SUCCESS"}, RunPhase.PASSED),
        ({"building": False, "result": "UNSTABLE"}, RunPhase.FAILED),
        ({"building": False, "result": "FAILURE"}, RunPhase.FAILED),
        ({"building": False, "result": "ABORTED"}, RunPhase.CANCELLED),
        ({"building": False, "result": "NOT_BUILT"}, RunPhase.ERROR),
        ({"building": False, "result": "ODD"}, RunPhase.ERROR),
        ({"building": True, "result": "FAILURE"}, RunPhase.RUNNING),
        ({"building": False, "inProgress": True, "result": "SUCCESS"}, RunPhase.RUNNING),
        ({"building": False, "result": None}, RunPhase.RUNNING),
    ],
)
async def test_a_build_is_final_only_with_a_result_and_when_it_no_longer_builds(
    host: FakeHost, state: dict[str, object], phase: RunPhase
) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, more=state)))
    reading = await jenkins(host.http()).read("web/integration", Run(id="build:7:42", key="k"))
    assert reading.phase is phase
    assert bool(reading.message) is (phase not in (RunPhase.PASSED, RunPhase.RUNNING))


@pytest.mark.parametrize("run_id", ["build:7:-1", "build:7:0", "build:7:42"])
async def test_a_build_that_jenkins_loaded_from_disk_is_read_by_its_number(host: FakeHost, run_id: str) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, queueId=-1, building=False, result="SUCCESS")))
    reading = await jenkins(host.http()).read("web/integration", Run(id=run_id, key="k"))
    assert reading.phase is RunPhase.PASSED
    again = await jenkins(host.http()).read("web/integration", reading.run)
    assert (again.phase, again.run.id) == (RunPhase.PASSED, reading.run.id)
    assert all("/7/" in path for path in host.paths())


async def test_builds_without_a_queue_item_are_found_by_key_and_read(host: FakeHost) -> None:
    host.on("GET", r"/jenkins/queue/api/json.*", answer({"items": []}))
    host.on("GET", rf"{JOB}/api/json.*", answer({"builds": [build(7, queueId=-1), build(8, queueId=-1)]}))
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, queueId=-1, building=False, result="SUCCESS")))
    runs = jenkins(host.http())
    oldest, _ = await runs.find("web/integration", "k")
    assert (await runs.read("web/integration", oldest)).phase is RunPhase.PASSED
    assert host.paths()[-2].startswith(f"GET {JOB}/7/api/json")


async def test_who_aborted_a_build_is_reported(host: FakeHost) -> None:
    action = {"_class": "jenkins.model.InterruptedBuildAction", "causes": [{"shortDescription": "Aborted by mona"}]}
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, building=False, result="ABORTED", actions=[action])))
    reading = await jenkins(host.http()).read("web/integration", Run(id="build:7:107", key="k"))
    assert (reading.phase, reading.message) == (RunPhase.CANCELLED, "result ABORTED: Aborted by mona")


async def test_an_unstable_build_counts_as_the_runner_declares(host: FakeHost) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, result="UNSTABLE")))
    runs = jenkins(host.http(), results={"unstable": "Passed"})
    assert (await runs.read("web/integration", Run(id="build:7:1", key="k"))).phase is RunPhase.PASSED


@pytest.mark.parametrize(
    ("action", "phase"),
    [
        (
            {
                "_class": "jenkins.model.InterruptedBuildAction",
                "causes": [{"_class": "org.x.TimeoutStepExecution$ExceededTimeout", "shortDescription": "Exceeded"}],
            },
            RunPhase.TIMED_OUT,
        ),
        ({"causes": [{"shortDescription": "Timeout has been exceeded"}]}, RunPhase.TIMED_OUT),
        ({"causes": [{"shortDescription": "Aborted by Ada"}]}, RunPhase.CANCELLED),
        (
            {
                "_class": "hudson.model.CauseAction",
                "causes": [{"shortDescription": "Started by upstream project timeout-tests"}],
            },
            RunPhase.CANCELLED,
        ),
    ],
)
async def test_an_abort_by_a_timeout_is_distinguished_from_one_by_a_person(
    host: FakeHost, action: dict[str, object], phase: RunPhase
) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, result="ABORTED", actions=[action])))
    assert (await jenkins(host.http()).read("web/integration", Run(id="build:7:107", key="k"))).phase is phase


@pytest.mark.parametrize(
    ("report", "summary"),
    [
        (answer({"failCount": 1, "skipCount": 0, "passCount": 41}), "41 passed, 1 failed"),
        (answer({"failCount": 1, "skipCount": 2, "totalCount": 44}), "41 passed, 1 failed, 2 skipped"),
        (answer({"failCount": 0, "skipCount": 0, "passCount": 0}), ""),
        (answer(status=404), ""),
        (answer(status=500), ""),
        (httpx.ReadTimeout("late"), ""),
    ],
)
async def test_a_verdict_comes_with_test_counts_where_there_are_any(
    host: FakeHost, report: httpx.Response | Exception, summary: str
) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, result="UNSTABLE")))
    host.on("GET", rf"{JOB}/7/testReport/.*", report)
    reading = await jenkins(host.http()).read("web/integration", Run(id="build:7:1", key="k"))
    assert (reading.phase, reading.summary) == (RunPhase.FAILED, summary)


async def test_a_waiting_run_is_cancelled_in_the_queue(host: FakeHost) -> None:
    host.on("GET", r"/jenkins/queue/item/42/.*", answer({"why": "busy"}))
    host.on("POST", r"/jenkins/queue/cancelItem\?id=42", answer(status=204))
    await jenkins(host.http()).cancel("web", Run(id="queue:42", key="k"))
    assert host.paths()[-1] == "POST /jenkins/queue/cancelItem?id=42"


@pytest.mark.parametrize("started", [True, False])
async def test_a_run_that_leaves_the_queue_while_it_is_cancelled_is_stopped(host: FakeHost, started: bool) -> None:
    lists(host, builds=[build(7)] if started else [])
    host.on("GET", r"/jenkins/queue/item/42/.*", answer({"why": "busy"}))
    host.on("POST", r"/jenkins/queue/cancelItem.*", answer(status=422))
    host.on("POST", f"{JOB}/7/stop", answer(status=302, location="https://internal:8080/"))
    await jenkins(host.http()).cancel("web/integration", Run(id="queue:42", key="k"))
    assert (f"POST {JOB}/7/stop" in host.paths()) is started


async def test_a_running_build_is_stopped(host: FakeHost) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, building=True)))
    host.on("POST", f"{JOB}/7/stop", answer(status=302, location="/"))
    await jenkins(host.http()).cancel("web/integration", Run(id="build:7:42", key="k"))
    assert host.paths()[-1] == f"POST {JOB}/7/stop"


async def test_cancelling_a_finished_or_unknown_run_does_nothing(host: FakeHost) -> None:
    host.on("GET", rf"{JOB}/7/api/json.*", answer(build(7, result="SUCCESS")))
    await jenkins(host.http()).cancel("web/integration", Run(id="build:7:42", key="k"))
    lists(host, builds=[])
    await jenkins(host.http()).cancel("web/integration", Run(id="odd", key="gone"))
    assert not [path for path in host.paths() if path.startswith("POST")]


async def test_a_token_needs_no_crumb(host: FakeHost) -> None:
    host.always(answer(status=201, location="/queue/item/1/"))
    await jenkins(host.http()).create("web", "k", {})
    assert host.paths() == ["POST /jenkins/job/web/buildWithParameters?delay=0sec"]
    sent = host.requests[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).startswith(b"bot:")


async def test_a_password_gets_a_crumb_once_and_keeps_its_session(host: FakeHost) -> None:
    crumb = answer({"crumbRequestField": "Jenkins-Crumb", "crumb": "c1"}, set_cookie="JSESSIONID=s1; Path=/")
    host.on("GET", "/jenkins/crumbIssuer/api/json", crumb)
    host.on("POST", ".*", answer(status=201, location="/queue/item/1/"))
    http = host.http()
    await jenkins(http, data=PASSWORD).create("web", "k", {})
    await jenkins(http, data=PASSWORD).create("web", "k", {})
    assert [path.split()[0] for path in host.paths()] == ["GET", "POST", "POST"]
    for request in host.requests[1:]:
        assert (request.headers["jenkins-crumb"], request.headers["cookie"]) == ("c1", "JSESSIONID=s1")


async def test_a_crumb_whose_session_is_over_is_renewed_once(host: FakeHost) -> None:
    crumbs = [answer({"crumbRequestField": "Jenkins-Crumb", "crumb": crumb}) for crumb in ("c1", "c2")]
    host.on("GET", "/jenkins/crumbIssuer/api/json", *crumbs)
    stale = httpx.Response(403, html="<title>Error 403 No valid crumb was included in the request</title>")
    host.on("POST", ".*", stale, answer(status=201, location="/queue/item/1/"))
    run = await jenkins(host.http(), data=PASSWORD).create("web", "k", {})
    assert run.id == "queue:1"
    assert host.requests[-1].headers["jenkins-crumb"] == "c2"


async def test_a_missing_right_is_not_taken_for_a_stale_crumb(host: FakeHost) -> None:
    host.on("POST", ".*", answer({"message": "bot is missing the Job/Build permission"}, 403))
    with pytest.raises(ProviderUnauthorized, match="Job/Build"):
        await jenkins(host.http(), data=PASSWORD).create("web", "k", {})
    assert [path.split()[0] for path in host.paths()] == ["GET", "POST"]


@pytest.mark.parametrize(("data", "missing"), [({"username": "bot"}, "password"), ({"token": "secret1"}, "username")])
async def test_an_unusable_secret_names_the_key_that_is_missing(
    host: FakeHost, data: dict[str, str], missing: str
) -> None:
    with pytest.raises(ProviderMisconfigured, match=missing):
        await jenkins(host.http(), data=data).check()
