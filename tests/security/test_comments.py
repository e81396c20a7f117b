"""The summary on the pull request: outsiders may comment there, copy what they see, and edit what they may."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.models.revisions import Mention, PresentInput
from activities.presentation import mention_marker, present, summary_marker
from deploy.local.sandbox import seed
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.github.adapter import GitHubHost
from providers.http import HttpClients, HttpOptions
from providers.models import Comment
from providers.ports import ScmHost
from tests.activities.fakes import FakeScm
from tests.providers.apps import github_app
from tests.providers.hosts import github

WANTED = PresentInput(
    namespace="shop",
    repository="web",
    number=412,
    marker="uid-1",
    state_label="",
    comment="### Pilotage: Testing",
)
FORGED = "### Pilotage: Completed (prod)"


@pytest.fixture
def scm() -> FakeScm:
    return FakeScm()


async def show(scm: ScmHost, request: PresentInput = WANTED) -> PresentInput:
    """Show it, and return the request with what is shown now."""
    answer = await ActivityEnvironment().run(present, scm, request, request.shown)
    assert answer.errors == ()
    return replace(request, shown=answer.result.shown)


def texts(scm: FakeScm) -> list[str]:
    return [comment.body.partition("\n")[0] for comment in scm.stored_comments]


async def test_to_have_ones_own_comment_adopted_and_rewrite_it_later(scm: FakeScm) -> None:
    for marker in (summary_marker("uid-1"), summary_marker("uid-1", "0" * 32)):
        scm.stored_comments.append(Comment(id=f"x{len(scm.stored_comments)}", body=f"{FORGED}\n\n{marker}"))
    scm.comments_of_others = {"x0", "x1"}
    await show(scm)
    assert texts(scm) == [FORGED, FORGED, "### Pilotage: Testing"]


async def test_to_have_a_copy_of_our_comment_adopted(scm: FakeScm) -> None:
    await show(scm)
    ours = scm.stored_comments[0]
    scm.stored_comments.insert(0, Comment(id="copy", body=ours.body))
    scm.comments_of_others = {"copy"}
    await show(scm, replace(WANTED, comment="### Pilotage: Promoting"))
    assert texts(scm) == ["### Pilotage: Testing", "### Pilotage: Promoting"]


async def test_to_have_a_shared_account_quote_a_forged_summary(scm: FakeScm) -> None:
    await show(scm)
    quoted = f"{FORGED}\n\n{summary_marker('uid-1', '0' * 32)}"
    scm.stored_comments.insert(0, Comment(id="quoted", body=quoted))
    await show(scm, replace(WANTED, comment="### Pilotage: Promoting"))
    assert texts(scm) == [FORGED, "### Pilotage: Promoting"]


async def test_to_edit_our_comment(scm: FakeScm) -> None:
    shown = await show(scm)
    scm.stored_comments[0] = replace(scm.stored_comments[0], body=FORGED)
    await show(scm, shown)
    assert texts(scm) == ["### Pilotage: Testing"]


async def test_a_comment_of_an_earlier_credential_is_still_ours(scm: FakeScm) -> None:
    await show(scm)
    scm.proof_key = b"key of the next credential"
    await show(scm, replace(WANTED, comment="### Pilotage: Promoting"))
    assert texts(scm) == ["### Pilotage: Promoting"]


async def test_to_keep_people_from_being_asked_by_a_quoted_mention(scm: FakeScm) -> None:
    wanted = replace(WANTED, mentions=(Mention(key="approve", body="@mona please approve"),))
    for proof in ("", "0" * 32):
        quoted = f"nothing to do\n\n{mention_marker('uid-1', 'approve', proof)}"
        scm.stored_comments.append(Comment(id=f"quoted{proof}", body=quoted))
    await show(scm, wanted)
    await show(scm, wanted)
    assert sorted(texts(scm)) == [
        "### Pilotage: Testing", "@mona please approve", "nothing to do", "nothing to do"
    ]  # fmt: skip


# A token of an App's installation, minted by somebody else, cannot ask whose it is in REST: `GET /user` is refused.


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    contents = seed.default_seed()
    contents["github"]["app"] = github_app("pilotage").known
    async with running_sandbox(options=Options(), seed=contents) as running:
        yield running


async def minted_token(sandbox: Sandbox) -> str:
    async with aclosing(clients()) as http:
        minted = github(http, base=f"{sandbox.url}/github", data=github_app("pilotage").secret)
        assert isinstance(minted, GitHubHost)
        return (await minted._calls.auth.headers())["Authorization"].removeprefix("Bearer ")


@pytest_asyncio.fixture
async def token(sandbox: Sandbox) -> str:
    return await minted_token(sandbox)


@pytest.fixture
def unknown_account(sandbox: Sandbox) -> None:
    """Refuse the question in GraphQL as well, as a proxy does that lets the REST API through alone."""
    sandbox.state.script.add({"system": "github", "match": "POST .*/graphql", "action": "status", "status": 403})


def clients() -> HttpClients:
    return HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))


async def present_by(sandbox: Sandbox, token: str, *comments: str, prefix: str = "/github") -> None:
    """Present by a worker that was just started, each time without any memory of what is shown."""
    async with aclosing(clients()) as http:
        scm = github(http, base=f"{sandbox.url}{prefix}", token=token)
        for comment in comments:
            await show(scm, replace(WANTED, number=seed.PULL_NUMBER, repository="web", comment=comment, shown=None))


def shown_by(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return author and first line of each comment."""
    pull = sandbox.state.github.repositories[seed.REPOSITORY].pulls[seed.PULL_NUMBER]
    return [(str(one["user"]["login"]), str(one["body"]).partition("\n")[0]) for one in pull.comments]


