"""GitLab's deployments, request by request."""

import pytest

from providers.errors import ProviderUnauthorized
from providers.models import DeploymentRecord, DeploymentState
from providers.ports import DeploymentRecords
from tests.providers.hosts import FakeHost, answer, gitlab

PROJECT = "/api/v4/projects/acme%2Fweb"
SHA = "a" * 40
RUNNING = {
    "id": 31,
    "sha": SHA,
    "status": "running",
    "deployable": None,
    "environment": {"id": 5, "name": "staging", "external_url": "https://by-a-person.example"},
}
WANTED = DeploymentRecord(
    environment="staging",
    sha=SHA,
    state=DeploymentState.IN_PROGRESS,
    environment_url="https://staging.example",
)


def records(host: FakeHost) -> DeploymentRecords:
    found = gitlab(host.http()).deployment_records
    assert found is not None
    return found


def listing(host: FakeHost, *deployments: dict[str, object]) -> FakeHost:
    host.on("GET", rf"{PROJECT}/deployments\?.*", answer(list(deployments)))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web", "default_branch": "trunk"}))
    host.on("POST", f"{PROJECT}/deployments", answer(RUNNING, 201))
    host.on("PUT", ".*", answer(RUNNING))
    return host


def writes(host: FakeHost) -> list[str]:
    return [asked for asked in host.paths() if not asked.startswith("GET ")]


@pytest.mark.parametrize(
    "there",
    [
        [],
        [{**RUNNING, "sha": "b" * 40}],
        # A CI job's own, which the API may not change.
        [{**RUNNING, "deployable": {"id": 1}}],
        # What ended does not run again.
        [{**RUNNING, "status": "success"}],
    ],
)
async def test_a_deployment_that_is_not_there_is_made_at_the_default_branch(
    host: FakeHost, there: list[dict[str, object]]
) -> None:
    await records(listing(host, *there)).record(WANTED)
    assert writes(host) == [f"POST {PROJECT}/deployments"]
    assert host.body() == {"environment": "staging", "sha": SHA, "ref": "trunk", "tag": False, "status": "running"}


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        (DeploymentState.QUEUED, None),
        (DeploymentState.IN_PROGRESS, None),
        (DeploymentState.SUCCEEDED, "success"),
        (DeploymentState.FAILED, "failed"),
        (DeploymentState.ENDED, "canceled"),
    ],
)
async def test_the_deployment_that_is_there_follows_and_one_that_has_not_begun_is_not_shown(
    host: FakeHost, state: DeploymentState, sent: str | None
) -> None:
    wanted = DeploymentRecord(environment="staging", sha=SHA, state=state)
    await records(listing(host, RUNNING)).record(wanted)
    assert writes(host) == ([f"PUT {PROJECT}/deployments/31"] if sent else [])
    if sent:
        assert host.body() == {"status": sent}


@pytest.mark.parametrize("there", [[], [{**RUNNING, "status": "success"}], [{**RUNNING, "status": "canceled"}]])
async def test_what_was_given_up_ends_only_where_it_is_under_way(
    host: FakeHost, there: list[dict[str, object]]
) -> None:
    wanted = DeploymentRecord(environment="staging", sha=SHA, state=DeploymentState.ENDED)
    await records(listing(host, *there)).record(wanted)
    assert writes(host) == []


async def test_an_environment_gets_an_address_where_it_has_none_and_keeps_a_person_s(host: FakeHost) -> None:
    nowhere = {**RUNNING, "environment": {"id": 5, "name": "staging", "external_url": None}}
    await records(listing(host, nowhere)).record(WANTED)
    assert writes(host) == [f"PUT {PROJECT}/environments/5"]
    assert host.body() == {"external_url": "https://staging.example"}
    await records(listing(host, RUNNING)).record(WANTED)
    assert len(writes(host)) == 1


async def test_a_credential_without_the_right_is_refused_as_such(host: FakeHost) -> None:
    listing(host)
    host.on("POST", f"{PROJECT}/deployments", answer({"message": "403 Forbidden"}, 403))
    with pytest.raises(ProviderUnauthorized):
        await records(host).record(WANTED)


@pytest.mark.parametrize(
    ("by", "sent"),
    [
        # Ours, by the name that the account had before.
        ({"id": 7, "username": "project_7_bot"}, [f"PUT {PROJECT}/deployments/31"]),
        ({"id": 8, "username": "pilot"}, [f"POST {PROJECT}/deployments", f"PUT {PROJECT}/deployments/32"]),
    ],
)
async def test_a_deployment_that_another_account_recorded_is_left_alone(
    host: FakeHost, by: dict[str, object], sent: list[str]
) -> None:
    theirs = {**RUNNING, "user": by}
    host = listing(host, theirs)
    host.on("GET", "/api/v4/user", answer({"id": 7, "username": "pilot"}))
    ours = {**RUNNING, "id": 32, "user": {"id": 7, "username": "pilot"}}
    host.on("POST", f"{PROJECT}/deployments", answer(ours, 201))
    found = records(host)
    if len(sent) > 1:
        await found.record(WANTED)
        host.on("GET", rf"{PROJECT}/deployments\?.*", answer([theirs, ours]))
    await found.record(DeploymentRecord(environment="staging", sha=SHA, state=DeploymentState.FAILED))
    assert writes(host) == sent
