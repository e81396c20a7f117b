from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crds.fields import LabelSelector, truncate
from crds.reasons.vocabulary import State
from crds.resource import ObjectMeta
from crds.texts.plain import plain
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_command import PromotionCommand, PromotionCommandSpec, TrackerReference
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_host import ScmHost
from crds.v1alpha1.test_runner import RunnerType
from crds.v1alpha1.tests_status import TestAggregateResult, TestState
from crds.v1alpha1.tracker_status import PromotionRecord, PullRequestTrackerStatus, WaitingFor
from tests.crds.resources import a_test, deployment, document, environment, policy, policy_document, repository, runner

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_policy_is_read_with_durations_and_defaults() -> None:
    read = policy("dev", "staging", tests=[a_test("a", timeout="45m")])
    assert read.spec.timeout == timedelta(hours=2)
    assert read.spec.tests[0].timeout == timedelta(minutes=45)
    assert (read.spec.auto_promote, read.spec.tests[0].required, read.spec.tests[0].retries) == (False, True, 0)
    assert read.spec.effective_label == "promoted/staging"


def test_a_resource_reads_back_from_what_it_writes() -> None:
    read = policy("dev", "staging", "web", tests=[a_test("a", parameters={"R": "${revision}"})], label="shipped")
    assert PromotionPolicy.from_wire(read.to_wire()) == read


def test_unknown_fields_of_a_newer_version_are_passed_over() -> None:
    wire = policy_document("dev", "staging")
    wire["spec"]["fromTheFuture"] = 1
    assert PromotionPolicy.from_wire(wire) == policy("dev", "staging")


def test_a_wrong_value_names_its_field_path() -> None:
    with pytest.raises(ValidationError) as raised:
        policy("dev", "staging", tests=[a_test("a", timeout="soon")])
    assert raised.value.errors()[0]["loc"] == ("spec", "tests", 0, "timeout")


def test_a_written_resource_claims_no_metadata_that_it_does_not_have() -> None:
    command = PromotionCommand(
        metadata=ObjectMeta(name="c", namespace="shop"),
        spec=PromotionCommandSpec(
            tracker_ref=TrackerReference(name="web-412"), verb="promote", environment="prod", requested_by="alice"
        ),
    )
    assert command.to_wire()["metadata"] == {"name": "c", "namespace": "shop"}
    assert command.to_wire()["spec"]["requestedBy"] == "alice"


def test_long_status_texts_and_lists_are_cut_instead_of_losing_the_status() -> None:
    records = tuple(
        PromotionRecord(promoted=True, result="Promoted", source="a", target="b", at=NOON + timedelta(hours=hour))
        for hour in range(25)
    )
    status = PullRequestTrackerStatus(
        state=State.TESTING,
        message="x" * 5000,
        waiting_for=WaitingFor(what="Verdict", observed="y" * 5000),
        promotions=records,
    )
    assert (len(status.message or ""), len(status.promotions)) == (1024, 20)
    assert status.promotions[-1].at == NOON + timedelta(hours=24)
    assert status.waiting_for is not None
    assert len(status.waiting_for.observed or "") == 1024


def test_the_verdict_keeps_its_known_names_on_the_wire() -> None:
    verdict = TestAggregateResult(
        all_passed=True,
        any_failed=False,
        any_running=False,
        any_timeout=False,
        results={"lighthouse": TestState.FAILED},
        optional_tests_failed=True,
    )
    assert verdict.to_wire()["optional_tests_failed"] is True
    assert TestAggregateResult.from_wire(verdict.to_wire()) == verdict


def test_only_three_states_are_terminal() -> None:
    assert [state.value for state in State if state.terminal] == ["Completed", "Closed", "Aborted"]


PIPELINES: tuple[dict[str, str], ...] = ({}, {"parametersAs": "Inputs"})


