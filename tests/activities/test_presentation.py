"""What is shown on the pull request, and that only differences are sent."""

import re
from dataclasses import dataclass, field, replace

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.models.revisions import (
    CommitState,
    DeliveryState,
    DesiredDeployment,
    DesiredStatus,
    Mention,
    PresentInput,
    PresentResult,
    Shown,
)
from activities.presentation import present as present_parts
from activities.presentation import summary_marker
from activities.pull_requests import ScmHostActivities
from crds.reasons.problems import FailureKind
from crds.v1alpha1.git_repository import RepositoryMode, Show
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import Capabilities, Comment, DeploymentRecord, DeploymentState
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import NEW, FakeOpener, FakeScm

WANTED = PresentInput(
    namespace="shop",
    repository="web",
    number=412,
    marker="shop/web-412",
    state_label="pilotage/testing",
    labels=("promoted/staging",),
    statuses=(DesiredStatus(sha=NEW, context="pilotage/staging", state=CommitState.PENDING, description="Testing"),),
    comment="### Pilotage: Testing",
    mentions=(Mention(key="1-failed", body="@mona tests failed"),),
)


@pytest.fixture
def scm() -> FakeScm:
    return FakeScm(label_names=["bug", "pilotage/synced"])


async def present(scm: FakeScm, request: PresentInput, environment: ActivityEnvironment) -> PresentResult:
    return await environment.run(ScmHostActivities(FakeOpener(scm=scm)).present_on_pull_request, request)


