"""What steering by labels and comments asks of a host, kept by every adapter."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from deploy.local.sandbox import seed
from deploy.local.sandbox.control import add_comment
from deploy.local.sandbox.server import Sandbox, running_sandbox
from deploy.local.sandbox.state import SandboxState
from providers.http import HttpClients, HttpOptions
from providers.models import LabelEvent, Person
from providers.ports import ScmHost, Steering
from tests.providers.apps import github_app
from tests.providers.hosts import gitea
from tests.providers.test_sandbox_contract import SCM_HOSTS

NUMBER = seed.PULL_NUMBER
# A token that is minted asks alike however its installation, or its application, is named.
MINTED_ALIKE = (
    "github enterprise server by app whose installation is looked up",
    "azure devops by an application of entra",
)
STEERED = {name: opened for name, opened in SCM_HOSTS.items() if name not in MINTED_ALIKE}
NAMES_WHO_LABELS = ("github", "gitlab", "gitea", "forgejo")
BY_LABELS = {name: opened for name, opened in STEERED.items() if name.split()[0] in NAMES_WHO_LABELS}
# What hosts call the reactions, agreed or not; an empty one where they have none.
REACTIONS = {
    "github": ("+1", "-1"),
    "gitea": ("+1", "-1"),
    "forgejo": ("+1", "-1"),
    "gitlab": ("thumbsup", "thumbsdown"),
    "bitbucket data center": ("thumbsup", "thumbsdown"),
    "bitbucket cloud": ("", ""),
    "azure devops": ("like", ""),
}


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    contents = seed.default_seed()
    contents["github"]["app"] = github_app("pilotage").known
    contents["github"]["teams"] = {"release": ["grace"]}
    contents["gitea"]["tokens"]["unused-token"] = {"login": "pilotage-bot", "password": "sandbox-gitea-password"}
    async with running_sandbox(seed=contents) as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[HttpClients]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    yield clients
    await clients.aclose()


@pytest.fixture(params=STEERED)
def scm(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClients) -> ScmHost:
    return opened(str(request.param), sandbox, http)


@pytest.fixture(params=BY_LABELS)
def by_labels(request: pytest.FixtureRequest, sandbox: Sandbox, http: HttpClients) -> ScmHost:
    return opened(str(request.param), sandbox, http)


def opened(name: str, sandbox: Sandbox, http: HttpClients) -> ScmHost:
    if name == "gitea by password":
        data = {"username": "pilotage-bot", "password": "sandbox-gitea-password"}
        return gitea(http, base=f"{sandbox.url}/gitea/", data=data)
    return STEERED[name](sandbox.url, http, True)


def steering_of(host: ScmHost) -> Steering:
    assert host.steering is not None
    return host.steering


def label(state: SandboxState, name: str, actor: str, *, off: bool = False) -> None:
    """Put a label on the pull request, or take it off, as a person would."""
    repository = state.github.repositories[seed.REPOSITORY]
    change = state.github.remove_label if off else state.github.add_label
    change(repository, repository.pulls[NUMBER], name, actor=actor)


def comment(state: SandboxState, body: str, actor: str) -> None:
    """Comment as a person would."""
    add_comment(state, {"repo": seed.REPOSITORY, "number": NUMBER, "actor": actor, "body": body})


async def everything(host: ScmHost) -> str:
    """Return the cursor behind all that happened to labels."""
    return (await steering_of(host).label_events(NUMBER, "")).cursor


async def test_who_labelled_is_named_once_and_our_own_labels_are_ours(sandbox: Sandbox, by_labels: ScmHost) -> None:
    steering, cursor = steering_of(by_labels), await everything(by_labels)
    label(sandbox.state, "pilotage/hold", "grace")
    await by_labels.labels.add(NUMBER, ["pilotage/testing"])
    label(sandbox.state, "pilotage/hold", "mallory", off=True)
    found = await steering.label_events(NUMBER, cursor)
    assert [(one.label, one.added, one.by.name, one.own) for one in found.events if not one.own] == [
        ("pilotage/hold", True, "grace", False),
        ("pilotage/hold", False, "mallory", False),
    ]
    assert [(one.label, one.added) for one in found.events if one.own] == [("pilotage/testing", True)]
    assert (await steering.label_events(NUMBER, found.cursor)).events == ()
    assert len({one.id for one in found.events}) == 3


async def test_events_go_on_behind_full_pages(sandbox: Sandbox, by_labels: ScmHost) -> None:
    steering, cursor = steering_of(by_labels), await everything(by_labels)
    found: list[LabelEvent] = []
    for number in range(120):
        label(sandbox.state, "pilotage/hold", f"person-{number}", off=number % 2 == 1)
        if number % 40 == 0:
            answer = await steering.label_events(NUMBER, cursor)
            cursor, found = answer.cursor, [*found, *answer.events]
    answer = await steering.label_events(NUMBER, cursor)
    assert [one.by.name for one in (*found, *answer.events)] == [f"person-{number}" for number in range(120)]


async def test_a_label_among_hundreds_of_comments_is_seen_once(sandbox: Sandbox, by_labels: ScmHost) -> None:
    steering, cursor = steering_of(by_labels), await everything(by_labels)
    for number in range(300):
        sandbox.state.clock.advance(1)
        comment(sandbox.state, "Looks good", "mallory")
        if number % 100 == 99:
            label(sandbox.state, f"pilotage/at-{number}", "grace")
    found: list[LabelEvent] = []
    for _ in range(3):
        answer = await steering.label_events(NUMBER, cursor)
        cursor, found = answer.cursor, [*found, *answer.events]
    assert [one.label for one in found] == ["pilotage/at-99", "pilotage/at-199", "pilotage/at-299"]


async def test_what_people_wrote_since_is_read_once_and_an_edit_is_no_new_remark(
    sandbox: Sandbox, scm: ScmHost
) -> None:
    steering, begun = steering_of(scm), datetime.fromtimestamp(sandbox.state.clock.now(), UTC)
    sandbox.state.clock.advance(5)
    comment(sandbox.state, "/pilotage hold", "grace")
    # A host that does not name whose a token is shows it by what is written with it.
    await scm.comments.own(NUMBER)
    await scm.comments.create(NUMBER, "### Pilotage")
    found = await steering.remarks(NUMBER, begun, "")
    assert [(one.body, one.by.name, one.own) for one in found.remarks] == [
        ("/pilotage hold", "grace", False),
        ("### Pilotage", "pilotage-bot" if not _by_app(scm) else "pilotage[bot]", True),
    ]
    sandbox.state.clock.advance(5)
    pull = sandbox.state.github.repositories[seed.REPOSITORY].pulls[NUMBER]
    pull.comments[0]["body"], pull.comments[0]["updated_at"] = "/pilotage release", "2099-01-01T00:00:00Z"
    comment(sandbox.state, "x" * 10_000, "mallory")
    again = await steering.remarks(NUMBER, begun, found.cursor)
    assert [one.by.name for one in again.remarks] == ["mallory"]
    assert len(again.remarks[0].body.encode()) <= 2000
    assert (await steering.remarks(NUMBER, begun, again.cursor)).remarks == ()


async def test_to_put_a_command_into_the_mouth_of_somebody_who_may_give_it(sandbox: Sandbox, scm: ScmHost) -> None:
    """Who may write may edit anybody's comment, which stays the comment of who wrote it; also before we looked."""
    steering, begun = steering_of(scm), datetime.fromtimestamp(sandbox.state.clock.now(), UTC)
    sandbox.state.clock.advance(5)
    for body in ("Looks good", "/pilotage hold"):
        comment(sandbox.state, body, "grace")
    pull = sandbox.state.github.repositories[seed.REPOSITORY].pulls[NUMBER]
    changed = datetime.fromtimestamp(sandbox.state.clock.now() + 5, UTC)
    pull.comments[-2] |= {"body": "/pilotage promote", "updated_at": f"{changed:%Y-%m-%dT%H:%M:%SZ}"}
    found = await steering.remarks(NUMBER, begun, "")
    assert [one.body for one in found.remarks] == ["/pilotage hold"]
    assert [one.body for one in found.edited] == ["/pilotage promote"]
    assert (await steering.remarks(NUMBER, begun, found.cursor)).remarks == ()


