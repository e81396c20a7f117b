"""What each port promises, kept by every adapter over stateful stand-ins that serve the vendors' REST shapes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import pytest_asyncio

from crds.reasons.vocabulary import MergeMethod
from deploy.local.sandbox import seed
from deploy.local.sandbox.azure_devops import ENTRA_PATH
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.application_models import ApplicationRef, ApplicationState, ApplicationTarget
from providers.errors import ProviderConflict, ProviderError, ProviderNotFound, ProviderRejected, ProviderUnauthorized
from providers.gitea.options import ForgejoOptions
from providers.github.options import StatusesAs
from providers.http import HttpClients, HttpOptions
from providers.models import (
    Ancestry,
    ChangeState,
    CommitStatus,
    DeploymentRecord,
    DeploymentState,
    FileEdit,
    Merge,
    NewCommit,
    NewPullRequest,
    Run,
    RunPhase,
    RunReading,
    StatusState,
)
from providers.ports import Branches, Deployments, PullRequestChanges, ScmHost, TestRuns
from providers.pull_request_lists import ListedPullRequest
from tests.providers.apps import github_app
from tests.providers.hosts import (
    argocd,
    azure_devops,
    bitbucket_cloud,
    bitbucket_data_center,
    gitea,
    github,
    github_actions,
    gitlab,
    gitlab_ci,
    jenkins,
    recorded_round_trips,
)

_FINAL = (RunPhase.PASSED, RunPhase.FAILED, RunPhase.TIMED_OUT, RunPhase.CANCELLED, RunPhase.ERROR)
_WORKFLOW = """on: workflow_dispatch
run-name: e2e ${{ inputs.promotion_key }}
"""
TOUCHED = ApplicationRef(project=seed.PROJECT, name=seed.STAGING_APP)


@dataclass(frozen=True, kw_only=True)
class CiWorld:
    """One CI system: how to open it, and the job that its stand-in knows."""

    job: str
    parameter: str
    open: Callable[[str, HttpClients, bool], TestRuns]
    """Takes the sandbox's address, the clients, and whether the credential is valid."""


def _jenkins(url: str, http: HttpClients, valid: bool) -> TestRuns:
    token = seed.JENKINS_TOKEN if valid else "wrong-token"
    return jenkins(http, base=f"{url}/jenkins", data={"username": seed.JENKINS_USER, "token": token})


def _jenkins_password(url: str, http: HttpClients, valid: bool) -> TestRuns:
    password = "sandbox-jenkins-password" if valid else "wrong-password"
    return jenkins(http, base=f"{url}/jenkins", data={"username": seed.JENKINS_USER, "password": password})


def _actions(url: str, http: HttpClients, valid: bool) -> TestRuns:
    return github_actions(http, base=f"{url}/github", token=seed.GITHUB_TOKEN if valid else "wrong-token")


def _actions_app(url: str, http: HttpClients, valid: bool) -> TestRuns:
    return github_actions(http, base=f"{url}/github", data=github_app("pilotage" if valid else "stranger").secret)


def _gitlab(url: str, http: HttpClients, valid: bool) -> TestRuns:
    return gitlab_ci(http, base=f"{url}/gitlab/api/v4", data={"token": seed.GITLAB_TOKEN if valid else "wrong-token"})


def _gitlab_trigger(url: str, http: HttpClients, valid: bool) -> TestRuns:
    token = seed.GITLAB_TOKEN if valid else "wrong-token"
    data = {"token": token, "triggerToken": seed.GITLAB_TRIGGER_TOKEN}
    return gitlab_ci(http, base=f"{url}/gitlab/api/v4", data=data)


def _gitlab_inputs(url: str, http: HttpClients, valid: bool) -> TestRuns:
    data = {"token": seed.GITLAB_TOKEN if valid else "wrong-token"}
    base = f"{url}/gitlab/api/v4/"
    return gitlab_ci(http, base=base, data=data, project="acme/inputs", parameters_as="Inputs")


WORLDS = {
    "jenkins": CiWorld(job="web/integration", parameter="REVISION", open=_jenkins),
    "jenkins with a password": CiWorld(job="web/integration", parameter="REVISION", open=_jenkins_password),
    "github actions": CiWorld(job="contract.yml", parameter="revision", open=_actions),
    "github actions by app": CiWorld(job="contract.yml", parameter="revision", open=_actions_app),
    "gitlab ci": CiWorld(job="main", parameter="REVISION", open=_gitlab),
    "gitlab ci by inputs": CiWorld(job="main", parameter="revision", open=_gitlab_inputs),
    "gitlab ci by trigger token": CiWorld(job="main", parameter="REVISION", open=_gitlab_trigger),
}
EACH_CI = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    contents = seed.default_seed()
    contents["github"]["app"] = github_app("pilotage").known
    contents["gitea"]["tokens"]["unused-token"] = {"login": "mona", "password": GITEA_PASSWORD}
    repository = contents["github"]["repos"][seed.REPOSITORY]
    workflow = {"run_name": "e2e ${{ inputs.promotion_key }}", "inputs": {"promotion_key": {}, "revision": {}}}
    repository["workflows"]["contract.yml"] = workflow
    repository["commits"][-2]["files"][".github/workflows/contract.yml"] = _WORKFLOW
    contents["gitlab"]["projects"]["acme/inputs"] = {
        "branches": {"main": seed.MERGE_SHA},
        "inputs": {"promotion_key": {"default": ""}, "revision": {"default": "HEAD"}},
        "workflow_name": "test $[[ inputs.promotion_key ]]",
        "accepts_variables": False,
    }
    options = Options(run_seconds=0.3, queued_seconds=0.1, jenkins_queue_seconds=0.1, argocd_sync_seconds=0.1)
    async with running_sandbox(options=options, seed=contents) as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[HttpClients]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    yield clients
    await clients.aclose()


