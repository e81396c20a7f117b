from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.api.ports import Document
from crds.rules.field_errors import FieldError
from crds.rules.selection import (
    WAY_LIMIT,
    PolicyIndex,
    SelectionOutcome,
    environments_ahead,
    select_policy,
    unreadable_policy,
)
from crds.rules.ways import Chain, Ways
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.promotion_policy import PromotionPolicy
from tests.crds.resources import environment, environments, policy

GENERAL = policy("dev", "staging", name="general")
FOR_WEB = policy("dev", "qa", "web", name="for-web")


def test_the_policy_that_names_the_repository_wins() -> None:
    chosen = select_policy([GENERAL, FOR_WEB], environment="dev", repository="web")
    assert (chosen.outcome, chosen.policy) == (SelectionOutcome.FOUND, FOR_WEB)


def test_a_policy_for_all_repositories_serves_those_not_named() -> None:
    assert select_policy([GENERAL, FOR_WEB], environment="dev", repository="api").policy == GENERAL


def test_two_policies_that_name_the_repository_are_ambiguous() -> None:
    other = policy("dev", "staging", "web", "api", name="also-web")
    chosen = select_policy([GENERAL, FOR_WEB, other], environment="dev", repository="web")
    assert (chosen.outcome, chosen.policy, chosen.names) == (
        SelectionOutcome.AMBIGUOUS,
        None,
        ("also-web", "for-web"),
    )


def test_two_policies_for_all_repositories_are_ambiguous() -> None:
    chosen = select_policy([GENERAL, policy("dev", "qa")], environment="dev", repository="web")
    assert chosen.outcome is SelectionOutcome.AMBIGUOUS


ERRORS = (FieldError(path="spec.timeout", message="no duration"),)


def refused(source: str, *repositories: str, name: str = "refused") -> Document:
    references = [{"name": repository} for repository in repositories]
    return {"metadata": {"name": name}, "spec": {"sourceEnvironment": source, "repositoryRefs": references}}


def test_a_policy_that_cannot_be_read_is_invalid_where_it_would_govern() -> None:
    broken = [unreadable_policy(refused("dev", "web"), ERRORS)]
    chosen = select_policy([GENERAL], environment="dev", repository="web", unreadable=broken)
    assert (chosen.outcome, chosen.policy, chosen.names, chosen.errors) == (
        SelectionOutcome.INVALID,
        None,
        ("refused",),
        ERRORS,
    )
    assert select_policy([GENERAL], environment="dev", repository="api", unreadable=broken).policy == GENERAL
    elsewhere = select_policy([GENERAL], environment="qa", repository="web", unreadable=broken)
    assert elsewhere.outcome is SelectionOutcome.NOT_FOUND


def test_a_general_policy_that_cannot_be_read_gives_way_to_one_that_names_the_repository() -> None:
    broken = [unreadable_policy(refused("dev"), ERRORS)]
    assert select_policy([FOR_WEB], environment="dev", repository="web", unreadable=broken).policy == FOR_WEB
    rivals = select_policy([GENERAL], environment="dev", repository="api", unreadable=broken)
    assert (rivals.outcome, rivals.names) == (SelectionOutcome.AMBIGUOUS, ("general", "refused"))


def test_a_policy_whose_fields_are_no_fields_concerns_no_one() -> None:
    broken = [
        unreadable_policy({"metadata": {"name": "odd"}, "spec": "text"}, ERRORS),
        unreadable_policy(
            {"metadata": {"name": "odder"}, "spec": {"sourceEnvironment": "dev", "repositoryRefs": ["web"]}}, ERRORS
        ),
    ]
    chosen = select_policy([], environment="dev", repository="web", unreadable=broken)
    assert chosen.outcome is SelectionOutcome.NOT_FOUND


def test_no_policy_from_the_environment_is_not_found() -> None:
    assert select_policy([GENERAL], environment="staging", repository="web").outcome is SelectionOutcome.NOT_FOUND


def test_a_policy_for_other_repositories_does_not_match() -> None:
    assert select_policy([FOR_WEB], environment="dev", repository="api").outcome is SelectionOutcome.NOT_FOUND


def test_an_invalid_policy_is_named_with_its_errors_and_nothing_else_is_taken_instead() -> None:
    error = FieldError(path="spec.tests[0].job", message="wrong")
    chosen = select_policy([GENERAL, FOR_WEB], environment="dev", repository="web", validate=lambda _: [error])
    assert (chosen.outcome, chosen.names, chosen.errors) == (SelectionOutcome.INVALID, ("for-web",), (error,))


def test_the_environments_ahead_follow_the_repositorys_own_way() -> None:
    policies = [GENERAL, FOR_WEB, policy("qa", "prod"), policy("staging", "prod")]
    assert environments_ahead(policies, environment="dev", repository="web") == ("qa", "prod")
    assert environments_ahead(policies, environment="dev", repository="api") == ("staging", "prod")
    assert environments_ahead(policies, environment="prod", repository="api") == ()