async def test_a_comment_that_somebody_reacts_to_before_it_is_read_counts(sandbox: Sandbox, scm: ScmHost) -> None:
    steering, begun = steering_of(scm), datetime.fromtimestamp(sandbox.state.clock.now(), UTC)
    sandbox.state.clock.advance(5)
    comment(sandbox.state, "/pilotage hold", "grace")
    [written] = (await steering.remarks(NUMBER, begun, "")).remarks
    sandbox.state.clock.advance(60)
    await steering.react(written.id, agreed=True)
    [found] = (await steering.remarks(NUMBER, begun, "")).remarks
    assert (found.body, found.by.name) == ("/pilotage hold", "grace")


async def test_what_was_written_before_is_not_read(sandbox: Sandbox, scm: ScmHost) -> None:
    comment(sandbox.state, "/pilotage hold", "grace")
    sandbox.state.clock.advance(5)
    begun = datetime.fromtimestamp(sandbox.state.clock.now(), UTC)
    assert (await steering_of(scm).remarks(NUMBER, begun, "")).remarks == ()
    assert (await steering_of(scm).remarks(NUMBER, begun - timedelta(minutes=1), "")).remarks != ()


async def test_an_answer_to_an_older_comment_is_read_behind_newer_ones(sandbox: Sandbox, scm: ScmHost) -> None:
    """Some hosts number comments within their threads, or show answers within what they answer."""
    steering, begun = steering_of(scm), datetime.fromtimestamp(sandbox.state.clock.now(), UTC)
    comment(sandbox.state, "Is this safe?", "mallory")
    sandbox.state.clock.advance(5)
    comment(sandbox.state, "Looks good", "mallory")
    cursor = (await steering.remarks(NUMBER, begun, "")).cursor
    sandbox.state.clock.advance(5)
    comments = sandbox.state.github.repositories[seed.REPOSITORY].pulls[NUMBER].comments
    comment(sandbox.state, "/pilotage hold", "grace")
    comments[-1]["answers"] = comments[-3]["id"]
    found = await steering.remarks(NUMBER, begun, cursor)
    assert [(one.body, one.by.name) for one in found.remarks] == [("/pilotage hold", "grace")]
    assert (await steering.remarks(NUMBER, begun, found.cursor)).remarks == ()