OpenScm = Callable[[bool], ScmHost]
"""Takes whether the credential is valid."""


def _github_token(url: str, http: HttpClients, valid: bool) -> ScmHost:
    return github(http, base=f"{url}/github", token=seed.GITHUB_TOKEN if valid else "wrong-token")


def _github_app(url: str, http: HttpClients, valid: bool) -> ScmHost:
    return github(http, base=f"{url}/github", data=github_app("pilotage" if valid else "stranger").secret)


def _github_app_looked_up(url: str, http: HttpClients, valid: bool) -> ScmHost:
    secret = github_app("pilotage" if valid else "stranger").secret
    # At the address of an Enterprise Server.
    return github(http, base=f"{url}/github/api/v3", data={"privateKey": secret["privateKey"]}, app_id=secret["appID"])


def _github_check_runs(url: str, http: HttpClients, valid: bool) -> ScmHost:
    secret = github_app("pilotage" if valid else "stranger").secret
    return github(http, base=f"{url}/github", data=secret, statuses_as=StatusesAs.CHECK_RUNS)


def _gitlab_host(url: str, http: HttpClients, valid: bool) -> ScmHost:
    return gitlab(http, base=f"{url}/gitlab", data={"token": seed.GITLAB_TOKEN if valid else "wrong-token"})


def _bitbucket_cloud(url: str, http: HttpClients, valid: bool) -> ScmHost:
    token = seed.BITBUCKET_CLOUD_TOKEN if valid else "wrong-token"
    return bitbucket_cloud(http, base=f"{url}/bitbucketCloud", data={"token": token})


def _bitbucket_cloud_person(url: str, http: HttpClients, valid: bool) -> ScmHost:
    token = seed.BITBUCKET_CLOUD_TOKEN if valid else "wrong-token"
    data = {"username": "pilotage-bot@example.com", "token": token}
    return bitbucket_cloud(http, base=f"{url}/bitbucketCloud", data=data)


def _gitea(url: str, http: HttpClients, valid: bool) -> ScmHost:
    return gitea(http, base=f"{url}/gitea", data={"token": seed.GITEA_TOKEN if valid else "wrong-token"})


def _gitea_password(url: str, http: HttpClients, valid: bool) -> ScmHost:
    password = GITEA_PASSWORD if valid else "wrong-password"
    return gitea(http, base=f"{url}/gitea/", data={"username": "mona", "password": password})


def _forgejo(url: str, http: HttpClients, valid: bool) -> ScmHost:
    data = {"token": seed.FORGEJO_TOKEN if valid else "wrong-token"}
    return gitea(http, base=f"{url}/forgejo/api/v1", data=data, made=ForgejoOptions)


def _azure_devops(url: str, http: HttpClients, valid: bool) -> ScmHost:
    token = seed.AZURE_DEVOPS_TOKEN if valid else "wrong-token"
    return azure_devops(http, base=f"{url}/azureDevOps", token=token)


def _azure_devops_entra(url: str, http: HttpClients, valid: bool) -> ScmHost:
    secret = seed.AZURE_DEVOPS_TOKEN if valid else "wrong-secret"
    application = {"clientID": "pilotage-bot", "clientSecret": secret, "tenantID": "acme"}
    data = {**application, "authority": f"{url}{ENTRA_PATH}"}
    return azure_devops(http, base=f"{url}/azureDevOps", data=data)


GITEA_PASSWORD = "sandbox-gitea-password"


def _bitbucket_data_center(url: str, http: HttpClients, valid: bool) -> ScmHost:
    token = seed.BITBUCKET_DATA_CENTER_TOKEN if valid else "wrong-token"
    return bitbucket_data_center(http, base=f"{url}/bitbucketDataCenter", data={"token": token})


SCM_HOSTS: Mapping[str, Callable[[str, HttpClients, bool], ScmHost]] = {
    "github": _github_token,
    "github by app": _github_app,
    "github enterprise server by app whose installation is looked up": _github_app_looked_up,
    "gitlab": _gitlab_host,
    "gitea": _gitea,
    "gitea by password": _gitea_password,
    "forgejo": _forgejo,
    "bitbucket cloud": _bitbucket_cloud,
    "bitbucket cloud by a person's token": _bitbucket_cloud_person,
    "bitbucket data center": _bitbucket_data_center,
    "azure devops": _azure_devops,
    "azure devops by an application of entra": _azure_devops_entra,
}

CHECK_RUNS = "github by app as check runs"
EACH_KIND_OF_STATUS = pytest.mark.parametrize("open_scm", [*SCM_HOSTS, CHECK_RUNS], indirect=True)


@pytest.fixture(params=SCM_HOSTS)
def open_scm(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClients) -> OpenScm:
    return partial({**SCM_HOSTS, CHECK_RUNS: _github_check_runs}[str(request.param)], sandbox.url, http)


@pytest.fixture
def scm(open_scm: OpenScm) -> ScmHost:
    return open_scm(True)


@pytest.fixture
def deployments(sandbox: Sandbox, http: HttpClients) -> Deployments:
    return argocd(http, base=f"{sandbox.url}/argocd", token=seed.ARGOCD_TOKEN)


async def finished(runs: TestRuns, job: str, run: Run) -> RunReading:
    """Read until the run is final."""
    async with asyncio.timeout(60):
        while True:
            reading = await runs.read(job, run)
            if reading.phase in _FINAL:
                return reading
            run = reading.run
            await asyncio.sleep(0.05)


@EACH_CI
async def test_a_run_is_created_found_by_its_key_and_read_to_its_end(
    sandbox: Sandbox, http: HttpClients, world: CiWorld
) -> None:
    runs = world.open(sandbox.url, http, True)
    assert await runs.find(world.job, "key-1") == ()
    created = await runs.create(world.job, "key-1", {world.parameter: "abc"})
    assert created.key == "key-1"
    assert [run.key for run in await runs.find(world.job, "key-1")] == ["key-1"]
    reading = await finished(runs, world.job, created)
    assert reading.phase is RunPhase.PASSED
    assert reading.number
    assert reading.run.url.startswith(sandbox.url)
    assert len(await runs.find(world.job, "key-1")) == 1
    assert await runs.find(world.job, "key-2") == ()


