"""Expressions of tenants are evaluated in a process of their own, which ends where one asks for too much."""

from collections.abc import Iterator

import pytest

from crds.rules.flux_expressions import ExpressionError, expression_error
from worker.flux.evaluation import ENDS_LIMIT, REFUSED_SECONDS, Expressions

VALUES = {"event": {"message": "m" * 39_000, "involvedObject": {"name": "webapp"}}}
NAME = "event.involvedObject.name + ''"


@pytest.fixture(scope="module")
def expressions() -> Iterator[Expressions]:
    made = Expressions()
    yield made
    made.close()


def test_an_expression_is_evaluated_as_in_this_process(expressions: Expressions) -> None:
    assert expressions.evaluate(NAME, VALUES) == "webapp"


def test_an_expression_without_a_value_gives_the_reason(expressions: Expressions) -> None:
    with pytest.raises(ExpressionError, match="Key not found"):
        expressions.evaluate("event.metadata + ''", VALUES)


@pytest.mark.parametrize(
    "expression",
    [
        "event.message.replace('m', event.message)",
        "event.message.replace('m', event.message).replace('m', event.message)",
        "[1, 2, 3].map(a, event.message.replace('', event.message)).join('')",
    ],
)
def test_an_expression_that_asks_for_all_memory_ends_its_own_process_alone(
    expressions: Expressions, expression: str
) -> None:
    assert expression_error(expression) is None
    with pytest.raises(ExpressionError, match="too much memory"):
        expressions.evaluate(expression, VALUES)
    assert expressions.evaluate(NAME, VALUES) == "webapp"


def test_a_value_that_the_library_cannot_hold_fails_alone_and_is_no_excess(expressions: Expressions) -> None:
    with pytest.raises(ExpressionError, match="cannot be evaluated"):
        expressions.evaluate(NAME, {"event": {"involvedObject": {"name": "\ud800"}}})
    assert expressions.evaluate(NAME, VALUES) == "webapp"


def test_to_hold_up_the_expressions_of_others_with_one_that_is_ended_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], list[bytes]()
    expressions = Expressions(clock=lambda: now[0])

    def ask(request: bytes) -> dict[str, str]:
        asked.append(request)
        if b"slow" in request:
            raise ExpressionError("takes too long, or too much memory")
        return {"context": "webapp"}

    monkeypatch.setattr(expressions, "_ask", ask)
    for _ in range(2 * ENDS_LIMIT):
        with pytest.raises(ExpressionError, match="too long"):
            expressions.evaluate("'slow'", VALUES)
        assert expressions.evaluate(NAME, VALUES) == "webapp"
    assert sum(b"slow" in request for request in asked) == ENDS_LIMIT
    now[0] = REFUSED_SECONDS + 1
    with pytest.raises(ExpressionError, match="takes too long"):
        expressions.evaluate("'slow'", VALUES)
