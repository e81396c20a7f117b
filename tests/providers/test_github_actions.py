"""GitHub Actions as a CI system, request by request."""

import json

import pytest

from providers.errors import ProviderNotFound, ProviderRejected, TriggerUnknown
from providers.github_actions import adapter, wire
from providers.models import Run, RunPhase
from tests.providers.actions import DETAILS, DISPATCH, FLOW, WITHOUT_KEY, dispatches, renamed, run, world
from tests.providers.hosts import FakeHost, answer, github_actions


@pytest.mark.parametrize(
    ("job", "file", "ref"),
    [
        ("e2e.yml", "e2e.yml", ""),
        ("e2e.yml@release/1.0", "e2e.yml", "release/1.0"),
        (".github/workflows/e2e.yml", "e2e.yml", ""),
    ],
)
def test_a_job_names_a_workflow_file_and_perhaps_a_ref(job: str, file: str, ref: str) -> None:
    assert wire.read_job(job) == wire.Job(file=file, ref=ref)


def test_a_job_without_a_file_is_refused_and_shown_where_a_branch_belongs() -> None:
    with pytest.raises(ProviderRejected, match=r"workflow file such as `e2e\.yml`.*`githubActions\.ref`"):
        wire.read_job("@main")


async def test_a_run_is_started_on_the_default_branch_with_the_key_as_input(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, DETAILS)
    http = host.http()
    made = await github_actions(http).create("e2e.yml", "k", {"revision": "abc"})
    await github_actions(http).create("e2e.yml", "k2", {})
    assert made == Run(id="7", key="k", url="https://github.example.com/acme/web/actions/runs/7")
    assert host.body(1) == {
        "ref": "main",
        "inputs": {"revision": "abc", "promotion_key": "k"},
        "return_run_details": True,
    }
    # The default branch is asked for once.
    assert [path.split()[0] for path in host.paths()] == ["GET", "POST", "POST"]


async def test_a_ref_in_the_job_is_used_as_it_is(host: FakeHost) -> None:
    host.on("POST", DISPATCH, DETAILS)
    await github_actions(host.http()).create("e2e.yml@release", "k", {})
    assert host.paths() == [f"POST {DISPATCH}"]
    body = host.body()
    assert isinstance(body, dict)
    assert body["ref"] == "release"


@pytest.mark.parametrize("status", [400, 422])
async def test_a_host_that_does_not_know_run_details_is_asked_once_more_without_and_remembered(
    host: FakeHost, status: int
) -> None:
    world(host, runs=[run(7)])
    refused = answer({"message": '"return_run_details" is not a permitted key.'}, status)
    host.on("POST", DISPATCH, refused, answer(status=204))
    http = host.http()
    made = await github_actions(http).create("e2e.yml", "k", {})
    assert made.id == "7"
    assert dispatches(host) == 2
    await github_actions(http).create("e2e.yml", "k", {})
    assert dispatches(host) == 3
    bodies = [host.body(number) for number, path in enumerate(host.paths()) if path.endswith("/dispatches")]
    assert ["return_run_details" in str(body) for body in bodies] == [True, False, False]


async def test_a_run_is_started_on_the_default_branch_of_today(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, DETAILS)
    http = host.http()
    await github_actions(http).create("e2e.yml", "k", {})
    renamed(host)
    assert (await github_actions(http).create("e2e.yml", "k2", {})).id == "7"
    assert dispatches(host) == 3


async def test_a_host_that_names_no_runs_is_asked_for_the_default_branch_of_today(host: FakeHost) -> None:
    world(host, runs=[run(7, "e2e k"), run(8, "e2e k2")])
    host.on("POST", DISPATCH, answer(status=204))
    http = host.http()
    await github_actions(http).create("e2e.yml", "k", {})
    renamed(host, accepted=answer(status=204))
    assert (await github_actions(http).create("e2e.yml", "k2", {})).id == "8"


async def test_a_run_is_not_started_for_long_on_a_default_branch_that_is_one_no_more(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "BELIEVED_SECONDS", 0.0)
    world(host)
    host.on("POST", DISPATCH, DETAILS)
    http = host.http()
    await github_actions(http).create("e2e.yml", "k", {})
    # The former one is still there.
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web", "default_branch": "trunk"}))
    await github_actions(http).create("e2e.yml", "k2", {})
    sent = [json.loads(one.content)["ref"] for one in host.requests if one.method == "POST"]
    assert sent == ["main", "trunk"]


