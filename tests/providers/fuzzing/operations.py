"""Everything that the ports can ask of each kind of host, named `kind.method`, with variants behind a second dot."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from providers.application_models import ApplicationPlace, ApplicationRef, ApplicationState, ApplicationTarget
from providers.errors import ProviderBusy, ProviderConflict, ProviderRejected
from providers.github.options import StatusesAs
from providers.http import HttpClients
from providers.models import (
    Comment,
    CommitStatus,
    DeploymentRecord,
    DeploymentState,
    FileEdit,
    Merge,
    NewCommit,
    NewPullRequest,
    Origin,
    Person,
    Run,
    StatusState,
)
from providers.ports import Branches, CommitStatuses, DeploymentRecords, PullRequestChanges, ScmHost, Steering
from tests.activities.fakes import application
from tests.providers.apps import github_app
from tests.providers.fuzzing.answers import KEY, OLDER, SHA
from tests.providers.hosts import (
    TOKEN,
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
)

Operation = Callable[[HttpClients], Awaitable[object]]
REF = ApplicationRef(project="shop", name="web")
TRACKED = ApplicationRef(project="shop", name="tracked")
ALLOWED = ApplicationRef(project="shop", name="allowed")
STATUS = CommitStatus(context="pilotage/dev", state=StatusState.PENDING, description="x", url="https://example.com")
INSTALLATION = "https://github.example.com/installation/api/v3"
"""Where the credential is an installation's token, which asks for its account in GraphQL."""
REFUSING = "https://github.example.com/refusing/api/v3"
"""Where pull requests are neither opened nor merged, and branches are elsewhere."""
DATA_CENTER_REFUSING = "https://bitbucket.example.com/refusing"
DATA_CENTER_OLD = "https://bitbucket.example.com/old"
"""Where merge commits are not shown with their pull requests."""
ACCESS_TOKEN = "https://bitbucket.example.com/access-token"
"""Where the credential is an access token, which has no account to ask for."""
REFUSING_BITBUCKET = "https://bitbucket.example.com/refusing"
UNRELATED = "3" * 40
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
MONA = Person(id="8", name="mona")
OURS = Comment(id="1:9", body="")
PERSON = {"username": "bot@example.com", "token": TOKEN}
PASSWORD = {"username": "bot", "password": TOKEN}
APP = {"privateKey": github_app("fuzzed").private_key, "appID": "1"}
ENTRA = {"clientID": "app-1", "clientSecret": TOKEN, "tenantID": "directory-1"}
TRIGGER = {"token": TOKEN, "triggerToken": "trigger-token"}
RUN = Run(id="42", key=KEY)
PIPELINE = Run(id="77", key=KEY)
ORIGIN = Origin(began=0.0, parameters={"REVISION": SHA})
UNNAMED = Run(id="", key=KEY)
PROPOSED = NewPullRequest(head="proposed", base="main", title="x")
OPEN = NewPullRequest(head="feature", base="main", title="x")
MERGE = Merge(head_sha=OLDER)
COMMIT = NewCommit(
    branch="main", expected_head=OLDER, message="x\n\ny", edits=(FileEdit(path="a.yaml", content=b"a: 1"),)
)


RECORD = DeploymentRecord(
    environment="staging", sha=SHA, state=DeploymentState.SUCCEEDED, environment_url="https://staging.example"
)
NEW_RECORD = DeploymentRecord(environment="new", sha=SHA, state=DeploymentState.IN_PROGRESS)
ENDED_RECORD = DeploymentRecord(environment="staging", sha=SHA, state=DeploymentState.ENDED)


def changes(host: ScmHost) -> PullRequestChanges:
    """Return the port of a host that has it."""
    assert host.changes is not None
    return host.changes


def records(host: ScmHost) -> DeploymentRecords:
    """Return the port of a host that has it."""
    assert host.deployment_records is not None
    return host.deployment_records


def steering(host: ScmHost) -> Steering:
    """Return the port of a host that has it."""
    assert host.steering is not None
    return host.steering


def check_runs(http: HttpClients) -> CommitStatuses:
    """Return the statuses of an App that shows them as check runs."""
    return github(http, data=APP, statuses_as=StatusesAs.CHECK_RUNS).commit_statuses


