from datetime import UTC, datetime
from typing import Any

import pytest

from crds.conditions import ConditionStatus
from crds.reasons.conditions import ConditionReason
from crds.rules.environments import validate_environment
from crds.rules.field_errors import FieldError
from crds.rules.promotion_policies import valid_condition, validate_policy
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from tests.crds.resources import a_test, deployment, document, environment, environments, policy, repository, runner

JENKINS = {"jenkins": runner("jenkins", jenkins={"url": "https://ci.example"})}
PLACES = environments(environment("dev"), environment("staging"), environment("prod", final=True))


def errors_of(
    checked: PromotionPolicy, *, places: dict[str, Environment] | None = None, **known: Any
) -> list[FieldError]:
    return validate_policy(checked, runners=JENKINS, environments=PLACES if places is None else places, **known)


def paths(errors: list[FieldError]) -> list[str]:
    return [error.path for error in errors]


def test_a_policy_that_fits_has_no_errors() -> None:
    tests = [a_test("integration", parameters={"REVISION": "${revision}", "ENV": "${sourceEnvironment}"})]
    assert errors_of(policy("dev", "staging", "web", tests=tests)) == []


def test_an_unknown_variable_is_named_with_its_field_and_the_allowed_names() -> None:
    tests = [a_test("integration", parameters={"OK": "${revision}", "X": "${env.HOME}"})]
    [error] = errors_of(policy("dev", "staging", tests=tests))
    assert error.path == "spec.tests[0].parameters.X"
    assert "`${env.HOME}`" in error.message
    assert "pullRequest.number" in error.message


def test_tests_that_no_promotion_could_carry_are_an_error() -> None:
    tests = [a_test(f"t{each}", parameters={f"P{one}": "v" * 2000 for one in range(5)}) for each in range(10)]
    [error] = errors_of(policy("dev", "staging", tests=tests))
    assert error.path == "spec.tests"
    assert errors_of(policy("dev", "staging", tests=tests[:9])) == []


def test_all_errors_come_at_once() -> None:
    wrong = [
        a_test("a", job="/x", timeout="0s"),
        a_test("a", runnerRef={"name": "unknown"}, parameters={"X": "${nope}", "Y": "${revision"}),
    ]
    errors = errors_of(policy("dev", "nowhere", tests=wrong, timeout="0s"))
    assert paths(errors) == [
        "spec.targetEnvironment",
        "spec.timeout",
        "spec.tests[0].timeout",
        "spec.tests[0].job",
        "spec.tests[1].name",
        "spec.tests[1].runnerRef.name",
        "spec.tests[1].parameters.X",
        "spec.tests[1].parameters.Y",
    ]


def test_more_parameters_than_the_runner_takes_are_an_error_of_the_field() -> None:
    many = {f"P{number}": "x" for number in range(25)}
    runners = {"actions": runner("actions", githubActions={"repositoryRef": {"name": "web"}}), **JENKINS}
    tests = [
        a_test("at-jenkins", parameters=many),
        a_test("e2e", job="e2e.yml", runnerRef={"name": "actions"}, parameters=many),
    ]
    [error] = validate_policy(policy("dev", "staging", tests=tests), runners=runners, environments=PLACES)
    assert error.path == "spec.tests[1].parameters"
    assert error.message.startswith("githubActions: has 25 parameters")


def test_source_and_target_must_be_given_and_differ() -> None:
    same = policy("dev", "staging")
    twisted = same.model_copy(update={"spec": same.spec.model_copy(update={"target_environment": "dev"})})
    assert "same as sourceEnvironment" in errors_of(twisted)[0].message
    empty = same.model_copy(update={"spec": same.spec.model_copy(update={"source_environment": ""})})
    assert ("spec.sourceEnvironment", "must name an Environment") in [(e.path, e.message) for e in errors_of(empty)]


@pytest.mark.parametrize("named", [(), ("web",)])
def test_a_target_that_is_only_observed_cannot_be_promoted_to(named: tuple[str, ...]) -> None:
    places = PLACES | environments(environment("staging", write=False))
    [error] = errors_of(policy("dev", "staging", *named), places=places)
    assert (error.path, error.reason) == ("spec.targetEnvironment", ConditionReason.TARGET_NOT_WRITABLE)


def test_a_target_needs_a_writable_deployment_for_each_repository_named() -> None:
    places = PLACES | environments(environment("staging", deployment("web", "web")))
    [error] = errors_of(policy("dev", "staging", "web", "api"), places=places)
    assert "GitRepository `api`" in error.message