@EACH_CI
async def test_two_runs_of_one_key_are_both_found_oldest_first(
    sandbox: Sandbox, http: HttpClients, world: CiWorld
) -> None:
    runs = world.open(sandbox.url, http, True)
    first = await finished(runs, world.job, await runs.create(world.job, "key-1", {}))
    await runs.create(world.job, "key-1", {})
    found = await runs.find(world.job, "key-1")
    assert len(found) == 2
    assert found[0].id == first.run.id


@EACH_CI
async def test_a_run_whose_id_was_lost_is_read_by_its_key(sandbox: Sandbox, http: HttpClients, world: CiWorld) -> None:
    runs = world.open(sandbox.url, http, True)
    await runs.create(world.job, "key-1", {})
    assert (await finished(runs, world.job, Run(id="", key="key-1"))).phase is RunPhase.PASSED


@EACH_CI
async def test_a_cancelled_run_is_cancelled_and_cancelling_again_is_fine(
    sandbox: Sandbox, http: HttpClients, world: CiWorld
) -> None:
    runs = world.open(sandbox.url, http, True)
    created = await runs.create(world.job, "key-1", {})
    await runs.cancel(world.job, created)
    await runs.cancel(world.job, created)
    reading = await finished(runs, world.job, created)
    assert reading.phase is RunPhase.CANCELLED
    await runs.cancel(world.job, reading.run)


@EACH_CI
async def test_a_run_that_never_was_is_not_found_and_may_be_cancelled(
    sandbox: Sandbox, http: HttpClients, world: CiWorld
) -> None:
    runs = world.open(sandbox.url, http, True)
    with pytest.raises(ProviderNotFound):
        await runs.read(world.job, Run(id="", key="unknown"))
    await runs.cancel(world.job, Run(id="", key="unknown"))


@EACH_CI
async def test_a_wrong_credential_is_reported_by_check_and_by_every_read(
    sandbox: Sandbox, http: HttpClients, world: CiWorld
) -> None:
    assert await world.open(sandbox.url, http, True).check()
    runs = world.open(sandbox.url, http, False)
    with pytest.raises(ProviderUnauthorized):
        await runs.check()
    with pytest.raises(ProviderUnauthorized):
        await runs.find(world.job, "key-1")


@EACH_CI
async def test_one_record_is_made_for_each_request_that_arrives(
    sandbox: Sandbox, http: HttpClients, world: CiWorld
) -> None:
    runs = world.open(sandbox.url, http, True)
    recorded, arrived = recorded_round_trips(), len(list(sandbox.state.journal.entries()))
    created = await runs.create(world.job, "key-1", {})
    await runs.find(world.job, "key-1")
    await runs.read(world.job, created)
    await runs.cancel(world.job, created)
    assert recorded_round_trips() - recorded == len(list(sandbox.state.journal.entries())) - arrived


async def test_a_forgotten_queue_item_is_found_among_the_builds(sandbox: Sandbox, http: HttpClients) -> None:
    runs = _jenkins(sandbox.url, http, True)
    created = await runs.create("web/integration", "key-1", {})
    await finished(runs, "web/integration", created)
    sandbox.state.clock.advance(400)
    reading = await runs.read("web/integration", created)
    assert (reading.phase, reading.summary) == (RunPhase.PASSED, "41 passed, 1 skipped")


async def test_an_old_enterprise_server_starts_runs_that_are_found_by_their_title(
    sandbox: Sandbox, http: HttpClients
) -> None:
    sandbox.state.options.update({"github_run_details": False})
    runs = _actions(sandbox.url, http, True)
    created = await runs.create("contract.yml", "key-1", {})
    assert created.id
    assert len(await runs.find("contract.yml", "key-1")) == 1


async def test_a_pull_request_is_read_with_its_files(scm: ScmHost) -> None:
    change = await scm.pull_requests.get(seed.PULL_NUMBER)
    assert (change.state, change.merge_sha, change.head_sha) == (ChangeState.MERGED, seed.MERGE_SHA, seed.HEAD_SHA)
    assert (change.author, change.branch, change.base_branch) == (seed.AUTHOR, "umbrellas", "main")
    assert change.labels == (("feature",) if scm.capabilities.labels else ())
    assert not change.from_fork
    assert await scm.pull_requests.get(seed.PULL_NUMBER) == change
    assert (await scm.pull_requests.changed_files(seed.PULL_NUMBER)).paths == ("src/app.py",)
    with pytest.raises(ProviderNotFound):
        await scm.pull_requests.get(9999)


DAY = timedelta(days=1)
SIGN_IN = 2
"""Calls of an application before its first one: its installation, and a token."""


def add_pulls(sandbox: Sandbox, numbers: Iterable[int], *, age: timedelta, state: str) -> None:
    """Add pull requests that changed so long ago for the last time."""
    repository = sandbox.state.github.repositories[seed.REPOSITORY]
    for number in numbers:
        of_state = {"merged": True, "merge_sha": seed.MERGE_SHA} if state == "merged" else {"state": state}
        head = {"ref": f"change-{number}", "sha": seed.HEAD_SHA}
        made = {"number": number, "head": head, "age_seconds": age.total_seconds(), **of_state}
        sandbox.state.github.add_pull(repository, made)


async def listed(scm: ScmHost, since: datetime | None = None) -> list[ListedPullRequest]:
    """Read a list to its end."""
    page = await scm.pull_request_lists.page(since=since)
    found = [*page.pull_requests]
    while page.following:
        page = await scm.pull_request_lists.page(since=since, following=page.following)
        found += page.pull_requests
    return found


