"""What is shown on the pull request, and that only differences are sent."""

from dataclasses import replace

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.models.revisions import CommitState, DesiredStatus, Mention, PresentInput, PresentResult, Shown
from activities.presentation import summary_marker
from activities.pull_requests import ScmHostActivities
from providers.errors import ProviderRejected
from providers.models import Capabilities, Comment
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import NEW, FakeConnections, FakeScm

WANTED = PresentInput(
    namespace="shop",
    repository="web",
    number=412,
    marker="shop/web-412",
    state_label="pilotage/testing",
    label_prefix="pilotage/",
    labels=("promoted/staging",),
    statuses=(DesiredStatus(sha=NEW, context="pilotage/staging", state=CommitState.PENDING, description="Testing"),),
    comment="### Pilotage: Testing",
    mentions=(Mention(key="1-failed", body="@mona tests failed"),),
)


@pytest.fixture
def scm() -> FakeScm:
    return FakeScm(label_names=["bug", "pilotage/synced"])


async def present(scm: FakeScm, request: PresentInput, environment: ActivityEnvironment) -> PresentResult:
    return await environment.run(ScmHostActivities(FakeConnections(scm=scm)).present_on_pull_request, request)


async def test_the_state_label_replaces_its_predecessor_and_foreign_labels_stay(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    await present(scm, WANTED, environment)
    assert scm.label_names == ["bug", "pilotage/testing", "promoted/staging"]


async def test_a_label_of_our_prefix_that_stands_for_no_state_is_left_alone(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    scm.label_names = ["pilotage/synced", "pilotage/skip-e2e"]
    states = ("pilotage/synced", "pilotage/testing")
    await present(scm, replace(WANTED, state_labels=states), environment)
    assert scm.label_names == ["pilotage/skip-e2e", "pilotage/testing", "promoted/staging"]


async def test_an_input_that_names_no_states_exchanges_all_labels_of_the_prefix(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    scm.label_names = ["pilotage/synced", "pilotage/skip-e2e"]
    await present(scm, WANTED, environment)
    assert scm.label_names == ["pilotage/testing", "promoted/staging"]


async def test_the_same_presentation_again_writes_nothing(scm: FakeScm, environment: ActivityEnvironment) -> None:
    first = await present(scm, WANTED, environment)
    again = await present(scm, WANTED, environment)
    assert (first.writes, again.writes) == (5, 0)


async def test_what_was_shown_before_spares_all_reads(scm: FakeScm, environment: ActivityEnvironment) -> None:
    first = await present(scm, WANTED, environment)
    scm.calls.clear()
    nothing = await present(scm, replace(WANTED, shown=first.shown), environment)
    assert (nothing.writes, scm.calls) == (0, [])
    changed = replace(WANTED, shown=first.shown, state_label="pilotage/promoting", comment="### Pilotage: Promoting")
    await present(scm, changed, environment)
    assert scm.calls == ["remove_label", "add_labels", "update_comment"]
    assert len(scm.stored_comments) == 2


async def test_labels_that_came_with_the_pull_request_spare_their_read_and_comments_are_found_nevertheless(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    await present(scm, WANTED, environment)
    scm.calls.clear()
    read = Shown(labels=("bug", "pilotage/testing", "promoted/staging"))
    again = await present(scm, replace(WANTED, shown=read, statuses=(), state_label="pilotage/promoting"), environment)
    assert scm.calls == ["remove_label", "add_labels", "list_comments"]
    assert again.shown is not None
    assert (len(scm.stored_comments), again.shown.comment_id) == (2, scm.stored_comments[0].id)


async def test_a_deleted_comment_is_written_anew(scm: FakeScm, environment: ActivityEnvironment) -> None:
    first = await present(scm, WANTED, environment)
    scm.stored_comments = [comment for comment in scm.stored_comments if "mention" in comment.body]
    await present(scm, replace(WANTED, shown=first.shown, comment="### Pilotage: Promoting"), environment)
    assert [comment.body.startswith("### Pilotage: Promoting") for comment in scm.stored_comments] == [False, True]


async def test_a_second_attempt_trusts_nothing_and_mentions_nobody_twice(scm: FakeScm) -> None:
    await present(scm, WANTED, bounded_environment())
    await present(scm, WANTED, bounded_environment(attempt=2))
    assert sum("@mona" in comment.body for comment in scm.stored_comments) == 1


async def test_a_person_who_quotes_our_comment_is_not_overwritten(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    quote = Comment(id="9", body=f"> {summary_marker(WANTED.marker)}\n\nwhat does this mean?")
    scm.stored_comments = [quote]
    await present(scm, WANTED, environment)
    assert scm.stored_comments[0] == quote
    assert len(scm.stored_comments) == 3


async def test_a_description_that_the_host_cut_is_not_sent_again(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    long = replace(WANTED.statuses[0], description="waits for " + "x" * 300)
    await present(scm, replace(WANTED, statuses=(long,)), environment)
    sha, status = scm.stored_statuses[0]
    scm.stored_statuses = [(sha, replace(status, description=status.description[:139] + "…"))]
    assert (await present(scm, replace(WANTED, statuses=(long,)), environment)).writes == 0


async def test_a_host_without_labels_gets_the_rest(environment: ActivityEnvironment) -> None:
    scm = FakeScm(capabilities=Capabilities(labels=False))
    await present(scm, WANTED, environment)
    assert scm.label_names == []
    assert len(scm.stored_comments) == 2


@pytest.mark.parametrize(("attempts", "final"), [(0, False), (4, True)])
async def test_what_the_host_rejects_is_tried_again_only_where_attempts_are_unlimited(
    scm: FakeScm, attempts: int, final: bool
) -> None:
    scm.errors["create_comment"] = [ProviderRejected("422 Validation Failed", status=422)]
    with pytest.raises(ApplicationError) as refused:
        await present(scm, WANTED, bounded_environment(attempts=attempts))
    assert (refused.value.type, refused.value.non_retryable) == ("ProviderRejected", final)
    again = await present(scm, WANTED, bounded_environment(attempts=attempts, attempt=2))
    assert again.writes == 2