def test_nothing_is_ahead_of_a_final_environment_and_a_loop_ends() -> None:
    loop = [policy("dev", "prod"), policy("prod", "dev")]
    assert environments_ahead(loop, environment="dev", repository="web") == ("prod",)
    final = environments(environment("prod", final=True))
    assert environments_ahead(loop, environment="prod", repository="web", environments=final) == ()


class Counting(PolicyIndex):
    """Remember for which environments it was asked."""

    asked: list[str]

    def candidates(self, *, environment: str, repository: str) -> tuple[PromotionPolicy, ...]:
        self.asked.append(environment)
        return super().candidates(environment=environment, repository=repository)


def follow(policies: list[PromotionPolicy], *places: Environment) -> tuple[list[str], tuple[Chain, ...]]:
    """Follow the first of these policies; return for which environments policies were sought, and the chains."""
    index = Counting(policies)
    index.asked = []
    chains = Ways(index, environments(*places)).of(policies[0], "web")
    return index.asked, chains


def test_ties_one_after_another_do_not_multiply_the_ways_that_are_followed() -> None:
    ladder = [policy(f"e{rung}", f"e{rung + step}") for rung in range(16) for step in (1, 2)]
    asked, chains = follow(ladder)
    assert sorted(asked) == sorted(f"e{number}" for number in range(1, 18))
    assert [chain.environments[-1] for chain in chains] == ["e16", "e17"]


@pytest.mark.parametrize("passed", [WAY_LIMIT, WAY_LIMIT + 1, 2000])
def test_a_way_is_followed_as_far_as_a_promotion_carries_it(passed: int) -> None:
    policies = [policy(f"e{number}", f"e{number + 1}") for number in range(passed)]
    _, [chain] = follow(policies)
    assert chain.too_long == (passed > WAY_LIMIT)
    assert chain.environments == tuple(f"e{number}" for number in range(min(passed, WAY_LIMIT + 1) + 1))
    ahead = environments_ahead(policies, environment="e0", repository="web")
    assert ahead == chain.environments[1 : WAY_LIMIT + 1]


def test_a_policy_is_not_followed_for_a_repository_that_another_one_moves() -> None:
    general, own = policy("dev", "staging"), policy("dev", "qa", "web")
    back, on = policy("staging", "dev", "web"), policy("staging", "prod")
    ways = Ways(PolicyIndex([general, own, back, on]), {})
    assert [chain.loops for chain in ways.of_each(general)] == [False]
    other = policy("staging", "dev", "api")
    ways = Ways(PolicyIndex([general, own, other, on]), {})
    assert [chain.loops for chain in ways.of_each(general)] == [False, True]


names = st.sampled_from(["a", "b", "c"])
places = st.sampled_from("abcdefg")


def ways(policies: list[PromotionPolicy], finals: set[str], way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Walk each way by itself, however many there are."""
    ahead = {each.spec.target_environment for each in policies if each.spec.source_environment == way[-1]}
    if way[-1] in way[:-1] or way[-1] in finals or not ahead:
        yield way
        return
    for target in ahead:
        yield from ways(policies, finals, (*way, target))


@given(st.lists(st.tuples(places, places), min_size=1, max_size=12, unique=True), st.sets(places, max_size=2))
def test_every_end_of_the_way_is_found_once_and_a_loop_where_there_is_one(
    hops: list[tuple[str, str]], finals: set[str]
) -> None:
    policies = [policy(source, target) for source, target in hops]
    _, chains = follow(policies, *(environment(name, final=name in finals) for name in "abcdefg"))
    walked = set(ways(policies, finals, hops[0]))
    looping = {way for way in walked if way[-1] in way[:-1]}
    assert {chain.environments for chain in chains} <= walked
    assert {chain.environments for chain in chains if chain.loops} <= looping
    assert any(chain.loops for chain in chains) == bool(looping)
    ends = [(chain.environments[-1], chain.ends_final) for chain in chains if not chain.loops]
    assert sorted(ends) == sorted((end, end in finals) for end in {way[-1] for way in walked - looping})


@given(
    st.lists(st.tuples(names, st.lists(st.sampled_from(["web", "api"]), unique=True)), max_size=6),
    names,
)
def test_the_choice_does_not_depend_on_the_order_of_policies(drawn: list[tuple[str, list[str]]], source: str) -> None:
    policies = [policy(start, "z", *named, name=f"p{index}") for index, (start, named) in enumerate(drawn)]
    chosen = select_policy(policies, environment=source, repository="web")
    assert select_policy(reversed(policies), environment=source, repository="web") == chosen
    naming = [each for each, (start, named) in zip(policies, drawn, strict=True) if start == source and "web" in named]
    general = [each for each, (start, named) in zip(policies, drawn, strict=True) if start == source and not named]
    best = naming or general
    assert chosen.names == tuple(each.metadata.name for each in best)
