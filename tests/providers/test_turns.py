"""Fair shares, whatever the numbers: no one's many keep out another's one."""

from collections import Counter
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.shares import Horizons, Shares, namespace_of
from providers.turns import Turns

NAMESPACES = st.lists(st.integers(1, 40), min_size=1, max_size=8)
"""How many callers each namespace has."""


def anybody(_namespace: str) -> bool:
    return True


@given(callers=NAMESPACES, grants=st.integers(1, 200))
def test_each_of_k_namespaces_that_has_work_gets_one_of_k_grants_however_many_callers_it_has(
    callers: list[int], grants: int
) -> None:
    turns: Turns[int] = Turns()
    numbers = count()
    for namespace, size in enumerate(callers):
        for caller in range(size):
            for _ in range(-(-grants // size) + 1):
                turns.add(f"n{namespace}/{caller}", next(numbers))
    got: Counter[str] = Counter()
    for _ in range(grants):
        found = turns.next(anybody)
        assert found is not None
        got[found[0]] += 1
    by_namespace: Counter[str] = Counter()
    for tenant, grants_of_tenant in got.items():
        by_namespace[namespace_of(tenant)] += grants_of_tenant
    assert all(by_namespace[f"n{number}"] >= grants // len(callers) for number in range(len(callers)))
    # Within a namespace the callers take turns as well.
    for number, size in enumerate(callers):
        shares = [got[f"n{number}/{caller}"] for caller in range(size)]
        assert max(shares) - min(shares) <= 1


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from(["add", "take", "leave"])), max_size=150)
)
def test_each_that_waits_is_served_or_taken_out_exactly_once(story: list[tuple[int, int, str]]) -> None:
    turns: Turns[int] = Turns()
    waiting: list[tuple[str, int]] = []
    for number, (namespace, caller, act) in enumerate(story):
        tenant = f"n{namespace}/{caller}"
        if act == "add":
            turns.add(tenant, number)
            waiting.append((tenant, number))
        elif act == "take":
            found = turns.next(lambda name, mine=namespace: name != f"n{mine}")  # type: ignore[misc]
            assert found is None or found in waiting
            assert (found is None) == all(namespace_of(one) == f"n{namespace}" for one, _ in waiting)
            waiting = [one for one in waiting if one != found]
        elif waiting:
            turns.remove(*waiting.pop(caller % len(waiting)))
        assert len(turns) == len(waiting)
    while found := turns.next(anybody):
        waiting.remove(found)
    assert waiting == []


@given(callers=NAMESPACES, newcomer=st.integers(0, 9))
def test_who_gives_way_had_more_than_the_newcomer_will_have(callers: list[int], newcomer: int) -> None:
    turns: Turns[int] = Turns()
    for namespace, size in enumerate(callers):
        for number in range(size):
            turns.add(f"n{namespace}/{number % 3}", number)
    own = f"n{newcomer}"
    found = turns.crowded_out_by(f"{own}/0")
    if max(callers) > turns.waiting_of(own) + 1:
        assert found is not None
    if found is not None and namespace_of(found[0]) != own:
        assert turns.waiting_of(namespace_of(found[0])) > turns.waiting_of(own) + 1


@settings(max_examples=200)
@given(limit=st.integers(1, 300), asks=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=600))
def test_no_namespace_holds_every_place_and_a_newcomer_finds_one_while_any_is_free(
    limit: int, asks: list[tuple[int, bool]]
) -> None:
    shares = Shares(limit)
    held: Counter[str] = Counter()
    for number, gives_back in asks:
        name = f"n{number}"
        if gives_back:
            if held[name]:
                shares.give_back(name)
                held[name] -= 1
        elif shares.take(name):
            held[name] += 1
        assert shares.taken == held.total() <= limit
        assert all(shares.held_by(one) == many for one, many in held.items())
        assert all(many < limit or limit == 1 for many in held.values())
        assert shares.may("newcomer") == (shares.taken < limit)


@given(limit=st.integers(4, 400), hungry=st.integers(1, 12))
def test_hungry_namespaces_share_evenly_and_leave_places_free(limit: int, hungry: int) -> None:
    shares = Shares(limit)
    names = [f"n{number}" for number in range(hungry)]
    while sum(map(shares.take, names)):
        pass
    held = [shares.held_by(name) for name in names]
    assert max(held) - min(held) <= 1
    assert limit - shares.taken >= limit // (3 * hungry + 1)


@given(limit=st.integers(1, 50), theirs=st.integers(0, 60))
def test_what_belongs_to_no_namespace_may_have_every_place_that_is_free(limit: int, theirs: int) -> None:
    shares = Shares(limit)
    taken = sum(shares.take("n") for _ in range(theirs))
    assert sum(shares.take("") for _ in range(limit)) == limit - taken


@given(st.integers(1, 300), st.floats(0, 60), st.integers(1, 400))
def test_those_of_one_namespace_come_back_one_after_the_other_and_put_off_no_one_else(
    places: int, held_seconds: float, many: int
) -> None:
    horizons = Horizons(places=places)
    horizons.note(held_seconds)
    pauses = [horizons.next("big", 100.0).total_seconds() for _ in range(many)]
    assert all(0.5 <= pause < 60 for pause in pauses)
    assert horizons.next("small", 100.0).total_seconds() <= 2
    assert horizons.known(100.0)
    assert not horizons.known(160.0)