async def test_a_run_on_the_default_branch_of_today_is_ours(host: FakeHost) -> None:
    world(host, runs=[run(7, head_branch="main")])
    http = host.http()
    assert [one.foreign for one in await github_actions(http).find("e2e.yml", "k")] == [""]
    world(host, runs=[run(8, head_branch="trunk")])
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web", "default_branch": "trunk"}))
    assert [one.foreign for one in await github_actions(http).find("e2e.yml", "k")] == [""]


async def test_a_refusal_is_reported_though_the_default_branch_cannot_be_read(host: FakeHost) -> None:
    world(host)
    host.on("GET", "/repos/acme/web", answer({"default_branch": "main"}), answer(status=503))
    host.on("POST", DISPATCH, answer({"message": "No ref found for: main"}, 422))
    with pytest.raises(ProviderRejected, match="No ref found"):
        await github_actions(host.http()).create("e2e.yml", "k", {})


async def test_a_branch_that_was_asked_for_is_never_replaced(host: FakeHost) -> None:
    renamed(host)
    with pytest.raises(ProviderRejected, match="No ref found for: main"):
        await github_actions(host.http()).create("e2e.yml@main", "k", {})
    assert host.paths() == [f"POST {DISPATCH}"]


async def test_another_refusal_is_reported_and_not_repeated(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, answer({"message": "Workflow does not have 'workflow_dispatch' trigger"}, 422))
    with pytest.raises(ProviderRejected, match="workflow_dispatch"):
        await github_actions(host.http()).create("e2e.yml", "k", {})
    assert dispatches(host) == 1


async def test_a_trigger_that_was_sent_to_a_renamed_repository_started_nothing(host: FakeHost) -> None:
    world(host, file=WITHOUT_KEY)
    host.on("GET", "/repos/acme/web", answer(status=301, location="/repositories/7"))
    host.on("GET", "/repositories/7", answer({"full_name": "acme/shop", "default_branch": "main"}))
    host.on("POST", DISPATCH, answer(status=307, location="https://github.example.com/repositories/7/x"))
    advice = r"renamed.*GitRepository.*https://github\.example\.com/repositories/7/x"
    with pytest.raises(ProviderRejected, match=advice):
        await github_actions(host.http()).create("e2e.yml", "k", {})
    assert dispatches(host) == 1


async def test_a_workflow_that_is_missing_shows_where_it_must_be(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, answer({"message": "Not Found"}, 404))
    with pytest.raises(ProviderNotFound, match="default branch"):
        await github_actions(host.http()).create("e2e.yml", "k", {})


async def test_a_run_accepted_without_its_id_and_not_listed_yet_is_known_by_its_key(host: FakeHost) -> None:
    world(host)
    host.on("POST", DISPATCH, answer(status=204))
    assert await github_actions(host.http()).create("e2e.yml", "k", {}) == Run(id="", key="k")
    assert dispatches(host) == 1


async def test_a_run_accepted_without_its_id_that_hides_its_key_is_unknown(host: FakeHost) -> None:
    world(host, file=WITHOUT_KEY)
    host.on("POST", DISPATCH, answer(status=204))
    http = host.http()
    with pytest.raises(TriggerUnknown, match="run-name"):
        await github_actions(http).create("e2e.yml", "k", {})
    # The host is known to name no runs now: the next one is not even started.
    with pytest.raises(TriggerUnknown):
        await github_actions(http).create("e2e.yml", "k", {})
    assert dispatches(host) == 1


async def test_runs_are_found_by_their_title_over_pages_oldest_first(host: FakeHost) -> None:
    first = answer({"workflow_runs": [run(9), run(8, "e2e other")]}, link='<https://x>; rel="next"')
    host.on("GET", rf"{FLOW}/runs\?.*page=1", first)
    host.on("GET", rf"{FLOW}/runs\?.*page=2", answer({"workflow_runs": [run(7)]}))
    found = await github_actions(host.http()).find("e2e.yml", "k")
    assert [each.id for each in found] == ["7", "9"]
    assert "event=workflow_dispatch" in host.paths()[0]
    assert "created=%3E%3D" in host.paths()[0]