async def test_the_state_label_replaces_its_predecessor_and_foreign_labels_stay(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    await present(scm, WANTED, environment)
    assert scm.label_names == ["bug", "pilotage/testing", "promoted/staging"]


async def test_a_label_of_our_prefix_that_stands_for_no_state_is_left_alone(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    scm.label_names = ["pilotage/synced", "pilotage/skip-e2e"]
    await present(scm, WANTED, environment)
    assert scm.label_names == ["pilotage/skip-e2e", "pilotage/testing", "promoted/staging"]


async def test_on_the_pull_request_of_an_observed_repository_nothing_is_read_or_written(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    activities = ScmHostActivities(FakeOpener(scm=scm, mode=RepositoryMode.OBSERVE))
    result = await environment.run(activities.present_on_pull_request, WANTED)
    assert (result.withheld, result.writes, scm.calls) == (True, 0, [])


async def test_the_same_presentation_again_writes_nothing(scm: FakeScm, environment: ActivityEnvironment) -> None:
    first = await present(scm, WANTED, environment)
    again = await present(scm, WANTED, environment)
    assert (first.writes, again.writes) == (5, 0)


async def test_what_was_shown_before_spares_all_reads_but_those_of_what_others_may_change(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    first = await present(scm, WANTED, environment)
    scm.calls.clear()
    nothing = await present(scm, replace(WANTED, shown=first.shown), environment)
    assert (nothing.writes, scm.calls) == (0, ["list_labels", "get_comment"])
    scm.calls.clear()
    changed = replace(WANTED, shown=first.shown, state_label="pilotage/promoting", comment="### Pilotage: Promoting")
    await present(scm, changed, environment)
    assert scm.calls == ["add_labels", "remove_label", "update_comment"]
    assert len(scm.stored_comments) == 2


async def test_labels_that_came_with_the_pull_request_spare_their_read_and_comments_are_found_nevertheless(
    scm: FakeScm, environment: ActivityEnvironment
) -> None:
    await present(scm, WANTED, environment)
    scm.calls.clear()
    read = Shown(labels=("bug", "pilotage/testing", "promoted/staging"))
    again = await present(scm, replace(WANTED, shown=read, statuses=(), state_label="pilotage/promoting"), environment)
    assert scm.calls == ["add_labels", "remove_label", "list_comments"]
    assert again.shown is not None
    assert (len(scm.stored_comments), again.shown.comment_id) == (2, scm.stored_comments[0].id)


async def test_a_deleted_comment_is_written_again(scm: FakeScm, environment: ActivityEnvironment) -> None:
    first = await present(scm, WANTED, environment)
    scm.stored_comments = [comment for comment in scm.stored_comments if "mention" in comment.body]
    await present(scm, replace(WANTED, shown=first.shown, comment="### Pilotage: Promoting"), environment)
    assert [comment.body.startswith("### Pilotage: Promoting") for comment in scm.stored_comments] == [False, True]


async def test_a_second_attempt_trusts_nothing_and_mentions_no_one_twice(scm: FakeScm) -> None:
    await present(scm, WANTED, bounded_environment())
    await present(scm, WANTED, bounded_environment(attempt=2))
    assert sum("@mona" in comment.body for comment in scm.stored_comments) == 1


@pytest.mark.parametrize(("attempt", "trusted"), [(1, True), (2, False), (3, False)])
async def test_what_was_shown_is_trusted_by_the_first_attempt_alone(scm: FakeScm, attempt: int, trusted: bool) -> None:
    shown = (await present(scm, WANTED, bounded_environment())).shown
    scm.calls.clear()
    # An attempt whose reply was lost may have changed anything since.
    again = await present(scm, replace(WANTED, shown=shown), bounded_environment(attempt=attempt))
    assert ("list_comments" in scm.calls) is not trusted
    assert again.writes == 0
    scm.stored_comments.clear()
    again = await present(scm, replace(WANTED, shown=shown), bounded_environment(attempt=attempt))
    # The comment and the mention, of which the first attempt believes that it stands.
    assert again.writes == (1 if trusted else 2)


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


@pytest.mark.parametrize("state", ["pilotage/testing", "pilotage/synced"])
async def test_a_label_that_a_person_removed_comes_back(
    scm: FakeScm, environment: ActivityEnvironment, state: str
) -> None:
    first = await present(scm, WANTED, environment)
    scm.label_names = ["bug"]
    await present(scm, replace(WANTED, shown=first.shown, state_label=state), environment)
    assert scm.label_names == ["bug", state, "promoted/staging"]


@pytest.mark.parametrize("state", ["pilotage/testing", "pilotage/synced"])
async def test_a_second_state_label_goes_whatever_account_put_it_there(
    scm: FakeScm, environment: ActivityEnvironment, state: str
) -> None:
    first = await present(scm, WANTED, environment)
    scm.label_names.append("pilotage/completed")
    await present(scm, replace(WANTED, shown=first.shown, state_label=state), environment)
    assert set(scm.label_names) == {"bug", state, "promoted/staging"}


async def test_names_of_labels_are_compared_as_the_host_compares_them(environment: ActivityEnvironment) -> None:
    names = ["Pilotage/Testing", "PILOTAGE/Synced", "Promoted/Staging"]
    scm = FakeScm(capabilities=Capabilities(label_case=False), label_names=list(names))
    await present(scm, WANTED, environment)
    assert scm.label_names == ["Pilotage/Testing", "Promoted/Staging"]
    assert "add_labels" not in scm.calls
    scm = FakeScm(label_names=list(names))
    await present(scm, WANTED, environment)
    assert scm.label_names == [*names, "pilotage/testing", "promoted/staging"]


NO_RIGHT = "403 Resource not accessible by integration"
PARTS = {
    "labels": ("list_labels", "add_labels"),
    "commit statuses": ("newest", "set"),
    "comment": ("list_comments", "create_comment"),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("step", [0, 1])
async def test_a_part_that_is_refused_hides_no_other(scm: FakeScm, part: str, step: int) -> None:
    wanted = replace(WANTED, mentions=())
    scm.errors[PARTS[part][step]] = [ProviderUnauthorized(NO_RIGHT, status=403)]
    answer = await present(scm, wanted, bounded_environment())
    assert [(one.part, one.failure.kind) for one in answer.refused] == [(part, FailureKind.UNAUTHORIZED)]
    shown = {
        "labels": "pilotage/testing" in scm.label_names,
        "commit statuses": bool(scm.stored_statuses),
        "comment": bool(scm.stored_comments),
    }
    assert shown == {name: name != part for name in PARTS}
    # What was refused is all that the next presentation has to show, and it trusts nothing of that.
    again = await present(scm, replace(wanted, shown=answer.shown), bounded_environment())
    assert (again.writes, again.refused) == (2 if part == "labels" else 1, ())


async def test_a_mention_that_is_refused_is_posted_later_and_only_once(scm: FakeScm) -> None:
    await present(scm, replace(WANTED, mentions=()), bounded_environment())
    scm.errors["create_comment"] = [ProviderUnauthorized(NO_RIGHT, status=403)]
    refused = await present(scm, WANTED, bounded_environment())
    assert [one.part for one in refused.refused] == ["mention"]
    shown = refused.shown
    for _ in range(2):
        shown = (await present(scm, replace(WANTED, shown=shown), bounded_environment())).shown
    assert sum("@mona" in comment.body for comment in scm.stored_comments) == 1


@pytest.mark.parametrize(
    "error",
    [
        ProviderRateLimited("429 secondary limit", status=429),
        ProviderBusy("too many calls in flight"),
        ProviderUnauthorized("401 Bad credentials", status=401),
    ],
)
async def test_what_concerns_the_whole_host_is_asked_once(scm: FakeScm, error: ProviderError) -> None:
    scm.errors["list_labels"] = [error]
    with pytest.raises(ApplicationError) as refused:
        await present(scm, WANTED, bounded_environment())
    assert refused.value.type == type(error).__name__
    assert scm.calls == ["list_labels"]


async def test_a_part_that_failed_of_what_passes_is_tried_again_after_the_others(scm: FakeScm) -> None:
    scm.errors["list_labels"] = [ProviderUnavailable("502", status=502)]
    with pytest.raises(ApplicationError) as failed:
        await present(scm, WANTED, bounded_environment())
    assert (failed.value.type, failed.value.non_retryable) == ("ProviderUnavailable", False)
    assert scm.stored_comments
    again = await present(scm, WANTED, bounded_environment(attempt=2))
    assert "pilotage/testing" in scm.label_names
    assert (again.refused, sum("@mona" in comment.body for comment in scm.stored_comments)) == ((), 1)


async def test_what_the_host_rejects_fails_the_attempt_only_where_attempts_are_unlimited(scm: FakeScm) -> None:
    rejected = ProviderRejected("422 Validation Failed", status=422)
    scm.errors["create_comment"] = [rejected]
    with pytest.raises(ApplicationError) as refused:
        await present(scm, WANTED, bounded_environment(attempts=0))
    assert (refused.value.type, refused.value.non_retryable) == ("ProviderRejected", False)
    scm.errors["create_comment"] = [rejected]
    answer = await present(scm, WANTED, bounded_environment(attempts=4))
    assert [(one.part, one.failure.kind) for one in answer.refused] == [("comment", FailureKind.REJECTED)]


def without_html(limit: int = 65_536) -> FakeScm:
    return FakeScm(capabilities=Capabilities(labels=False, html=False, comment_limit=limit))


async def test_where_comments_hold_no_html_nothing_of_it_is_written_and_both_comments_are_found_again(
    environment: ActivityEnvironment,
) -> None:
    scm = without_html()
    folded = f"{WANTED.comment}\n\n<details open><summary>Tests dev → staging</summary>\n\n| a |\n\n</details>\n\nend"
    first = await present(scm, replace(WANTED, comment=folded), environment)
    assert first.writes == 3
    summary, mention = (comment.body for comment in scm.stored_comments)
    assert not any("<" in body for body in (summary, mention))
    assert "\n**Tests dev → staging**\n" in summary
    # A definition of a link needs an empty line before it; nothing refers to it, so that it shows nothing.
    assert all(re.search(r"\n\n\[pilotage:shop/web-412\S* [0-9a-f]{32}\]: #\Z", body) for body in (summary, mention))
    assert (await present(scm, replace(WANTED, comment=folded), environment)).writes == 0
    await present(scm, replace(WANTED, comment="### Pilotage: Completed"), environment)
    assert [comment.body.split("\n")[0] for comment in scm.stored_comments] == [
        "### Pilotage: Completed",
        "@mona tests failed",
    ]


@pytest.mark.parametrize("html", [True, False])
@pytest.mark.parametrize("mark", ["x", "🚀"])
async def test_a_summary_longer_than_the_host_takes_is_cut_at_a_line_and_keeps_its_marker(
    environment: ActivityEnvironment, html: bool, mark: str
) -> None:
    scm = FakeScm(capabilities=Capabilities(labels=False, html=html, comment_limit=2000))
    long = replace(WANTED, comment="\n".join(f"| {mark} {number} |" for number in range(1000)), mentions=())
    await present(scm, long, environment)
    body = scm.stored_comments[0].body
    # Java and JavaScript count so.
    assert len(body.encode("utf-16-le")) <= 2 * 2000
    assert re.search(rf"\n\| {mark} \d+ \|\n\n…\n\n(<!-- |\[)pilotage:", body)
    assert (await present(scm, long, environment)).writes == 0


DEPLOYED = DesiredDeployment(environment="staging", sha=NEW, state=DeliveryState.SUCCEEDED, environment_url="https://s")


@dataclass
class Records:
    """A host that keeps deployments, or refuses to."""

    refusal: ProviderError | None = None
    kept: list[DeploymentRecord] = field(default_factory=list)
    tries: int = 0

    async def record(self, wanted: DeploymentRecord) -> None:
        self.tries += 1
        if self.refusal is not None:
            raise self.refusal
        self.kept.append(wanted)


async def test_a_deployment_is_shown_once(scm: FakeScm) -> None:
    scm.deployment_records = records = Records()
    wanted = replace(WANTED, deployments=(DEPLOYED,))
    first = await present(scm, wanted, bounded_environment())
    await present(scm, replace(wanted, shown=first.shown), bounded_environment())
    assert [(one.environment, one.state, one.environment_url) for one in records.kept] == [
        ("staging", DeploymentState.SUCCEEDED, "https://s")
    ]
    later = replace(DEPLOYED, environment="prod", state=DeliveryState.IN_PROGRESS)
    await present(scm, replace(wanted, deployments=(DEPLOYED, later), shown=first.shown), bounded_environment())
    assert [one.environment for one in records.kept] == ["staging", "prod"]


async def test_a_deployment_that_was_given_up_is_ended(scm: FakeScm) -> None:
    scm.deployment_records = records = Records()
    given_up = replace(DEPLOYED, state=DeliveryState.QUEUED, ended=True)
    await present(scm, replace(WANTED, deployments=(given_up,)), bounded_environment())
    assert [one.state for one in records.kept] == [DeploymentState.ENDED]


async def test_a_credential_without_the_right_to_deployments_fails_nothing_and_is_not_tried_again(scm: FakeScm) -> None:
    scm.deployment_records = records = Records(refusal=ProviderUnauthorized(NO_RIGHT, status=403))
    wanted = replace(WANTED, deployments=(DEPLOYED,))
    first = await present(scm, wanted, bounded_environment())
    assert first.refused == ()
    assert first.shown is not None
    assert NO_RIGHT in first.shown.deployments_refused
    again = await present(scm, replace(wanted, shown=first.shown), bounded_environment())
    assert (records.tries, again.shown and again.shown.deployments_refused) == (1, first.shown.deployments_refused)
    scm.deployment_records = Records(refusal=ProviderUnavailable("502", status=502))
    with pytest.raises(ApplicationError):
        await present(scm, wanted, bounded_environment())


@pytest.mark.parametrize("part", ["labels", "statuses", "deployments", "comment"])
async def test_what_the_repository_turns_off_is_not_written(scm: FakeScm, part: str) -> None:
    scm.deployment_records = records = Records()
    before = list(scm.label_names)
    show = Show.model_validate({part: False})
    await present_parts(scm, replace(WANTED, deployments=(DEPLOYED,)), None, show)
    written = {
        "labels": scm.label_names != before,
        "statuses": bool(scm.stored_statuses),
        "deployments": bool(records.kept),
        "comment": bool(scm.stored_comments),
    }
    assert written == {name: name != part for name in written}


async def test_a_repository_calls_our_labels_as_it_declares(scm: FakeScm, environment: ActivityEnvironment) -> None:
    scm.label_names = ["bug", "ship/synced", "pilotage/synced"]
    opened = ScmHostActivities(FakeOpener(scm=scm, label_prefix="ship/"))
    await environment.run(opened.present_on_pull_request, WANTED)
    assert scm.label_names == ["bug", "pilotage/synced", "ship/testing", "promoted/staging"]
