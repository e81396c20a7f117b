"""Reading pull requests and comparing commits."""

import gc
from dataclasses import replace
from datetime import timedelta

import pytest
import re2
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.models.revisions import (
    CompareRevisionsInput,
    ListChangedFilesInput,
    ReadPullRequestInput,
    Relation,
    RevisionPair,
)
from activities.models.tracking import Component, PullRequestState
from activities.pull_requests import ScmHostActivities
from crds.reasons.problems import FailureKind
from providers.errors import ProviderError, ProviderRateLimited, ProviderUnavailable
from providers.models import Ancestry
from tests.activities.fakes import NEW, OLD, OTHER, WEB, FakeOpener, FakeScm


async def test_a_pull_request_is_mapped(environment: ActivityEnvironment) -> None:
    activities = ScmHostActivities(FakeOpener(scm=FakeScm()))
    request = ReadPullRequestInput(namespace="shop", repository="web", number=412)
    pull_request = (await environment.run(activities.read_pull_request, request)).pull_request
    assert (pull_request.state, pull_request.merge_sha) == (PullRequestState.MERGED, NEW)


async def test_a_pull_request_that_does_not_exist_is_not_found(environment: ActivityEnvironment) -> None:
    activities = ScmHostActivities(FakeOpener(scm=FakeScm()))
    with pytest.raises(ApplicationError, match="no pull request 7") as caught:
        await environment.run(
            activities.read_pull_request, ReadPullRequestInput(namespace="shop", repository="web", number=7)
        )
    assert caught.value.type == "ProviderNotFound"


async def test_components_are_touched_by_their_globs(environment: ActivityEnvironment) -> None:
    api, site = Component(name="api", paths=("services/api/**",)), Component(name="site", paths=("site/*.html",))
    view = WEB.__class__(
        name="web", owner="acme", repository="web", full_name="acme/web", components=(api, site, Component(name="all"))
    )
    activities = ScmHostActivities(FakeOpener(scm=FakeScm(files=("services/api/a/b.py", "README.md")), view=view))
    result = await environment.run(
        activities.list_changed_files, ListChangedFilesInput(namespace="shop", repository="web", number=412)
    )
    assert (result.components, result.files) == (("api", "all"), 2)


async def test_every_component_is_touched_where_the_host_leaves_files_out(environment: ActivityEnvironment) -> None:
    view = replace(
        WEB, components=(Component(name="api", paths=("api/**",)), Component(name="site", paths=("site/**",)))
    )
    activities = ScmHostActivities(FakeOpener(scm=FakeScm(files=("api/a.py",), lists_all_files=False), view=view))
    result = await environment.run(
        activities.list_changed_files, ListChangedFilesInput(namespace="shop", repository="web", number=412)
    )
    assert result.components == ("api", "site")


async def touched_by_one_file(environment: ActivityEnvironment) -> tuple[str, ...]:
    components = tuple(Component(name=f"c{number}", paths=(f"folder-{number}/**",)) for number in range(40))
    activities = ScmHostActivities(
        FakeOpener(scm=FakeScm(files=("folder-7/a",)), view=replace(WEB, components=components))
    )
    request = ListChangedFilesInput(namespace="shop", repository="web", number=412)
    return (await environment.run(activities.list_changed_files, request)).components


async def test_components_whose_globs_are_not_compared_in_time_are_touched(
    environment: ActivityEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most that a repository may declare would hold a thread for an hour."""
    assert await touched_by_one_file(environment) == ("c7",)
    monkeypatch.setattr("activities.pull_requests.MATCHING", timedelta(0))
    assert len(await touched_by_one_file(environment)) == 40


async def test_globs_are_let_go_with_the_files_that_they_were_compared_with(environment: ActivityEnvironment) -> None:
    """What RE2 remembers of globs that are made for it grows to 20 MB for each component."""

    glob = type(re2.compile("a"))

    def kept() -> int:
        gc.collect()
        return sum(isinstance(one, glob) for one in gc.get_objects())

    before = kept()
    await touched_by_one_file(environment)
    assert kept() <= before + 1


async def test_an_answer_for_full_hashes_is_asked_for_once(environment: ActivityEnvironment) -> None:
    scm = FakeScm(relations={(OLD, NEW): Ancestry.AHEAD})
    activities = ScmHostActivities(FakeOpener(scm=scm))
    pairs = (
        RevisionPair(base=OLD, head=NEW),
        RevisionPair(base=OLD, head=OLD),
        RevisionPair(base=OLD, head=OTHER),
    )
    request = CompareRevisionsInput(namespace="shop", repository="web", pairs=pairs)
    for _ in range(2):
        relations = (await environment.run(activities.compare_revisions, request)).relations
        assert relations == (Relation.AHEAD, Relation.IDENTICAL, Relation.UNKNOWN)
    # Unknown commits may be pushed later, so that only those are asked for again.
    assert scm.calls == ["compare", "compare", "compare"]


@pytest.mark.parametrize("some", [False, True])
async def test_one_pair_that_a_host_cannot_compare_hides_the_others_only_from_who_needs_all(
    environment: ActivityEnvironment, some: bool
) -> None:
    scm = FakeScm(relations={(OLD, OTHER): Ancestry.AHEAD})
    scm.errors["compare"] = [ProviderUnavailable("HTTP 500", status=500)]
    activities = ScmHostActivities(FakeOpener(scm=scm))
    pairs = (RevisionPair(base=OLD, head=NEW), RevisionPair(base=OLD, head=OTHER))
    request = CompareRevisionsInput(namespace="shop", repository="web", pairs=pairs, some=some)
    if not some:
        with pytest.raises(ApplicationError, match="HTTP 500"):
            await environment.run(activities.compare_revisions, request)
        return
    answer = await environment.run(activities.compare_revisions, request)
    assert (answer.relations[1], answer.unanswered) == (Relation.AHEAD, (0,))
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.UNAVAILABLE


@pytest.mark.parametrize(
    "errors",
    [[ProviderUnavailable("away", status=503)] * 2, [ProviderRateLimited("quiet", status=429)]],
    ids=["away", "wants quiet"],
)
async def test_a_host_that_answers_for_none_or_wants_quiet_is_a_failure(
    environment: ActivityEnvironment, errors: list[ProviderError]
) -> None:
    scm = FakeScm()
    scm.errors["compare"] = errors
    activities = ScmHostActivities(FakeOpener(scm=scm))
    pairs = (RevisionPair(base=OLD, head=NEW), RevisionPair(base=OLD, head=OTHER))
    request = CompareRevisionsInput(namespace="shop", repository="web", pairs=pairs, some=True)
    with pytest.raises(ApplicationError):
        await environment.run(activities.compare_revisions, request)


async def test_what_one_host_or_credential_answered_is_believed_of_no_other_one(
    environment: ActivityEnvironment,
) -> None:
    opener = FakeOpener(scm=FakeScm(relations={(OLD, NEW): Ancestry.AHEAD}))
    activities = ScmHostActivities(opener)
    request = CompareRevisionsInput(namespace="shop", repository="web", pairs=(RevisionPair(base=OLD, head=NEW),))
    assert (await environment.run(activities.compare_revisions, request)).relations == (Relation.AHEAD,)
    # Of the same full name: at another host, or through another proxy.
    opener.scm = FakeScm(relations={(OLD, NEW): Ancestry.DIVERGED})
    assert (await environment.run(activities.compare_revisions, request)).relations == (Relation.DIVERGED,)