def test_a_deployments_own_write_is_enough() -> None:
    written = deployment(write={"argocd": {}})
    places = PLACES | environments(environment("staging", written, write=False))
    assert errors_of(policy("dev", "staging", "web"), places=places) == []


def test_a_variable_of_an_environment_must_be_defined_there() -> None:
    places = PLACES | environments(environment("dev", vars={"url": "https://dev"}))
    tests = [a_test("a", parameters={"A": "${source.vars.url}", "B": "${target.vars.url}"})]
    [error] = errors_of(policy("dev", "staging", tests=tests), places=places)
    assert (error.path, "Environment `staging`" in error.message) == ("spec.tests[0].parameters.B", True)


def test_a_test_for_an_unknown_component_is_an_error() -> None:
    known = {"web": repository({"name": "ui", "paths": ["ui/**"]})}
    tests = [a_test("a", components=["ui", "api"])]
    [error] = errors_of(policy("dev", "staging", "web", tests=tests), repositories=known)
    assert error.path == "spec.tests[0].components[1]"


def test_a_repository_that_does_not_exist_is_an_error() -> None:
    [error] = errors_of(policy("dev", "staging", "web"), repositories={})
    assert (error.path, error.reason) == ("spec.repositoryRefs[0].name", ConditionReason.REFERENCE_NOT_FOUND)


def test_a_repository_of_two_hosts_is_an_error_of_who_names_it() -> None:
    both = {"github": {"owner": "acme", "name": "web"}, "azureDevOps": {"project": "shop", "name": "web"}}
    known = {
        "web": GitRepository.from_wire(document("GitRepository", "web", {"scmProviderRef": {"name": "x"}, **both}))
    }
    [error] = errors_of(policy("dev", "staging", "web"), repositories=known)
    assert (error.path, "exactly one of" in error.message) == ("spec.repositoryRefs[0].name", True)
    [error] = validate_environment(environment("dev"), repositories=known)
    assert (error.path, "exactly one of" in error.message) == ("spec.deployments[0].repositoryRef.name", True)
    either = [{host: block} for host, block in both.items()]
    for block in either:
        spec = {"scmProviderRef": {"name": "x"}, **block}
        known = {"web": GitRepository.from_wire(document("GitRepository", "web", spec))}
        assert errors_of(policy("dev", "staging", "web"), repositories=known) == []


def test_a_way_that_visits_an_environment_twice_is_an_error_of_every_policy_on_it() -> None:
    loop = [policy("dev", "staging"), policy("staging", "qa"), policy("qa", "dev")]
    places = PLACES | environments(environment("qa"))
    for each in loop:
        [error] = errors_of(each, places=places, all_policies=loop)
        assert error.path == "spec.targetEnvironment"
    assert "dev → staging → qa → dev" in errors_of(loop[0], places=places, all_policies=loop)[0].message


def test_a_loop_of_one_repository_only_is_found() -> None:
    general = policy("dev", "staging")
    back = policy("staging", "dev", "api")
    on = policy("staging", "prod")
    [error] = errors_of(general, all_policies=[general, back, on])
    assert "dev → staging → dev" in error.message
    assert errors_of(policy("dev", "staging", "web"), all_policies=[back, on]) == []


def test_a_final_environment_ends_the_way_whatever_policy_starts_there() -> None:
    policies = [policy("staging", "prod"), policy("prod", "staging")]
    assert errors_of(policies[0], all_policies=policies) == []


def test_a_way_that_ends_early_is_an_error_only_where_the_set_is_complete() -> None:
    alone = policy("dev", "staging")
    assert errors_of(alone) == []
    [error] = errors_of(alone, require_final=True)
    assert (error.path, "`staging`" in error.message) == ("spec.targetEnvironment", True)
    assert errors_of(alone, all_policies=[policy("staging", "prod")], require_final=True) == []


def test_kinds_that_are_not_known_are_not_judged() -> None:
    assert validate_policy(policy("x", "y", "z", tests=[a_test("a")])) == []


def test_the_condition_names_every_error_and_takes_a_reason_they_share() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    fine = valid_condition([], now=now, generation=3)
    assert (fine.status, fine.reason, fine.observed_generation) == (ConditionStatus.TRUE, "Valid", 3)
    one = FieldError(path="spec.a", message="no", reason=ConditionReason.TARGET_NOT_WRITABLE)
    two = FieldError(path="spec.b", message="neither")
    assert valid_condition([one], now=now).reason == "TargetNotWritable"
    both = valid_condition([one, two], now=now)
    assert (both.status, both.reason) == (ConditionStatus.FALSE, "Invalid")
    assert both.message == "spec.a: no; spec.b: neither"