async def test_all_pull_requests_are_listed_as_they_are_read_one_by_one(sandbox: Sandbox, scm: ScmHost) -> None:
    add_pulls(sandbox, range(500, 560), age=30 * DAY, state="merged")
    add_pulls(sandbox, range(560, 600), age=20 * DAY, state="closed")
    add_pulls(sandbox, range(600, 620), age=10 * DAY, state="open")
    found = {one.change.number: one for one in await listed(scm)}
    assert set(found) == {seed.PULL_NUMBER, *range(500, 620)}
    for number in (seed.PULL_NUMBER, 500, 570, 610):
        one, alone = found[number], await scm.pull_requests.get(number)
        assert (one.change.state, one.change.title) == (alone.state, alone.title)
        assert not one.whole or (one.change.head_sha, one.change.merge_sha) == (alone.head_sha, alone.merge_sha)
        assert not one.labels_listed or one.change.labels == alone.labels
        assert (one.merged_at is not None) == (alone.state is ChangeState.MERGED)
    ago = datetime.now(UTC) - found[500].updated_at
    assert 29 * DAY < ago < 31 * DAY


async def test_what_changed_lately_is_found_without_reading_all(sandbox: Sandbox, scm: ScmHost) -> None:
    add_pulls(sandbox, range(500, 800), age=30 * DAY, state="merged")
    add_pulls(sandbox, range(800, 805), age=30 * DAY, state="open")
    before = len(list(sandbox.state.journal.entries()))
    found = [one.change.number for one in await listed(scm, datetime.now(UTC) - DAY)]
    asked = len(list(sandbox.state.journal.entries())) - before
    lists = scm.pull_request_lists
    assert seed.PULL_NUMBER in found or not lists.by_update
    # Where there is no order by update, what is open and then the newest of all.
    assert lists.by_update or set(range(800, 805)) <= set(found)
    assert asked <= (1 if lists.by_update else 2) + SIGN_IN


async def test_an_old_pull_request_that_is_merged_is_news(sandbox: Sandbox, scm: ScmHost) -> None:
    add_pulls(sandbox, range(500, 700), age=30 * DAY, state="open")
    since = datetime.now(UTC) - DAY
    before = [one.change.number for one in await listed(scm, since) if one.change.state is ChangeState.OPEN]
    repository = sandbox.state.github.repositories[seed.REPOSITORY]
    sandbox.state.github.merge(repository, repository.pulls[500])
    after = {one.change.number: one.change.state for one in await listed(scm, since)}
    if scm.pull_request_lists.by_update:
        assert after[500] is ChangeState.MERGED
    else:
        # It is open no more, which reading it shows to be a merge.
        assert 500 in before
        assert after.get(500) is not ChangeState.OPEN


async def test_a_list_that_did_not_change_is_not_sent_again_where_the_host_knows_its_tag(
    sandbox: Sandbox, scm: ScmHost
) -> None:
    first = await scm.pull_request_lists.page(since=datetime.now(UTC) - DAY)
    assert not first.unchanged
    again = await scm.pull_request_lists.page(since=datetime.now(UTC) - DAY, etag=first.etag)
    assert again.unchanged == bool(first.etag)
    add_pulls(sandbox, [500], age=timedelta(0), state="open")
    changed = await scm.pull_request_lists.page(since=datetime.now(UTC) - DAY, etag=first.etag)
    assert 500 in [one.change.number for one in changed.pull_requests]


@pytest.mark.parametrize(
    ("base", "head", "wanted"),
    [
        (seed.PREVIOUS_SHA, seed.MERGE_SHA, Ancestry.AHEAD),
        (seed.MERGE_SHA, seed.PREVIOUS_SHA, Ancestry.BEHIND),
        (seed.MERGE_SHA, seed.MERGE_SHA, Ancestry.IDENTICAL),
        (seed.MERGE_SHA, seed.HOTFIX_SHA, Ancestry.DIVERGED),
        (seed.MERGE_SHA, "f" * 40, Ancestry.UNKNOWN),
    ],
)
async def test_ancestry_is_answered(scm: ScmHost, base: str, head: str, wanted: Ancestry) -> None:
    assert await scm.revisions.compare(base, head) is wanted


@EACH_KIND_OF_STATUS
async def test_the_newest_status_of_each_context_counts(scm: ScmHost) -> None:
    for verdict in (StatusState.PENDING, StatusState.SUCCESS):
        status = CommitStatus(context="pilotage/dev", state=verdict, description="x" * 300, url="https://x/1")
        await scm.commit_statuses.set(seed.MERGE_SHA, status)
    await scm.commit_statuses.set(
        seed.MERGE_SHA, CommitStatus(context="other", state=StatusState.ERROR, description="", url="")
    )
    newest = await scm.commit_statuses.newest(seed.MERGE_SHA)
    assert {context: status.state for context, status in newest.items()} == {
        "pilotage/dev": StatusState.SUCCESS,
        "other": StatusState.ERROR,
    }
    shown = newest["pilotage/dev"].description
    assert shown == "x" * 300 or shown.endswith("…")
    assert (newest["pilotage/dev"].url, newest["other"].url) == ("https://x/1", "")
    assert await scm.commit_statuses.newest(seed.HEAD_SHA) == {}
    with pytest.raises(ProviderError) as refused:
        await scm.commit_statuses.set("f" * 40, newest["other"])
    assert isinstance(refused.value, ProviderNotFound | ProviderRejected)


