"""GitHub's check runs: one per context, of our App alone, begun again where one that ended is pending again."""

from collections.abc import Mapping

import pytest

from providers.errors import ProviderUnauthorized
from providers.github.options import StatusesAs
from providers.models import CommitStatus, StatusState
from providers.ports import CommitStatuses
from tests.providers.hosts import FakeHost, answer, github

HOMEPAGE = "https://pilotage.example.com"
OURS = {"slug": "pilotage", "external_url": HOMEPAGE}
PENDING = CommitStatus(context="pilotage/dev", state=StatusState.PENDING, description="1 of 2 tests", url="https://x/1")


def _run(number: int, **shown: object) -> Mapping[str, object]:
    output = {"title": "1 of 2 tests", "summary": "1 of 2 tests"}
    run = {"id": number, "name": "pilotage/dev", "status": "in_progress", "details_url": "https://x/1", "app": OURS}
    return {**run, "output": output, **shown}


def _ended(number: int, conclusion: str, **shown: object) -> Mapping[str, object]:
    return _run(number, status="completed", conclusion=conclusion, **shown)


def _statuses(host: FakeHost, *runs: Mapping[str, object], login: str = "pilotage[bot]") -> CommitStatuses:
    host.on("GET", ".*/user", answer({"login": login}))
    host.on("GET", r".*/commits/c0/check-runs\?.*", answer({"total_count": len(runs), "check_runs": list(runs)}))
    host.on("POST", ".*/check-runs", answer({"id": 99}, 201))
    host.on("PATCH", ".*/check-runs/.*", answer({"id": 99}))
    return github(host.http(), statuses_as=StatusesAs.CHECK_RUNS).commit_statuses


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        (StatusState.PENDING, {"status": "in_progress"}),
        (StatusState.SUCCESS, {"status": "completed", "conclusion": "success"}),
        (StatusState.FAILURE, {"status": "completed", "conclusion": "failure"}),
        (StatusState.ERROR, {"status": "completed", "conclusion": "cancelled"}),
    ],
    ids=lambda value: str(value) if isinstance(value, StatusState) else "",
)
async def test_each_state_has_its_conclusion(host: FakeHost, state: StatusState, sent: Mapping[str, str]) -> None:
    status = CommitStatus(context="pilotage/dev", state=state, description="ä" * 300, url="https://x/1")
    await _statuses(host).set("c0", status)
    assert host.paths()[-1].startswith("POST ")
    assert host.body() == {
        "name": "pilotage/dev",
        "head_sha": "c0",
        **sent,
        "details_url": "https://x/1",
        "output": {"title": "ä" * 254 + "…", "summary": "ä" * 300},
    }


async def test_neither_an_empty_text_nor_an_empty_link_is_sent(host: FakeHost) -> None:
    await _statuses(host).set("c0", CommitStatus(context="other", state=StatusState.SUCCESS, description=""))
    assert host.body() == {
        "name": "other",
        "head_sha": "c0",
        "status": "completed",
        "conclusion": "success",
        "output": {"title": "other", "summary": "other"},
    }


@pytest.mark.parametrize(
    ("there", "state", "sent"),
    [
        (_run(7), StatusState.PENDING, "PATCH"),
        (_run(7), StatusState.SUCCESS, "PATCH"),
        (_ended(7, "success"), StatusState.FAILURE, "PATCH"),
        (_ended(7, "failure"), StatusState.PENDING, "POST"),
        (_run(7, app={"slug": "another-app"}), StatusState.SUCCESS, "POST"),
    ],
    ids=["goes on", "ends", "ends otherwise", "waits again", "of another App"],
)
async def test_the_run_that_is_there_is_changed_unless_it_ended_and_waits_again(
    host: FakeHost, there: Mapping[str, object], state: StatusState, sent: str
) -> None:
    await _statuses(host, there).set("c0", CommitStatus(context="pilotage/dev", state=state, description="x"))
    method, path = host.paths()[-1].split(" ")
    assert (method, path.endswith("/check-runs/7")) == (sent, sent == "PATCH")


async def test_the_newest_run_of_a_name_counts_and_those_of_other_apps_do_not(host: FakeHost) -> None:
    others = _ended(9, "failure", app={"slug": "another-app"})
    newest = await _statuses(host, _ended(7, "failure"), _run(8), others).newest("c0")
    assert newest == {"pilotage/dev": PENDING}


async def test_what_we_never_set_is_shown_again(host: FakeHost) -> None:
    assert await _statuses(host, _ended(7, "stale")).newest("c0") == {}


async def test_a_run_without_a_link_leads_to_the_app_s_page_and_has_none(host: FakeHost) -> None:
    run = _ended(7, "success", details_url=HOMEPAGE, output={"title": "pilotage/dev", "summary": "pilotage/dev"})
    wanted = CommitStatus(context="pilotage/dev", state=StatusState.SUCCESS, description="")
    assert await _statuses(host, run).newest("c0") == {"pilotage/dev": wanted}


async def test_a_credential_of_no_app_is_refused_with_the_host_s_reason(host: FakeHost) -> None:
    statuses = _statuses(host, login="mona")
    host.on("POST", ".*/check-runs", answer({"message": "You must authenticate via a GitHub App."}, 403))
    with pytest.raises(ProviderUnauthorized, match="must authenticate via a GitHub App"):
        await statuses.set("c0", PENDING)