async def refused(called: Awaitable[object]) -> object:
    """Take the refusals that a well-behaved host answers for results."""
    try:
        return await called
    except (ProviderBusy, ProviderConflict, ProviderRejected):
        return None


def branches(host: ScmHost) -> Branches:
    """Return the port of a host that has it."""
    assert host.branches is not None
    return host.branches


async def _stream(http: HttpClients) -> tuple[ApplicationState, ...]:
    async with aclosing(argocd(http).stream(REF)) as states:  # type: ignore[type-var]
        return tuple([state async for state in states])


async def _locate(http: HttpClients) -> ApplicationPlace:
    return argocd(http).locate(ApplicationTarget(), await argocd(http).get(REF))


OPERATIONS: Mapping[str, Operation] = {
    "github.pull_requests.get": lambda http: github(http).pull_requests.get(1),
    "github.pull_requests.changed_files": lambda http: github(http).pull_requests.changed_files(1),
    "github.pull_request_lists.page": lambda http: github(http).pull_request_lists.page(since=LONG_AGO),
    "github.pull_request_lists.page.again": lambda http: github(http).pull_request_lists.page(etag='W/"abc"'),
    "github.revisions.compare": lambda http: github(http).revisions.compare(OLDER, SHA),
    "github.revisions.resolve": lambda http: github(http).revisions.resolve(SHA[:7]),
    "github.commit_statuses.newest": lambda http: github(http).commit_statuses.newest(SHA),
    "github.commit_statuses.set": lambda http: github(http).commit_statuses.set(SHA, STATUS),
    "github.commit_statuses.newest.runs": lambda http: check_runs(http).newest(SHA),
    "github.commit_statuses.set.runs": lambda http: check_runs(http).set(SHA, STATUS),
    "github.labels.list": lambda http: github(http).labels.list(1),
    "github.labels.add": lambda http: github(http).labels.add(1, ["pilotage/testing"]),
    "github.labels.remove": lambda http: github(http).labels.remove(1, "pilotage/testing"),
    "github.comments.own": lambda http: github(http).comments.own(1),
    "github.comments.own.app": lambda http: github(http, data=APP).comments.own(1),
    "github.comments.own.installation": lambda http: github(http, base=INSTALLATION).comments.own(1),
    "github.comments.get": lambda http: github(http).comments.get("9"),
    "github.comments.create": lambda http: github(http).comments.create(1, "x"),
    "github.comments.update": lambda http: github(http).comments.update(Comment(id="9", body=""), "x"),
    "github.changes.find_open": lambda http: changes(github(http)).find_open("feature", "main"),
    "github.changes.create": lambda http: changes(github(http)).create(PROPOSED),
    "github.changes.create.open": lambda http: changes(github(http)).create(OPEN),
    "github.changes.create.refused": lambda http: refused(changes(github(http, base=REFUSING)).create(PROPOSED)),
    "github.changes.update": lambda http: changes(github(http)).update(1, title="x", body="y"),
    "github.changes.merge": lambda http: changes(github(http)).merge(1, MERGE),
    "github.changes.merge.refused": lambda http: refused(changes(github(http, base=REFUSING)).merge(2, MERGE)),
    "github.changes.close": lambda http: changes(github(http)).close(1),
    "github.branches.head": lambda http: branches(github(http)).head("main"),
    "github.branches.log": lambda http: branches(github(http)).log("main", 20),
    "github.branches.read": lambda http: branches(github(http)).read("deploy/a.yaml", SHA),
    "github.branches.commit": lambda http: branches(github(http)).commit(COMMIT),
    "github.branches.commit.begins": lambda http: branches(github(http)).commit(replace(COMMIT, begins=True)),
    "github.branches.commit.refused": lambda http: refused(branches(github(http, base=REFUSING)).commit(COMMIT)),
    "github.deployment_records.record": lambda http: records(github(http)).record(RECORD),
    "github.deployment_records.record.new": lambda http: records(github(http)).record(NEW_RECORD),
    "github.deployment_records.record.ended": lambda http: records(github(http)).record(ENDED_RECORD),
    "github.steering.label_events": lambda http: steering(github(http)).label_events(1, ""),
    "github.steering.remarks": lambda http: steering(github(http)).remarks(1, LONG_AGO, ""),
    "github.steering.may_write": lambda http: steering(github(http)).may_write(MONA),
    "github.steering.is_member": lambda http: steering(github(http)).is_member("release", MONA),
    "github.steering.react": lambda http: steering(github(http)).react("9", agreed=True),
    "github.check": lambda http: github(http).check(),
    "github.check.account": lambda http: github(http, owner="").check(),
    "github.check.app": lambda http: github(http, owner="", data=APP).check(),
    "bitbucketCloud.pull_requests.get": lambda http: bitbucket_cloud(http).pull_requests.get(1),
    "bitbucketCloud.pull_requests.changed_files": lambda http: bitbucket_cloud(http).pull_requests.changed_files(1),
    "bitbucketCloud.pull_request_lists.page": lambda http: bitbucket_cloud(http).pull_request_lists.page(
        since=LONG_AGO
    ),
    "bitbucketCloud.revisions.compare": lambda http: bitbucket_cloud(http).revisions.compare(OLDER, SHA),
    "bitbucketCloud.revisions.compare.unrelated": lambda http: bitbucket_cloud(http).revisions.compare(UNRELATED, SHA),
    "bitbucketCloud.revisions.resolve": lambda http: bitbucket_cloud(http).revisions.resolve(SHA[:12]),
    "bitbucketCloud.commit_statuses.newest": lambda http: bitbucket_cloud(http).commit_statuses.newest(SHA),
    "bitbucketCloud.commit_statuses.set": lambda http: bitbucket_cloud(http).commit_statuses.set(SHA, STATUS),
    "bitbucketCloud.comments.own": lambda http: bitbucket_cloud(http, data=PERSON).comments.own(1),
    "bitbucketCloud.comments.own.unknown": lambda http: bitbucket_cloud(http, base=ACCESS_TOKEN).comments.own(1),
    "bitbucketCloud.comments.get": lambda http: bitbucket_cloud(http).comments.get("1:9"),
    "bitbucketCloud.comments.create": lambda http: bitbucket_cloud(http).comments.create(1, "x"),
    "bitbucketCloud.comments.update": lambda http: bitbucket_cloud(http).comments.update(OURS, "x"),
    "bitbucketCloud.changes.find_open": lambda http: changes(bitbucket_cloud(http)).find_open("feature", "main"),
    "bitbucketCloud.changes.create": lambda http: changes(bitbucket_cloud(http)).create(PROPOSED),
    "bitbucketCloud.changes.create.open": lambda http: changes(bitbucket_cloud(http)).create(OPEN),
    "bitbucketCloud.changes.create.refused": lambda http: refused(
        changes(bitbucket_cloud(http, base=REFUSING_BITBUCKET)).create(PROPOSED)
    ),
    "bitbucketCloud.changes.update": lambda http: changes(bitbucket_cloud(http)).update(1, title="y", body="z"),
    "bitbucketCloud.changes.merge": lambda http: changes(bitbucket_cloud(http)).merge(2, MERGE),
    "bitbucketCloud.changes.merge.awaited": lambda http: changes(bitbucket_cloud(http)).merge(3, MERGE),
    "bitbucketCloud.changes.merge.refused": lambda http: refused(
        changes(bitbucket_cloud(http, base=REFUSING_BITBUCKET)).merge(2, MERGE)
    ),
    "bitbucketCloud.changes.close": lambda http: changes(bitbucket_cloud(http)).close(1),
    "bitbucketCloud.branches.head": lambda http: branches(bitbucket_cloud(http)).head("main"),
    "bitbucketCloud.branches.log": lambda http: branches(bitbucket_cloud(http)).log("main", 10),
    "bitbucketCloud.branches.read": lambda http: branches(bitbucket_cloud(http)).read("a.json", SHA),
    "bitbucketCloud.branches.commit": lambda http: branches(bitbucket_cloud(http)).commit(COMMIT),
    "bitbucketCloud.branches.commit.begins": lambda http: branches(bitbucket_cloud(http)).commit(
        replace(COMMIT, branch="new", begins=True)
    ),
    "bitbucketCloud.branches.commit.refused": lambda http: refused(
        branches(bitbucket_cloud(http, base=REFUSING_BITBUCKET)).commit(COMMIT)
    ),
    "bitbucketCloud.steering.remarks": lambda http: steering(bitbucket_cloud(http, data=PERSON)).remarks(
        1, LONG_AGO, ""
    ),
    "bitbucketCloud.steering.may_write": lambda http: steering(bitbucket_cloud(http)).may_write(MONA),
    "bitbucketCloud.check": lambda http: bitbucket_cloud(http).check(),
    "bitbucketCloud.check.account": lambda http: bitbucket_cloud(http, workspace="").check(),
    "gitea.pull_requests.get": lambda http: gitea(http).pull_requests.get(1),
    "gitea.pull_requests.changed_files": lambda http: gitea(http).pull_requests.changed_files(1),
    "gitea.pull_request_lists.page": lambda http: gitea(http).pull_request_lists.page(since=LONG_AGO),
    "gitea.revisions.compare": lambda http: gitea(http).revisions.compare(OLDER, SHA),
    "gitea.revisions.resolve": lambda http: gitea(http).revisions.resolve(SHA[:7]),
    "gitea.commit_statuses.newest": lambda http: gitea(http).commit_statuses.newest(SHA),
    "gitea.commit_statuses.set": lambda http: gitea(http).commit_statuses.set(SHA, STATUS),
    "gitea.labels.list": lambda http: gitea(http).labels.list(1),
    "gitea.labels.add": lambda http: gitea(http).labels.add(1, ["pilotage/testing"]),
    "gitea.labels.add.new": lambda http: gitea(http).labels.add(1, ["promoted/dev"]),
    "gitea.labels.remove": lambda http: gitea(http).labels.remove(1, "pilotage/testing"),
    "gitea.comments.own": lambda http: gitea(http).comments.own(1),
    "gitea.comments.get": lambda http: gitea(http).comments.get("9"),
    "gitea.comments.create": lambda http: gitea(http, data=PASSWORD).comments.create(1, "x"),
    "gitea.comments.update": lambda http: gitea(http).comments.update(Comment(id="9", body=""), "x"),
    "gitea.changes.find_open": lambda http: changes(gitea(http)).find_open("feature", "main"),
    "gitea.changes.create": lambda http: changes(gitea(http)).create(PROPOSED),
    "gitea.changes.create.open": lambda http: changes(gitea(http)).create(OPEN),
    "gitea.changes.create.refused": lambda http: refused(changes(gitea(http, base=REFUSING)).create(PROPOSED)),
    "gitea.changes.update": lambda http: changes(gitea(http)).update(1, title="x", body="y"),
    "gitea.changes.merge": lambda http: changes(gitea(http)).merge(1, MERGE),
    "gitea.changes.merge.refused": lambda http: refused(changes(gitea(http)).merge(2, MERGE)),
    "gitea.changes.close": lambda http: changes(gitea(http)).close(1),
    "gitea.changes.close.refused": lambda http: refused(changes(gitea(http)).close(2)),
    "gitea.branches.head": lambda http: branches(gitea(http)).head("main"),
    "gitea.branches.log": lambda http: branches(gitea(http)).log("main", 20),
    "gitea.branches.read": lambda http: branches(gitea(http)).read("deploy/a.yaml", SHA),
    "gitea.branches.commit": lambda http: branches(gitea(http)).commit(COMMIT),
    "gitea.branches.commit.begins": lambda http: branches(gitea(http)).commit(replace(COMMIT, begins=True)),
    "gitea.steering.label_events": lambda http: steering(gitea(http, data=PASSWORD)).label_events(1, ""),
    "gitea.steering.label_events.hidden": lambda http: steering(gitea(http, data=PASSWORD)).label_events(2, ""),
    "gitea.steering.remarks": lambda http: steering(gitea(http, data=PASSWORD)).remarks(1, LONG_AGO, ""),
    "gitea.steering.may_write": lambda http: steering(gitea(http, data=PASSWORD)).may_write(MONA),
    "gitea.steering.is_member": lambda http: steering(gitea(http, data=PASSWORD)).is_member("release", MONA),
    "gitea.steering.react": lambda http: steering(gitea(http, data=PASSWORD)).react("9", agreed=True),
    "gitea.check": lambda http: gitea(http).check(),
    "gitea.check.account": lambda http: gitea(http, owner="", data=PASSWORD).check(),
    "azureDevOps.pull_requests.get": lambda http: azure_devops(http).pull_requests.get(1),
    "azureDevOps.pull_requests.changed_files": lambda http: azure_devops(http).pull_requests.changed_files(1),
    "azureDevOps.pull_request_lists.page": lambda http: azure_devops(http).pull_request_lists.page(since=LONG_AGO),
    "azureDevOps.pull_request_lists.page.all": lambda http: azure_devops(http).pull_request_lists.page(
        following="all:7"
    ),
    "azureDevOps.revisions.compare": lambda http: azure_devops(http).revisions.compare(OLDER, SHA),
    "azureDevOps.revisions.resolve": lambda http: azure_devops(http).revisions.resolve(SHA[:7]),
    "azureDevOps.commit_statuses.newest": lambda http: azure_devops(http).commit_statuses.newest(SHA),
    "azureDevOps.commit_statuses.set": lambda http: azure_devops(http).commit_statuses.set(SHA, STATUS),
    "azureDevOps.labels.list": lambda http: azure_devops(http).labels.list(1),
    "azureDevOps.labels.add": lambda http: azure_devops(http).labels.add(1, ["pilotage/testing"]),
    "azureDevOps.labels.remove": lambda http: azure_devops(http).labels.remove(1, "bug"),
    "azureDevOps.comments.own": lambda http: azure_devops(http).comments.own(1),
    "azureDevOps.comments.get": lambda http: azure_devops(http).comments.get("1/9/1"),
    "azureDevOps.comments.create": lambda http: azure_devops(http).comments.create(1, "x"),
    "azureDevOps.comments.update": lambda http: azure_devops(http).comments.update(Comment(id="1/9/1", body=""), "x"),
    "azureDevOps.changes.find_open": lambda http: changes(azure_devops(http)).find_open("feature", "main"),
    "azureDevOps.changes.create": lambda http: changes(azure_devops(http)).create(PROPOSED),
    "azureDevOps.changes.create.open": lambda http: changes(azure_devops(http)).create(OPEN),
    "azureDevOps.changes.create.refused": lambda http: refused(
        changes(azure_devops(http, project="refusing")).create(PROPOSED)
    ),
    "azureDevOps.changes.update": lambda http: changes(azure_devops(http)).update(1, title="x", body="y"),
    "azureDevOps.changes.merge": lambda http: changes(azure_devops(http)).merge(1, MERGE),
    "azureDevOps.changes.merge.open": lambda http: refused(changes(azure_devops(http)).merge(2, MERGE)),
    "azureDevOps.changes.close": lambda http: changes(azure_devops(http)).close(2),
    "azureDevOps.branches.head": lambda http: branches(azure_devops(http)).head("main"),
    "azureDevOps.branches.log": lambda http: branches(azure_devops(http)).log("main", 20),
    "azureDevOps.branches.read": lambda http: branches(azure_devops(http)).read("deploy/a.yaml", SHA),
    "azureDevOps.branches.commit": lambda http: branches(azure_devops(http)).commit(COMMIT),
    "azureDevOps.branches.commit.begins": lambda http: branches(azure_devops(http)).commit(
        replace(COMMIT, branch="new", begins=True)
    ),
    "azureDevOps.branches.commit.refused": lambda http: refused(
        branches(azure_devops(http, project="refusing")).commit(COMMIT)
    ),
    "azureDevOps.steering.remarks": lambda http: steering(azure_devops(http)).remarks(1, LONG_AGO, ""),
    "azureDevOps.steering.may_write": lambda http: steering(azure_devops(http)).may_write(MONA),
    "azureDevOps.steering.is_member": lambda http: steering(azure_devops(http)).is_member("release", MONA),
    "azureDevOps.steering.is_member.group": lambda http: steering(azure_devops(http)).is_member("platform", MONA),
    "azureDevOps.steering.react": lambda http: steering(azure_devops(http)).react("1/9/1", agreed=True),
    "azureDevOps.check": lambda http: azure_devops(http).check(),
    "azureDevOps.check.account": lambda http: azure_devops(http, project="").check(),
    "azureDevOps.check.entra": lambda http: azure_devops(http, data=ENTRA).check(),
    "azureDevOps.check.refused": lambda http: refused(
        azure_devops(http, data={**ENTRA, "tenantID": "refusing"}).check()
    ),
    "bitbucketDataCenter.pull_requests.get": lambda http: bitbucket_data_center(http).pull_requests.get(1),
    "bitbucketDataCenter.pull_requests.get.old": lambda http: bitbucket_data_center(
        http, base=DATA_CENTER_OLD
    ).pull_requests.get(1),
    "bitbucketDataCenter.pull_requests.changed_files": lambda http: bitbucket_data_center(
        http
    ).pull_requests.changed_files(1),
    "bitbucketDataCenter.pull_request_lists.page": lambda http: bitbucket_data_center(http).pull_request_lists.page(
        since=LONG_AGO
    ),
    "bitbucketDataCenter.pull_request_lists.page.all": lambda http: bitbucket_data_center(http).pull_request_lists.page(
        following="all:7"
    ),
    "bitbucketDataCenter.revisions.compare": lambda http: bitbucket_data_center(http).revisions.compare(OLDER, SHA),
    "bitbucketDataCenter.revisions.resolve": lambda http: bitbucket_data_center(http).revisions.resolve(SHA[:12]),
    "bitbucketDataCenter.commit_statuses.newest": lambda http: bitbucket_data_center(http).commit_statuses.newest(SHA),
    "bitbucketDataCenter.commit_statuses.set": lambda http: bitbucket_data_center(http).commit_statuses.set(
        SHA, STATUS
    ),
    "bitbucketDataCenter.comments.own": lambda http: bitbucket_data_center(http).comments.own(1),
    "bitbucketDataCenter.comments.get": lambda http: bitbucket_data_center(http).comments.get("1:9"),
    "bitbucketDataCenter.comments.create": lambda http: bitbucket_data_center(http).comments.create(1, "x"),
    "bitbucketDataCenter.comments.update": lambda http: bitbucket_data_center(http).comments.update(OURS, "x"),
    "bitbucketDataCenter.changes.find_open": lambda http: changes(bitbucket_data_center(http)).find_open(
        "feature", "main"
    ),
    "bitbucketDataCenter.changes.create": lambda http: changes(bitbucket_data_center(http)).create(PROPOSED),
    "bitbucketDataCenter.changes.create.refused": lambda http: refused(
        changes(bitbucket_data_center(http, base=DATA_CENTER_REFUSING)).create(PROPOSED)
    ),
    "bitbucketDataCenter.changes.update": lambda http: changes(bitbucket_data_center(http)).update(1, title="y"),
    "bitbucketDataCenter.changes.merge": lambda http: changes(bitbucket_data_center(http)).merge(1, MERGE),
    "bitbucketDataCenter.changes.merge.refused": lambda http: refused(
        changes(bitbucket_data_center(http, base=DATA_CENTER_REFUSING)).merge(2, MERGE)
    ),
    "bitbucketDataCenter.changes.close": lambda http: changes(bitbucket_data_center(http)).close(2),
    "bitbucketDataCenter.steering.remarks": lambda http: steering(bitbucket_data_center(http)).remarks(1, LONG_AGO, ""),
    "bitbucketDataCenter.steering.may_write": lambda http: steering(bitbucket_data_center(http)).may_write(MONA),
    "bitbucketDataCenter.steering.is_member": lambda http: steering(bitbucket_data_center(http)).is_member(
        "release", MONA
    ),
    "bitbucketDataCenter.steering.react": lambda http: steering(bitbucket_data_center(http)).react("1:9", agreed=True),
    "bitbucketDataCenter.check": lambda http: bitbucket_data_center(http).check(),
    "bitbucketDataCenter.check.account": lambda http: bitbucket_data_center(http, project="").check(),
    "githubActions.find": lambda http: github_actions(http).find("e2e.yml", KEY),
    "githubActions.find.known": lambda http: github_actions(http).find("e2e.yml", KEY, ORIGIN),
    "githubActions.create": lambda http: github_actions(http).create("e2e.yml", KEY, {"REVISION": SHA}),
    "githubActions.read": lambda http: github_actions(http).read("e2e.yml", RUN),
    "githubActions.read.unnamed": lambda http: github_actions(http).read("e2e.yml", UNNAMED),
    "githubActions.cancel": lambda http: github_actions(http).cancel("e2e.yml", RUN),
    "githubActions.check": lambda http: github_actions(http).check(),
    "githubActions.traceable": lambda http: github_actions(http).traceable("e2e.yml"),
    "jenkins.find": lambda http: jenkins(http).find("web", KEY),
    "jenkins.find.known": lambda http: jenkins(http).find("web", KEY, ORIGIN),
    "jenkins.find.busy": lambda http: jenkins(http).find("busy", KEY),
    "jenkins.create": lambda http: jenkins(http).create("web", KEY, {"REVISION": SHA}),
    "jenkins.create.password": lambda http: jenkins(http, data=PASSWORD).create("web", KEY, {"REVISION": SHA}),
    "jenkins.read.waiting": lambda http: jenkins(http).read("web", Run(id="queue:5", key=KEY)),
    "jenkins.read.began": lambda http: jenkins(http).read("web", Run(id="queue:4", key=KEY)),
    "jenkins.read.forgotten": lambda http: jenkins(http).read("web", Run(id="queue:6", key=KEY)),
    "jenkins.read": lambda http: jenkins(http).read("web", Run(id="build:12:4", key=KEY)),
    "jenkins.read.unnamed": lambda http: jenkins(http).read("web", UNNAMED),
    "jenkins.cancel": lambda http: jenkins(http).cancel("web", Run(id="build:13:4", key=KEY)),
    "jenkins.cancel.waiting": lambda http: jenkins(http).cancel("web", Run(id="queue:5", key=KEY)),
    "jenkins.check": lambda http: jenkins(http).check(),
    "jenkins.traceable": lambda http: jenkins(http).traceable("web"),
    "gitlab.pull_requests.get": lambda http: gitlab(http).pull_requests.get(1),
    "gitlab.pull_requests.changed_files": lambda http: gitlab(http).pull_requests.changed_files(1),
    "gitlab.pull_request_lists.page": lambda http: gitlab(http).pull_request_lists.page(since=LONG_AGO),
    "gitlab.revisions.compare": lambda http: gitlab(http).revisions.compare(OLDER, SHA),
    "gitlab.revisions.resolve": lambda http: gitlab(http).revisions.resolve(SHA[:7]),
    "gitlab.commit_statuses.newest": lambda http: gitlab(http).commit_statuses.newest(SHA),
    "gitlab.commit_statuses.set": lambda http: gitlab(http).commit_statuses.set(SHA, STATUS),
    "gitlab.commit_statuses.set.again": lambda http: refused(gitlab(http).commit_statuses.set(OLDER, STATUS)),
    "gitlab.labels.list": lambda http: gitlab(http).labels.list(1),
    "gitlab.labels.add": lambda http: gitlab(http).labels.add(1, ["pilotage/testing"]),
    "gitlab.labels.remove": lambda http: gitlab(http).labels.remove(1, "pilotage/testing"),
    "gitlab.comments.own": lambda http: gitlab(http).comments.own(1),
    "gitlab.comments.get": lambda http: gitlab(http).comments.get("1:9"),
    "gitlab.comments.create": lambda http: gitlab(http).comments.create(1, "x"),
    "gitlab.comments.update": lambda http: gitlab(http).comments.update(Comment(id="1:9", body=""), "x"),
    "gitlab.changes.find_open": lambda http: changes(gitlab(http)).find_open("feature", "main"),
    "gitlab.changes.create": lambda http: changes(gitlab(http)).create(PROPOSED),
    "gitlab.changes.create.open": lambda http: changes(gitlab(http)).create(OPEN),
    "gitlab.changes.create.refused": lambda http: refused(changes(gitlab(http, base=REFUSING)).create(PROPOSED)),
    "gitlab.changes.update": lambda http: changes(gitlab(http)).update(1, title="x", body="y"),
    "gitlab.changes.merge": lambda http: changes(gitlab(http)).merge(2, MERGE),
    "gitlab.changes.merge.refused": lambda http: refused(changes(gitlab(http, base=REFUSING)).merge(2, MERGE)),
    "gitlab.changes.close": lambda http: changes(gitlab(http)).close(2),
    "gitlab.branches.head": lambda http: branches(gitlab(http)).head("main"),
    "gitlab.branches.log": lambda http: branches(gitlab(http)).log("main", 20),
    "gitlab.branches.read": lambda http: branches(gitlab(http)).read("deploy/a.yaml", SHA),
    "gitlab.branches.read.missing": lambda http: branches(gitlab(http)).read("missing.yaml", SHA),
    "gitlab.branches.commit": lambda http: branches(gitlab(http)).commit(COMMIT),
    "gitlab.branches.commit.begins": lambda http: branches(gitlab(http)).commit(
        replace(COMMIT, branch="new", begins=True)
    ),
    "gitlab.branches.commit.refused": lambda http: refused(branches(gitlab(http, base=REFUSING)).commit(COMMIT)),
    "gitlab.deployment_records.record": lambda http: records(gitlab(http)).record(RECORD),
    "gitlab.deployment_records.record.new": lambda http: records(gitlab(http)).record(NEW_RECORD),
    "gitlab.deployment_records.record.ended": lambda http: records(gitlab(http)).record(ENDED_RECORD),
    "gitlab.steering.label_events": lambda http: steering(gitlab(http)).label_events(1, ""),
    "gitlab.steering.remarks": lambda http: steering(gitlab(http)).remarks(1, LONG_AGO, ""),
    "gitlab.steering.may_write": lambda http: steering(gitlab(http)).may_write(MONA),
    "gitlab.steering.is_member": lambda http: steering(gitlab(http)).is_member("release", MONA),
    "gitlab.steering.react": lambda http: steering(gitlab(http)).react("1:9", agreed=True),
    "gitlab.check": lambda http: gitlab(http).check(),
    "gitlab.check.account": lambda http: gitlab(http, project="").check(),
    "gitlabCI.find": lambda http: gitlab_ci(http).find("main", KEY),
    "gitlabCI.find.known": lambda http: gitlab_ci(http).find("main", KEY, ORIGIN),
    "gitlabCI.create": lambda http: gitlab_ci(http).create("main", KEY, {"REVISION": SHA}),
    "gitlabCI.create.trigger": lambda http: gitlab_ci(http, data=TRIGGER).create("main", KEY, {}),
    "gitlabCI.read": lambda http: gitlab_ci(http).read("main", PIPELINE),
    "gitlabCI.read.unnamed": lambda http: gitlab_ci(http).read("main", UNNAMED),
    "gitlabCI.cancel": lambda http: gitlab_ci(http).cancel("main", PIPELINE),
    "gitlabCI.check": lambda http: gitlab_ci(http).check(),
    "gitlabCI.check.account": lambda http: gitlab_ci(http, project="").check(),
    "gitlabCI.check.inputs": lambda http: gitlab_ci(http, parameters_as="Inputs").check(),
    "gitlabCI.traceable": lambda http: gitlab_ci(http).traceable("main"),
    "gitlabCI.traceable.inputs": lambda http: gitlab_ci(http, parameters_as="Inputs").traceable("main"),
    "argocd.get": lambda http: argocd(http).get(REF),
    "argocd.get.tracked": lambda http: argocd(http).get(TRACKED, refresh=True),
    "argocd.names": lambda http: argocd(http).names("shop", selector="a=b"),
    "argocd.fingerprints": lambda http: argocd(http).fingerprints("shop"),
    "argocd.list": lambda http: argocd(http).list("shop"),
    "argocd.favours_list": lambda http: argocd(http).favours_list("shop", 2),
    "argocd.locate": _locate,
    "argocd.write": lambda http: argocd(http).write(REF, ApplicationTarget(), application("web"), SHA),
    "argocd.sync": lambda http: argocd(http).sync(REF, revisions=[SHA], key=KEY),
    "argocd.sync_windows": lambda http: argocd(http).sync_windows(REF),
    "argocd.sync_windows.allowed": lambda http: argocd(http).sync_windows(ALLOWED),
    "argocd.may": lambda http: argocd(http).may(REF, "sync"),
    "argocd.stream": _stream,
    "argocd.check": lambda http: argocd(http).check(),
}


def kind_of(name: str) -> str:
    """Return which kind of host an operation calls."""
    return name.partition(".")[0]