@EACH_KIND_OF_STATUS
async def test_contexts_that_differ_beyond_what_a_host_keeps_of_them_stay_two(scm: ScmHost) -> None:
    contexts = {f"pilotage/{'x' * length}-{name}" for name in ("dev", "prod") for length in (50, 230)}
    for context in contexts:
        status = CommitStatus(context=context, state=StatusState.PENDING, description="waits")
        await scm.commit_statuses.set(seed.MERGE_SHA, status)
    listed = set(map(scm.capabilities.listed_context, contexts))
    assert len(listed) == len(contexts)
    assert set(await scm.commit_statuses.newest(seed.MERGE_SHA)) == listed


@EACH_KIND_OF_STATUS
async def test_an_address_is_listed_as_it_was_sent_or_left_out(scm: ScmHost) -> None:
    for context, url in (
        ("long", f"https://x/{'y' * 290}"),
        ("longer", f"https://x/{'y' * 990}"),
        ("other", "ftp://x"),
    ):
        status = CommitStatus(context=context, state=StatusState.SUCCESS, description="done", url=url)
        await scm.commit_statuses.set(seed.MERGE_SHA, status)
        listed = (await scm.commit_statuses.newest(seed.MERGE_SHA))[context].url
        # Else what is there already is written again each time.
        assert listed == scm.capabilities.listed_url(url)


async def test_a_pending_status_of_a_commit_holds_no_pipeline_of_a_test_on_it(
    sandbox: Sandbox, http: HttpClients
) -> None:
    runs = _gitlab(sandbox.url, http, True)
    created = await runs.create("main", "key-1", {})
    pending = CommitStatus(context="pilotage/staging", state=StatusState.PENDING, description="waits for its tests")
    await _gitlab_host(sandbox.url, http, True).commit_statuses.set(seed.MERGE_SHA, pending)
    assert (await finished(runs, "main", created)).phase is RunPhase.PASSED


async def test_an_abbreviated_hash_is_expanded_and_an_unknown_one_is_none(scm: ScmHost) -> None:
    assert await scm.revisions.resolve(seed.PREVIOUS_SHA[:12]) == seed.PREVIOUS_SHA
    assert await scm.revisions.resolve("f" * 12) is None


async def test_labels_are_added_and_removed_and_others_stay(scm: ScmHost) -> None:
    if not scm.capabilities.labels:
        assert await scm.labels.list(seed.PULL_NUMBER) == ()
        await scm.labels.remove(seed.PULL_NUMBER, "feature")
        with pytest.raises(ProviderRejected, match="no labels"):
            await scm.labels.add(seed.PULL_NUMBER, ["promoted/dev"])
        return
    await scm.labels.add(seed.PULL_NUMBER, ["promoted/dev", "a b"])
    there = await scm.labels.add(seed.PULL_NUMBER, ["Promoted/Dev"])
    assert {"promoted/dev", "a b"} <= set(there)
    await scm.labels.remove(seed.PULL_NUMBER, "a b")
    await scm.labels.remove(seed.PULL_NUMBER, "a b")
    two = ("Promoted/Dev",) if scm.capabilities.label_case else ()
    assert await scm.labels.list(seed.PULL_NUMBER) == ("feature", "promoted/dev", *two)


async def test_comments_are_listed_oldest_first_over_pages_and_edited_in_place(scm: ScmHost) -> None:
    for number in range(103):
        await scm.comments.create(seed.PULL_NUMBER, f"comment {number}")
    listed = await scm.comments.own(seed.PULL_NUMBER)
    assert [comment.body for comment in listed] == [f"comment {number}" for number in range(103)]
    await scm.comments.update(listed[0], "edited")
    assert (await scm.comments.own(seed.PULL_NUMBER))[0].body == "edited"
    assert (await scm.comments.get(listed[0].id)).body == "edited"
    assert all(len(comment.id.encode()) <= 200 for comment in listed)


async def test_a_comment_that_never_was_is_not_found(scm: ScmHost) -> None:
    posted = await scm.comments.create(seed.PULL_NUMBER, "one")
    with pytest.raises(ProviderNotFound):
        await scm.comments.get(f"{posted.id}9")


async def test_one_record_is_made_for_each_round_trip_to_an_scm_host(sandbox: Sandbox, scm: ScmHost) -> None:
    recorded, arrived = recorded_round_trips(), len(list(sandbox.state.journal.entries()))
    await scm.pull_requests.get(seed.PULL_NUMBER)
    await scm.pull_requests.changed_files(seed.PULL_NUMBER)
    await scm.comments.create(seed.PULL_NUMBER, "one")
    await scm.comments.own(seed.PULL_NUMBER)
    await scm.revisions.compare(seed.PREVIOUS_SHA, seed.MERGE_SHA)
    assert recorded_round_trips() - recorded == len(list(sandbox.state.journal.entries())) - arrived


async def test_an_scm_credential_is_proved_by_check(open_scm: OpenScm) -> None:
    assert await open_scm(True).check() == seed.REPOSITORY
    with pytest.raises(ProviderUnauthorized):
        await open_scm(False).check()


# One a line, and by the beginning of their names.
_CHANGING = (
    "github",
    "gitlab",
    "gitea",
    "bitbucket cloud",
    "bitbucket data center",
    "azure devops",
)
_WRITING = (
    "github",
    "gitlab",
    "gitea",
    "bitbucket cloud",
    "azure devops",
)
# A second credential of the same kind of host takes no other way.
_ONE_WAY = {
    "gitea by password",
    "bitbucket cloud by a person's token",
    "azure devops by an application of entra",
}
CHANGING_AT = [name for name in SCM_HOSTS if name.startswith(_CHANGING) and name not in _ONE_WAY]
WRITING_AT = [name for name in SCM_HOSTS if name.startswith(_WRITING) and name not in _ONE_WAY]
MERGE_METHODS = (MergeMethod.MERGE, MergeMethod.SQUASH)


def changes_of(scm: ScmHost) -> PullRequestChanges:
    assert scm.changes is not None
    return scm.changes


def branches_of(scm: ScmHost) -> Branches:
    assert scm.branches is not None
    return scm.branches