@pytest.mark.parametrize(
    ("status", "conclusion", "phase"),
    [
        ("queued", None, RunPhase.QUEUED),
        ("requested", None, RunPhase.QUEUED),
        ("pending", None, RunPhase.QUEUED),
        ("waiting", None, RunPhase.QUEUED),
        ("in_progress", None, RunPhase.RUNNING),
        ("completed", "success", RunPhase.PASSED),
        ("completed", "neutral", RunPhase.PASSED),
        ("completed", "failure", RunPhase.FAILED),
        ("completed", "cancelled", RunPhase.CANCELLED),
        ("completed", "timed_out", RunPhase.TIMED_OUT),
        ("completed", "skipped", RunPhase.ERROR),
        ("completed", "startup_failure", RunPhase.ERROR),
        ("completed", "action_required", RunPhase.ERROR),
        ("completed", "stale", RunPhase.ERROR),
        ("completed", None, RunPhase.ERROR),
    ],
)
async def test_status_and_conclusion_become_a_phase(
    host: FakeHost, status: str, conclusion: str | None, phase: RunPhase
) -> None:
    host.on("GET", "/repos/acme/web/actions/runs/7", answer(run(7, status=status, conclusion=conclusion)))
    reading = await github_actions(host.http()).read("e2e.yml", Run(id="7", key="k"))
    assert reading.phase is phase
    assert reading.waiting_for_approval is (status == "waiting")


@pytest.mark.parametrize(("knob", "meaning"), [("skipped", "Passed"), ("neutral", "Failed")])
async def test_doubtful_conclusions_count_as_the_runner_declares(host: FakeHost, knob: str, meaning: str) -> None:
    host.on("GET", "/repos/acme/web/actions/runs/7", answer(run(7, status="completed", conclusion=knob)))
    runs = github_actions(host.http(), results={knob: meaning})
    assert (await runs.read("e2e.yml", Run(id="7", key="k"))).phase.value == meaning


async def test_a_failed_run_names_its_failed_jobs(host: FakeHost) -> None:
    host.on("GET", "/repos/acme/web/actions/runs/7", answer(run(7, status="completed", conclusion="failure")))
    jobs = [{"name": "chrome", "conclusion": "failure"}, {"name": "lint", "conclusion": "success"}]
    host.on("GET", "/repos/acme/web/actions/runs/7/jobs.*", answer({"jobs": jobs}))
    reading = await github_actions(host.http()).read("e2e.yml", Run(id="7", key="k"))
    assert reading.message == "conclusion failure; failed jobs: chrome"


async def test_a_rerun_shows_its_attempt(host: FakeHost) -> None:
    host.on("GET", "/repos/acme/web/actions/runs/7", answer(run(7, status="in_progress", run_attempt=2)))
    reading = await github_actions(host.http()).read("e2e.yml", Run(id="7", key="k"))
    assert reading.number == "7 (attempt 2)"


async def test_a_run_without_an_id_is_read_by_its_key(host: FakeHost) -> None:
    world(host, runs=[run(7)])
    host.on("GET", "/repos/acme/web/actions/runs/7", answer(run(7, status="queued")))
    reading = await github_actions(host.http()).read("e2e.yml", Run(id="", key="k"))
    assert reading.run.id == "7"


async def test_a_run_that_is_nowhere_is_not_found(host: FakeHost) -> None:
    world(host)
    for known, refusal in (("", "no run of this key"), ("7", "run 7 is not there any more")):
        with pytest.raises(ProviderNotFound, match=refusal):
            await github_actions(host.http()).read("e2e.yml", Run(id=known, key="k"))


@pytest.mark.parametrize("status", [202, 404, 409])
async def test_cancelling_a_finished_or_unknown_run_is_fine(host: FakeHost, status: int) -> None:
    world(host, runs=[run(7)])
    host.on("POST", "/repos/acme/web/actions/runs/7/cancel", answer({}, status))
    runs = github_actions(host.http())
    await runs.cancel("e2e.yml", Run(id="7", key="k"))
    await runs.cancel("e2e.yml", Run(id="", key="k"))
    await runs.cancel("e2e.yml", Run(id="", key="unknown"))
    assert [path.split()[0] for path in host.paths()].count("POST") == 2


async def test_check_proves_the_right_to_read_runs(host: FakeHost) -> None:
    host.on("GET", r"/repos/acme/web/actions/runs\?per_page=1", answer({"total_count": 3}))
    assert await github_actions(host.http()).check() == "acme/web, 3 runs"
