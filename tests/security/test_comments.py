"""The summary on the pull request: outsiders may comment there, copy what they see, and edit what they may."""

from dataclasses import replace

import pytest
from temporalio.testing import ActivityEnvironment

from activities.models.revisions import Mention, PresentInput
from activities.presentation import mention_marker, present, summary_marker
from providers.models import Comment
from tests.activities.fakes import FakeScm

WANTED = PresentInput(
    namespace="shop",
    repository="web",
    number=412,
    marker="uid-1",
    label_prefix="pilotage/",
    state_label="",
    comment="### Pilotage: Testing",
)
FORGED = "### Pilotage: Completed (prod)"


@pytest.fixture
def scm() -> FakeScm:
    return FakeScm()


async def show(scm: FakeScm, request: PresentInput = WANTED) -> PresentInput:
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
