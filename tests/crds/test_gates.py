"""Gates belong to the owner of the environment: a policy without one is not valid."""

from typing import Any

import pytest

from crds.reasons.conditions import ConditionReason
from crds.rules.promotion_policies import validate_policy
from crds.rules.selection import SelectionOutcome, select_policy
from crds.v1alpha1.environment import Environment
from tests.crds.resources import a_test, environment, environments, policy

GATE = {"name": "integration", "runnerRef": {"name": "jenkins"}, "job": "web/integration"}


def prod(**gates: Any) -> dict[str, Environment]:
    return environments(environment("staging"), environment("prod", final=True, gates=gates))


def paths(gates: dict[str, Any], *repositories: str, **spec: Any) -> list[str]:
    errors = validate_policy(policy("staging", "prod", *repositories, **spec), environments=prod(**gates))
    found = [error for error in errors if error.reason is ConditionReason.GATE_MISSING]
    assert all("spec.gates" in error.message and "Environment `prod`" in error.message for error in found)
    return [error.path for error in found]


def test_a_policy_with_all_gates_is_valid() -> None:
    assert paths({"tests": [GATE], "people": True}, "web", tests=[a_test("e2e"), a_test("integration")]) == []


@pytest.mark.parametrize(
    ("tests", "path"),
    [
        ([], "spec.tests"),
        ([a_test("e2e")], "spec.tests"),
        ([a_test("e2e"), a_test("integration", required=False)], "spec.tests[1].required"),
        ([a_test("integration", components=["api"])], "spec.tests[0].components"),
        ([a_test("integration", runnerRef={"name": "mine"})], "spec.tests[0].runnerRef.name"),
        ([a_test("integration", job="web/true")], "spec.tests[0].job"),
    ],
)
def test_a_missing_or_weakened_gate_is_named_with_its_field(tests: list[dict[str, Any]], path: str) -> None:
    assert paths({"tests": [GATE]}, "web", tests=tests) == [path]


def test_a_gate_without_runner_and_job_leaves_both_to_the_policy() -> None:
    assert paths({"tests": [{"name": "integration"}]}, tests=[a_test("integration", job="other")]) == []


@pytest.mark.parametrize(("repositories", "found"), [(("web",), ["spec.tests"]), (("api",), []), ((), ["spec.tests"])])
def test_a_gate_of_some_repositories_concerns_their_policies(repositories: tuple[str, ...], found: list[str]) -> None:
    assert paths({"tests": [{**GATE, "repositoryRefs": [{"name": "web"}]}]}, *repositories) == found


def test_where_people_must_approve_no_policy_goes_on_by_itself() -> None:
    assert paths({"people": True}, "web", autoPromote=True) == ["spec.autoPromote"]
    assert paths({"people": False}, "web", autoPromote=True) == []


def test_a_policy_without_the_gates_is_never_followed() -> None:
    chosen = select_policy(
        [policy("staging", "prod", "web", autoPromote=True)],
        environment="staging",
        repository="web",
        validate=lambda one: validate_policy(one, environments=prod(people=True)),
    )
    assert chosen.outcome is SelectionOutcome.INVALID