def test_the_block_that_is_set_shows_host_and_runner() -> None:
    read = repository()
    assert (read.spec.host, read.spec.hosted.full_name) == (ScmHost.GITHUB, "acme/web")
    assert runner("r", gitlabCI={"repositoryRef": {"name": "web"}}).spec.type is RunnerType.GITLAB_CI
    with pytest.raises(ValueError, match="exactly one of"):
        _ = runner("r").spec.type


def test_pipelines_get_variables_unless_the_runner_declares_inputs() -> None:
    blocks = [runner("r", gitlabCI={"repositoryRef": {"name": "web"}, **more}).spec.gitlab_ci for more in PIPELINES]
    assert [block.parameters_as.value for block in blocks if block] == ["Variables", "Inputs"]


@pytest.mark.parametrize("host", list(ScmHost))
def test_every_host_has_a_block_in_repositories(host: ScmHost) -> None:
    parts = {"owner": "acme", "namespace": "acme", "project": "acme", "name": "web"}
    spec = {"scmProviderRef": {"name": "p"}, host.value: parts}
    read = GitRepository.from_wire(document("GitRepository", "web", spec))
    assert (read.spec.host, read.spec.hosted.full_name) == (host, "acme/web")


def test_a_deployment_is_written_its_own_way_or_the_environments() -> None:
    own = deployment("own", write={"argocd": {"set": "KustomizeImage", "image": "web"}})
    place = environment("dev", deployment("other"), own)
    writes = [place.write_of(each) for each in place.spec.deployments]
    assert [write.argocd.set.value for write in writes if write and write.argocd] == [
        "TargetRevision",
        "KustomizeImage",
    ]
    observed = environment("dev", deployment(), write=False)
    assert observed.write_of(observed.spec.deployments[0]) is None


def test_a_tracker_starts_at_attempt_one() -> None:
    spec = {"repositoryRef": {"name": "web"}, "number": 412, "environment": "dev"}
    read = PullRequestTracker.from_wire(document("PullRequestTracker", "web-412", spec))
    assert (read.spec.attempt, read.status.state, read.status.sequence) == (1, None, None)


def select(**fields: object) -> LabelSelector:
    return LabelSelector.from_wire(fields)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (select(), False),
        (select(matchLabels={"team": "shop"}), True),
        (select(matchLabels={"team": "bank"}), False),
        (select(matchExpressions=[{"key": "team", "operator": "In", "values": ["shop", "bank"]}]), True),
        (select(matchExpressions=[{"key": "team", "operator": "NotIn", "values": ["shop"]}]), False),
        (select(matchExpressions=[{"key": "tier", "operator": "NotIn", "values": ["x"]}]), True),
        (select(matchExpressions=[{"key": "team", "operator": "Exists"}]), True),
        (select(matchExpressions=[{"key": "team", "operator": "DoesNotExist"}]), False),
        (select(matchLabels={"team": "shop"}, matchExpressions=[{"key": "tier", "operator": "Exists"}]), False),
    ],
)
def test_a_selector_selects_by_all_its_requirements_and_an_empty_one_nothing(
    selector: LabelSelector, selected: bool
) -> None:
    assert selector.matches({"team": "shop"}) is selected


def test_a_selector_is_written_as_a_query() -> None:
    selector = select(
        matchLabels={"b": "2", "a": "1"},
        matchExpressions=[
            {"key": "c", "operator": "In", "values": ["x", "y"]},
            {"key": "d", "operator": "NotIn", "values": ["z"]},
            {"key": "e", "operator": "Exists"},
            {"key": "f", "operator": "DoesNotExist"},
        ],
    )
    assert selector.to_query() == "a=1,b=2,c in (x,y),d notin (z),e,!f"


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_fits_and_starts_as_it_did(text: str, limit: int) -> None:
    cut, fit = truncate(text, limit), plain(text)
    assert len(cut) <= limit
    assert fit.startswith(cut.removesuffix("…")) or cut == fit
