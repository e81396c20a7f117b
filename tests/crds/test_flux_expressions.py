"""Expressions of commitStatusExpr: every function that Flux documents, and what is refused before an event comes."""

import pytest

from crds.rules.flux_expressions import LENGTH_LIMIT, ExpressionError, evaluate, expression_error

VALUES = {
    "event": {
        "involvedObject": {"kind": "Kustomization", "name": "webapp", "namespace": "apps"},
        "severity": "info",
        "message": "ok",
        "metadata": {"summary": "blue, green"},
    },
    "provider": {"metadata": {"uid": "0c9c2e41-d2f9", "name": "github"}},
    "alert": {"metadata": {"name": "all"}, "spec": {"eventMetadata": {"cluster": "dev"}}},
}


@pytest.mark.parametrize(
    ("expression", "context"),
    [
        ("event.involvedObject.name + ''", "webapp"),
        ("string(event.involvedObject.name)", "webapp"),
        ("'%s/%s'.format([event.involvedObject.kind, alert.metadata.name])", "Kustomization/all"),
        # strings
        ("event.involvedObject.kind.lowerAscii()", "kustomization"),
        ("event.involvedObject.kind.upperAscii()", "KUSTOMIZATION"),
        ("event.metadata.summary.split(', ')[1]", "green"),
        ("['a', 'b'].join('-')", "a-b"),
        ("event.involvedObject.name.replace('web', 'shop')", "shopapp"),
        ("event.involvedObject.name.substring(3) + event.involvedObject.name.charAt(0)", "appw"),
        ("' x '.trim() + string('abc'.indexOf('c')) + string('aba'.lastIndexOf('a'))", "x22"),
        ("strings.quote('a') + 'abc'.reverse()", '"a"cba'),
        ("event.involvedObject.name.matches('^web') ? 'web' : 'other'", "web"),
        # optional values
        ("provider.metadata.uid.split('-').first().value() + ''", "0c9c2e41"),
        ("['a', 'b'].last().value()", "b"),
        ("event.metadata.?env.orValue('none') + ''", "none"),
        ("event.metadata[?'summary'].optMap(text, text + '!').orValue('')", "blue, green!"),
        ("optional.of('a').or(optional.none()).value()", "a"),
        ("event.metadata.?summary.optFlatMap(text, optional.of(text + '!')).orValue('') + ''", "blue, green!"),
        ("[?optional.of('a'), ?optional.none()].join('')", "a"),
        ("{?'a': optional.of('x')}['a']", "x"),
        ("optional.ofNonZeroValue('').hasValue() ? 'a' : 'b'", "b"),
        # sets
        ("sets.contains(['apps', 'db'], [event.involvedObject.namespace]) ? 'mine' : 'theirs'", "mine"),
        ("sets.intersects([1, 2], [2, 3]) ? 'both' : 'none'", "both"),
        ("sets.equivalent([1, 1], [1]) ? 'same' : 'other'", "same"),
        # encoders
        ("base64.encode(b'web')", "d2Vi"),
        ("string(base64.decode('d2Vi'))", "web"),
        # numbers of different types, by their values
        ("dyn(1) < 2.5 ? 'less' : 'more'", "less"),
        # times are in UTC
        ("string(timestamp('2026-01-31T23:30:00-02:00').getHours())", "1"),
        ("has(event.metadata.nothing) ? 'yes' : 'no'", "no"),
        ("alert.spec.eventMetadata.cluster + '/' + event.severity", "dev/info"),
    ],
)
def test_an_expression_makes_a_context_of_what_flux_documents(expression: str, context: str) -> None:
    assert expression_error(expression) is None
    assert evaluate(expression, VALUES) == context


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("event.involvedObject.name", "must be a string, and is dyn"),
        ("1", "must be a string, and is int"),
        ("cluster + ''", "undeclared reference to 'cluster'"),
        ("event.involvedObject.name +", "Syntax error"),
        ("", "Syntax error"),
        ("1 < 2.5 ? 'a' : 'b'", "no matching overload"),
        ("optional.unwrap([optional.of('a')]).join('')", "undeclared reference to 'optional'"),
        ("[event.metadata.?summary].unwrapOpt().map(one, one + '').join('')", "undeclared reference to 'unwrapOpt'"),
        ("'" + "a" * LENGTH_LIMIT + "'", "longer than"),
        ("(" * 500 + "'a'" + ")" * 500, "recursion"),
    ],
)
def test_an_expression_that_cannot_make_a_context_is_refused_before_an_event_comes(expression: str, why: str) -> None:
    assert why in (expression_error(expression) or "")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("event.metadata.env + ''", "Key not found"),
        ("event.metadata.summary.split(',')[7] + ''", "has no value"),
        ("event.involvedObject.name.substring(99)", "has no value"),
        ("' '", "empty text"),
    ],
)
def test_an_event_for_which_an_expression_has_no_value_gives_the_reason(expression: str, why: str) -> None:
    assert expression_error(expression) is None
    with pytest.raises(ExpressionError, match=why):
        evaluate(expression, VALUES)