@pytest.mark.parametrize(("login", "may"), [("grace", True), (seed.AUTHOR, True), ("mallory", False), ("eve", False)])
async def test_who_may_write_is_answered_by_the_host(sandbox: Sandbox, scm: ScmHost, login: str, may: bool) -> None:
    assert await steering_of(scm).may_write((await people(sandbox, scm, login))[login]) is may


async def test_an_account_that_is_gone_may_not_write(sandbox: Sandbox, scm: ScmHost) -> None:
    grace = (await people(sandbox, scm, "grace"))["grace"]
    for gone in (replace(grace, id="4711"), replace(grace, id="4711", name="gone")):
        assert not await steering_of(scm).may_write(gone)


async def test_members_of_a_team_are_answered_by_the_host_that_has_teams(sandbox: Sandbox, scm: ScmHost) -> None:
    steering, found = steering_of(scm), await people(sandbox, scm, "grace", "mallory")
    members = {name for name, person in found.items() if await steering.is_member("release", person)}
    assert members == ({"grace"} if steering.has_teams else set())
    assert not await steering.is_member("another", found["grace"])
    assert not await steering.is_member("another", replace(found["grace"], id="unknown", name="unknown"))


@pytest.mark.parametrize("agreed", [True, False])
@pytest.mark.parametrize("name", STEERED)
async def test_a_comment_is_answered_by_one_reaction(
    sandbox: Sandbox, http: HttpClients, name: str, agreed: bool
) -> None:
    scm = opened(name, sandbox, http)
    posted = await scm.comments.create(NUMBER, "/pilotage hold")
    for _ in range(2):
        await steering_of(scm).react(posted.id, agreed=agreed)
    kept = sandbox.state.github.repositories[seed.REPOSITORY].pulls[NUMBER].comments[-1].get("given_reactions", [])
    wanted = next(called for host, called in REACTIONS.items() if name.startswith(host))[0 if agreed else 1]
    assert [one["content"] for one in kept] == ([wanted] if wanted else [])


@pytest.mark.parametrize("name", [name for name in STEERED if name not in BY_LABELS])
async def test_hosts_that_do_not_name_who_labels_report_that(sandbox: Sandbox, http: HttpClients, name: str) -> None:
    steering = steering_of(opened(name, sandbox, http))
    assert not steering.names_who_labels
    assert (await steering.label_events(NUMBER, "")).events == ()


async def people(sandbox: Sandbox, scm: ScmHost, *logins: str) -> dict[str, Person]:
    """Return people as the host names who comments."""
    begun = datetime.fromtimestamp(sandbox.state.clock.now(), UTC)
    sandbox.state.clock.advance(5)
    for login in logins:
        comment(sandbox.state, "Looks good", login)
    return {one.by.name: one.by for one in (await steering_of(scm).remarks(NUMBER, begun, "")).remarks}


def _by_app(host: ScmHost) -> bool:
    calls = getattr(host, "_calls", None)
    auth = getattr(calls, "auth", None)
    return bool(auth is not None and auth.is_app)