@pytest.fixture(params=CHANGING_AT)
def changer(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClients) -> ScmHost:
    """Open a host where pull requests are opened and merged."""
    return SCM_HOSTS[str(request.param)](sandbox.url, http, True)


@pytest.fixture(params=WRITING_AT)
def writer(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClients) -> ScmHost:
    """Open a host where files are written."""
    return SCM_HOSTS[str(request.param)](sandbox.url, http, True)


def push(sandbox: Sandbox, branch: str, path: str, text: str) -> str:
    """Commit one file on top of a branch's head, as somebody else does."""
    repository = sandbox.state.github.repositories[seed.REPOSITORY]
    parents = [repository.graph.branches[branch]]
    made = repository.graph.add(parents=parents, message=f"Write {path}", files={path: text}).sha
    repository.graph.branches[branch] = made
    for pull in repository.pulls.values():
        if pull.state == "open" and pull.head_ref == branch:
            pull.head_sha = made
    return made


@pytest.fixture
def proposed(sandbox: Sandbox) -> NewPullRequest:
    """Prepare a branch with one commit that `main` does not contain."""
    repository = sandbox.state.github.repositories[seed.REPOSITORY]
    repository.graph.branches["proposed/prod"] = repository.graph.branches["main"]
    push(sandbox, "proposed/prod", "deploy/prod.yaml", "replicas: 2\n")
    return NewPullRequest(head="proposed/prod", base="main", title="Promote to prod", body="By Pilotage")


async def write_file(scm: ScmHost, branch: str, path: str, content: bytes) -> str:
    """Commit one file on top of the branch's head."""
    branches = branches_of(scm)
    head = await branches.head(branch)
    assert head is not None
    edits = (FileEdit(path=path, content=content),)
    return await branches.commit(NewCommit(branch=branch, expected_head=head, message=f"Write {path}", edits=edits))


async def test_several_files_are_written_in_one_commit_on_top_of_the_head(writer: ScmHost) -> None:
    branches, before = branches_of(writer), await branches_of(writer).head("main")
    assert before is not None
    edits = (FileEdit(path="a/b.yaml", content="ä: 1\n".encode()), FileEdit(path="c.yaml", content=b""))
    message = "Write two files\n\nBecause.\n\nPilotage-Key: 0a1b"
    made = await branches.commit(NewCommit(branch="main", expected_head=before, message=message, edits=edits))
    assert await branches.head("main") == made
    newest, older = (await branches.log("main", 2))[:2]
    assert (newest.sha, newest.message.strip(), older.sha) == (made, message, before)
    assert len(await branches.log("main", 1)) == 1
    assert [await branches.read(edit.path, made) for edit in edits] == [edit.content for edit in edits]
    assert await branches.read("c.yaml", before) is None


async def test_a_commit_on_top_of_another_head_writes_nothing(writer: ScmHost) -> None:
    branches, before = branches_of(writer), await branches_of(writer).head("main")
    assert before is not None
    made = await write_file(writer, "main", "a.yaml", b"a: 1\n")
    late = NewCommit(
        branch="main", expected_head=before, message="Late", edits=(FileEdit(path="a.yaml", content=b"a: 2\n"),)
    )
    with pytest.raises(ProviderConflict):
        await branches.commit(late)
    assert await branches.head("main") == made
    assert await branches.read("a.yaml", made) == b"a: 1\n"


async def test_a_commit_begins_a_branch(writer: ScmHost) -> None:
    branches, head = branches_of(writer), await branches_of(writer).head("main")
    assert head is not None
    edits = (FileEdit(path="a.yaml", content=b"a: 1\n"),)
    wanted = NewCommit(branch="pilotage/prod/1", expected_head=head, message="Begin", edits=edits, begins=True)
    made = await branches.commit(wanted)
    assert [one.sha for one in await branches.log("pilotage/prod/1", 2)] == [made, head]
    assert (await branches.head("main"), await branches.read("a.yaml", made)) == (head, b"a: 1\n")
    with pytest.raises(ProviderConflict):
        await branches.commit(wanted)


async def test_a_branch_that_does_not_exist_has_no_head(writer: ScmHost) -> None:
    assert await branches_of(writer).head("no/such/branch") is None
    with pytest.raises(ProviderNotFound):
        await branches_of(writer).log("no/such/branch", 5)


async def test_a_pull_request_is_opened_once_and_found_between_its_branches(
    changer: ScmHost, proposed: NewPullRequest
) -> None:
    changes = changes_of(changer)
    assert await changes.find_open(proposed.head, proposed.base) == ()
    opened = await changes.create(proposed)
    assert (opened.title, opened.branch, opened.base_branch) == (proposed.title, proposed.head, proposed.base)
    assert (opened.state, opened.from_fork) == (ChangeState.OPEN, False)
    assert (await changes.create(proposed)).number == opened.number
    assert [one.number for one in await changes.find_open(proposed.head, proposed.base)] == [opened.number]
    assert await changes.find_open("main", proposed.head) == ()


async def test_a_pull_request_without_its_branch_is_not_opened(changer: ScmHost) -> None:
    with pytest.raises(ProviderNotFound):
        await changes_of(changer).create(NewPullRequest(head="no/such/branch", base="main", title="x"))


async def test_a_pull_request_of_equal_branches_is_a_conflict(sandbox: Sandbox, changer: ScmHost) -> None:
    repository = sandbox.state.github.repositories[seed.REPOSITORY]
    repository.graph.branches["same"] = repository.graph.branches["main"]
    with pytest.raises(ProviderConflict):
        await changes_of(changer).create(NewPullRequest(head="same", base="main", title="x"))


