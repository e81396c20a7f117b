import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.rules.substitution import (
    MAX_RENDERED,
    VARIABLES,
    SubstitutionError,
    Variable,
    escape,
    is_known,
    names_in,
    parse,
    render,
    unknown_names,
)

KNOWN = [name.replace("*", "cluster") for name in VARIABLES]


def test_variables_are_replaced_where_they_stand() -> None:
    values = {"revision": "ab12", "pullRequest.number": "412"}
    assert render("sha-${revision}/${pullRequest.number}", values) == "sha-ab12/412"


def test_an_escaped_variable_stays_as_text() -> None:
    assert render("$${revision} is ${revision}", {"revision": "ab12"}) == "${revision} is ab12"


def test_a_value_is_never_looked_into_again() -> None:
    assert render("${pullRequest.title}", {"pullRequest.title": "${revision}"}) == "${revision}"


def test_dollars_and_braces_without_each_other_are_text() -> None:
    assert render("$5 {x} $$ }", {}) == "$5 {x} $$ }"


def test_a_variable_without_its_end_is_an_error_that_names_the_place() -> None:
    with pytest.raises(SubstitutionError, match="character 5"):
        parse("abc ${revision")


def test_unknown_variables_are_listed_once_each() -> None:
    assert unknown_names("${a} ${revision} ${b} ${a} $${c}") == ("a", "b")


def test_rendering_an_unknown_variable_names_it_and_the_allowed_ones() -> None:
    with pytest.raises(SubstitutionError, match=r"`env\.HOME`.*allowed are revision, pullRequest\.number") as raised:
        render("${env.HOME}", {"env.HOME": "/root"})
    assert raised.value.names == ("env.HOME",)


def test_rendering_without_a_value_names_the_variable() -> None:
    with pytest.raises(SubstitutionError, match=r"`artifact\.tag` has no value"):
        render("${artifact.tag}", {})


@pytest.mark.parametrize(
    "name", ["source.vars.", "source.vars.*", "source.vars.a b", "source.vars", "vars.x", "", " revision"]
)
def test_names_near_the_list_are_not_on_it(name: str) -> None:
    assert not is_known(name)


@pytest.mark.parametrize("name", KNOWN)
def test_every_name_of_the_list_renders(name: str) -> None:
    assert render(f"<${{{name}}}>", {name: "v"}) == "<v>"


def test_a_result_that_no_ci_system_takes_is_refused() -> None:
    with pytest.raises(SubstitutionError, match="65535 are allowed"):
        render("${revision}", {"revision": "x" * (MAX_RENDERED + 1)})


@given(st.text())
def test_an_escaped_text_renders_to_itself(text: str) -> None:
    assert render(escape(text), {}) == text


@given(st.lists(st.one_of(st.sampled_from(KNOWN), st.text(alphabet="ab /-$}").filter(lambda t: not t.endswith("$")))))
def test_rendering_is_the_concatenation_of_its_parts(parts: list[str]) -> None:
    template = "".join(f"${{{part}}}" if part in KNOWN else part for part in parts)
    values = {name: f"<{name}>" for name in KNOWN}
    assert render(template, values) == "".join(values.get(part, part) for part in parts)


@given(st.text(alphabet="${}ab.$"))
def test_parsing_loses_no_text_unless_a_variable_has_no_end(template: str) -> None:
    try:
        parts = parse(template)
    except SubstitutionError as broken:
        reason = str(broken)
    else:
        reason = ""
        again = "".join(f"${{{p.name}}}" if isinstance(p, Variable) else escape(p) for p in parts)
        assert again == template
        assert set(names_in(template)) == {part.name for part in parts if isinstance(part, Variable)}
    assert not reason or "has no `}`" in reason