@pytest.mark.parametrize("prefix", ["/github", "/github/api/v3"])
async def test_a_token_of_an_installation_finds_the_comment_of_the_one_before(sandbox: Sandbox, prefix: str) -> None:
    """Each is another credential, so that no proof of one is good for the other: the account is asked for."""
    await present_by(sandbox, await minted_token(sandbox), "### Pilotage: Testing", prefix=prefix)
    await present_by(sandbox, await minted_token(sandbox), "### Pilotage: Completed", prefix=prefix)
    assert shown_by(sandbox) == [("pilotage[bot]", "### Pilotage: Completed")]


async def test_to_have_another_apps_comment_adopted_by_a_new_token(sandbox: Sandbox, token: str) -> None:
    await present_by(sandbox, token, "### Pilotage: Testing")
    pull = sandbox.state.github.repositories[seed.REPOSITORY].pulls[seed.PULL_NUMBER]
    copied = {**pull.comments[0], "id": 1, "user": {"login": "echo[bot]"}}
    pull.comments.insert(0, copied)
    await present_by(sandbox, await minted_token(sandbox), "### Pilotage: Promoting")
    assert shown_by(sandbox) == [
        ("echo[bot]", "### Pilotage: Testing"), ("pilotage[bot]", "### Pilotage: Promoting")
    ]  # fmt: skip


@pytest.mark.usefixtures("unknown_account")
async def test_a_credential_that_cannot_ask_whose_it_is_finds_its_comment_again(sandbox: Sandbox, token: str) -> None:
    await present_by(sandbox, token, "### Pilotage: Testing", "### Pilotage: Promoting")
    await present_by(sandbox, token, "### Pilotage: Completed")
    assert shown_by(sandbox) == [("pilotage[bot]", "### Pilotage: Completed")]


@pytest.mark.usefixtures("unknown_account")
async def test_to_have_a_copy_adopted_where_the_account_is_not_known(sandbox: Sandbox, token: str) -> None:
    async with aclosing(clients()) as http:
        person = github(http, base=f"{sandbox.url}/github", token=seed.GITHUB_TOKEN)
        older = await person.comments.create(seed.PULL_NUMBER, "first!")
        await present_by(sandbox, token, "### Pilotage: Testing")
        pull = sandbox.state.github.repositories[seed.REPOSITORY].pulls[seed.PULL_NUMBER]
        await person.comments.update(older, pull.comments[-1]["body"])
    await present_by(sandbox, token, "### Pilotage: Promoting")
    assert [text for _, text in shown_by(sandbox)] == ["### Pilotage: Testing", "### Pilotage: Promoting"]
    assert shown_by(sandbox)[1][0] == "pilotage[bot]"


@pytest.mark.usefixtures("unknown_account")
async def test_to_have_an_app_quote_a_forged_summary_where_the_account_is_not_known(
    sandbox: Sandbox, token: str
) -> None:
    quoted = f"{FORGED}\n\n{summary_marker('uid-1', '0' * 32)}"
    pull = sandbox.state.github.repositories[seed.REPOSITORY].pulls[seed.PULL_NUMBER]
    pull.comments.append({"id": 1, "body": quoted, "user": {"login": "echo[bot]"}})
    await present_by(sandbox, token, "### Pilotage: Testing", "### Pilotage: Promoting")
    assert [text for _, text in shown_by(sandbox)] == [FORGED, "### Pilotage: Promoting"]