@pytest.mark.parametrize("method", MERGE_METHODS)
async def test_a_pull_request_is_merged_once(
    sandbox: Sandbox, changer: ScmHost, proposed: NewPullRequest, method: MergeMethod
) -> None:
    changes = changes_of(changer)
    opened = await changes.create(proposed)
    merge = Merge(head_sha=opened.head_sha, method=method, title="Promote", message="Pilotage-Key: 0a1b")
    made = await changes.merge(opened.number, merge)
    assert await changes.merge(opened.number, merge) == made
    merged = await changer.pull_requests.get(opened.number)
    assert (merged.state, merged.merge_sha) == (ChangeState.MERGED, made)
    graph = sandbox.state.github.repositories[seed.REPOSITORY].graph
    assert graph.branches["main"] == made
    assert graph.commits[made].tree["deploy/prod.yaml"] == "replicas: 2\n"
    assert await changes.find_open(proposed.head, proposed.base) == ()
    await changes.close(opened.number)


async def test_a_merge_that_the_host_does_in_the_background_is_awaited(
    sandbox: Sandbox, http: HttpClients, proposed: NewPullRequest
) -> None:
    sandbox.state.options.update({"bitbucket_merge_seconds": 0.01})
    changes = changes_of(SCM_HOSTS["bitbucket cloud"](sandbox.url, http, True))
    opened = await changes.create(proposed)
    made = await changes.merge(opened.number, Merge(head_sha=opened.head_sha))
    assert sandbox.state.github.repositories[seed.REPOSITORY].graph.branches["main"] == made


async def test_a_head_that_was_not_tested_is_not_merged(
    sandbox: Sandbox, changer: ScmHost, proposed: NewPullRequest
) -> None:
    changes = changes_of(changer)
    opened = await changes.create(proposed)
    push(sandbox, proposed.head, "deploy/prod.yaml", "replicas: 3\n")
    with pytest.raises(ProviderConflict):
        await changes.merge(opened.number, Merge(head_sha=opened.head_sha))
    assert (await changer.pull_requests.get(opened.number)).state is ChangeState.OPEN


async def test_a_closed_pull_request_is_not_merged_and_may_be_closed_again(
    changer: ScmHost, proposed: NewPullRequest
) -> None:
    changes = changes_of(changer)
    opened = await changes.create(proposed)
    await changes.close(opened.number)
    await changes.close(opened.number)
    with pytest.raises(ProviderRejected):
        await changes.merge(opened.number, Merge(head_sha=opened.head_sha))
    assert (await changer.pull_requests.get(opened.number)).state is ChangeState.CLOSED
    assert await changes.find_open(proposed.head, proposed.base) == ()


@pytest.mark.parametrize("body", ["Other", "- one\n- other\n", "  one\r\nother\r\n\r\n"])
async def test_a_pull_request_s_text_is_changed_where_it_differs(
    sandbox: Sandbox, changer: ScmHost, proposed: NewPullRequest, body: str
) -> None:
    changes = changes_of(changer)
    opened = await changes.create(proposed)
    await changes.update(opened.number, title="Promote again", body=body)
    assert (await changer.pull_requests.get(opened.number)).title == "Promote again"
    writes = [one for one in sandbox.state.journal.entries() if one["method"] in ("PATCH", "PUT")]
    await changes.update(opened.number, title="Promote again", body=body)
    assert [one for one in sandbox.state.journal.entries() if one["method"] in ("PATCH", "PUT")] == writes


async def test_an_app_s_token_that_was_revoked_is_replaced_in_the_middle_of_work(
    sandbox: Sandbox, http: HttpClients
) -> None:
    scm = github(http, base=f"{sandbox.url}/github", data=github_app("pilotage").secret)
    await scm.labels.add(seed.PULL_NUMBER, ["promoted/dev"])
    minted = [token for token in sandbox.state.github.tokens if token.startswith("ghs_")]
    for token in minted:
        del sandbox.state.github.tokens[token]
    await scm.labels.add(seed.PULL_NUMBER, ["promoted/staging"])
    assert len(minted) == 1
    assert await scm.labels.list(seed.PULL_NUMBER) == ("feature", "promoted/dev", "promoted/staging")


async def test_an_application_is_read_listed_and_distinguished_from_a_missing_or_forbidden_one(
    sandbox: Sandbox, http: HttpClients, deployments: Deployments
) -> None:
    assert "3.5.7" in await deployments.check()
    state = await deployments.get(TOUCHED, refresh=True)
    assert (state.sync_status, state.health, state.target_revisions) == ("Synced", "Healthy", (seed.PREVIOUS_SHA,))
    assert await deployments.names(seed.PROJECT, selector="env=dev") == (seed.DEV_APP,)
    assert await deployments.names(seed.PROJECT, selector="env=none") == ()
    assert await deployments.favours_list(seed.PROJECT, 10)
    with pytest.raises(ProviderNotFound):
        await deployments.get(ApplicationRef(project=seed.PROJECT, name="nope"))
    with pytest.raises(ProviderUnauthorized):
        await deployments.get(ApplicationRef(project="other", name=seed.DEV_APP))
    with pytest.raises(ProviderUnauthorized):
        await argocd(http, base=f"{sandbox.url}/argocd", token="wrong-token").check()


async def test_applications_of_one_name_in_two_namespaces_are_distinguished(
    sandbox: Sandbox, deployments: Deployments
) -> None:
    source = {"repoURL": seed.REPOSITORY_URL, "path": "deploy", "targetRevision": seed.MERGE_SHA}
    placed = {"project": seed.PROJECT, "source": source, "labels": {"env": "dev"}, "revision": seed.MERGE_SHA}
    sandbox.state.load({"argocd": {"apps": {f"team-a/{seed.STAGING_APP}": placed}}})
    listed = {state.name: state for state in await deployments.list(seed.PROJECT)}
    foreign = f"team-a/{seed.STAGING_APP}"
    assert set(listed) == {seed.DEV_APP, seed.STAGING_APP, seed.PROD_APP, foreign}
    for name, revision in ((seed.STAGING_APP, seed.PREVIOUS_SHA), (foreign, seed.MERGE_SHA)):
        read = await deployments.get(ApplicationRef(project=seed.PROJECT, name=name))
        assert (read.name, read.synced_revisions) == (listed[name].name, listed[name].synced_revisions)
        assert read.synced_revisions == (revision,)
    async with aclosing(deployments.stream(ApplicationRef(project=seed.PROJECT, name=foreign))) as states:  # type: ignore[type-var]
        assert (await anext(states)).namespace == "team-a"
    assert set(await deployments.names(seed.PROJECT, selector="env=dev")) == {seed.DEV_APP, foreign}


async def written(deployments: Deployments, revision: str) -> ApplicationState:
    """Write a revision over the one that is there."""
    return await deployments.write(TOUCHED, ApplicationTarget(), await deployments.get(TOUCHED), revision)


async def test_a_write_is_a_compare_and_set(deployments: Deployments) -> None:
    before = await deployments.get(TOUCHED)
    assert deployments.locate(ApplicationTarget(), before).written == seed.PREVIOUS_SHA
    other = replace(before, target_revisions=("0" * 40,))
    with pytest.raises(ProviderConflict):
        await deployments.write(TOUCHED, ApplicationTarget(), other, seed.MERGE_SHA)
    assert (await deployments.get(TOUCHED)).target_revisions == (seed.PREVIOUS_SHA,)
    assert (await written(deployments, seed.MERGE_SHA)).target_revisions == (seed.MERGE_SHA,)


async def arrived(deployments: Deployments, phase: str) -> ApplicationState:
    """Follow the stream until the operation ended with this phase and was reconciled."""
    async with asyncio.timeout(60), aclosing(deployments.stream(TOUCHED)) as states:  # type: ignore[type-var]
        async for state in states:
            assert isinstance(state, ApplicationState)
            reconciled = state.reconciled_at and state.finished_at and state.reconciled_at >= state.finished_at
            if state.phase == phase and reconciled and (phase != "Succeeded" or state.sync_status == "Synced"):
                return state
    raise AssertionError("the stream ended")


async def test_a_sync_is_followed_to_its_end_and_carries_its_key(deployments: Deployments) -> None:
    await written(deployments, seed.MERGE_SHA)
    asked = await deployments.sync(TOUCHED, revisions=[seed.MERGE_SHA], key="key-1")
    assert (asked.operation_pending, asked.operation_key) == (True, "key-1")
    with pytest.raises(ProviderConflict):
        await deployments.sync(TOUCHED, revisions=[seed.MERGE_SHA], key="key-2")
    state = await arrived(deployments, "Succeeded")
    assert (state.operation_key, state.operation_pending) == ("key-1", False)
    assert state.synced_revisions == state.deployed_revisions == (seed.MERGE_SHA,)


async def test_a_sync_that_fails_names_the_resource(deployments: Deployments) -> None:
    await written(deployments, seed.FAILING_SHA)
    await deployments.sync(TOUCHED, revisions=[seed.FAILING_SHA], key="key-1")
    state = await arrived(deployments, "Failed")
    assert "no-such-namespace" in state.operation_message
    assert state.deployed_revisions == (seed.PREVIOUS_SHA,)


async def test_a_deployment_is_recorded_once_and_followed_through_its_states(scm: ScmHost, sandbox: Sandbox) -> None:
    records = scm.deployment_records
    assert (records is not None) == scm.capabilities.deployment_records
    if records is None:
        return
    wanted = DeploymentRecord(
        environment="staging",
        sha=seed.MERGE_SHA,
        state=DeploymentState.IN_PROGRESS,
        description="x" * 300,
        environment_url="https://staging.example",
    )

    def writes() -> int:
        return sum(one["method"] != "GET" for one in sandbox.state.journal.entries())

    for state in (DeploymentState.QUEUED, DeploymentState.IN_PROGRESS, DeploymentState.SUCCEEDED):
        await records.record(replace(wanted, state=state))
        sent = writes()
        await records.record(replace(wanted, state=state))
        assert writes() == sent
    await records.record(replace(wanted, sha=seed.HEAD_SHA, state=DeploymentState.FAILED))
    repository = sandbox.state.github.repository(seed.REPOSITORY)
    assert repository is not None
    # Not every host shows one that has not begun.
    shown = [
        (one["sha"], one["environment"], [status["state"] for status in one["statuses"]][-2:])
        for one in repository.deployments
    ]
    begun = {"in_progress", "running"}
    assert [(sha, environment) for sha, environment, _ in shown] == [
        (seed.MERGE_SHA, "staging"),
        (seed.HEAD_SHA, "staging"),
    ]
    assert (shown[0][2][0] in begun, shown[0][2][1], shown[1][2][0][:4]) == (True, "success", "fail")


async def test_a_deployment_that_is_given_up_is_under_way_no_more_and_one_that_ended_keeps_its_end(
    scm: ScmHost, sandbox: Sandbox
) -> None:
    records, repository = scm.deployment_records, sandbox.state.github.repository(seed.REPOSITORY)
    if records is None:
        return
    assert repository is not None
    wanted = DeploymentRecord(environment="staging", sha=seed.MERGE_SHA, state=DeploymentState.ENDED)
    await records.record(wanted)
    assert repository.deployments == []
    for state in (DeploymentState.IN_PROGRESS, DeploymentState.ENDED, DeploymentState.ENDED):
        await records.record(replace(wanted, state=state))
    (one,) = repository.deployments
    assert [status["state"] for status in one["statuses"]][1:] in (["inactive"], ["canceled"])
    for state in (DeploymentState.SUCCEEDED, DeploymentState.ENDED):
        await records.record(replace(wanted, state=state, sha=seed.HEAD_SHA))
    assert repository.deployments[-1]["statuses"][-1]["state"] == "success"
