"""The terms of AGENTS.md are the terms of the code."""

import pytest

from tests.architecture.terms import findings, main, problems, refused

TERMS = refused()


@pytest.mark.parametrize(
    "text",
    [
        "tell, tells, telling, told, teller",
        "say, says, saying, said",
        "speak, speaks, speaking, spoke, spoken",
        "hear, hears, hearing, heard",
        "word, words, worded, wording",
        "mend, mends, mending, mended",
        "lack, lacks, lacking, lacked",
        "see to, sees to, seeing to, saw to, seen to",
        "take leave, takes leave, taking leave, took leave, taken leave",
        "whoever, nobody, anew, afresh, beside, for ever, hold of",
    ],
)
def test_each_refused_term_is_found_in_every_inflection(text: str) -> None:
    forms = text.split(", ")
    assert [found for form in forms for _, found in findings(f"It is {form}.", TERMS)] == forms


@pytest.mark.parametrize(
    "source",
    [
        "def _tell_again() -> None:",
        "class WordNotice:",
        "NOBODY = 1",
        '"what it says"',
        "'Nobody waits'",
        '"""What\nlacks."""',
        "print('first\\nsays')",
        "self.teller.run()",
        "# it is seen\n    # to by a person",
        "> for\n> ever",
    ],
)
def test_identifiers_strings_comments_and_wrapped_lines_are_read(source: str) -> None:
    assert len(findings(source, TERMS)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "keyword",
        "password",
        "wordlist",
        "besides",
        "black",
        "essay",
        "foretell",
        "forever",
        "retelling",
        "seen today",
        "crossword_puzzle",
    ],
)
def test_a_term_inside_of_another_is_accepted(source: str) -> None:
    assert findings(source, TERMS) == []


def test_a_finding_names_its_line() -> None:
    assert findings("one\ntwo\nthree says\n", TERMS) == [(3, "says")]


def test_what_is_refused_and_what_to_write_instead_stand_in_agents_md() -> None:
    assert (TERMS["mend"], TERMS["tell"], len(TERMS)) == ("fix", "signal, send", 16)


def test_no_file_holds_a_refused_term() -> None:
    assert main([]) == 0


def test_the_table_itself_is_not_read_and_the_rest_of_its_file_is() -> None:
    assert [line for line in problems(["AGENTS.md"], TERMS) if "mend" in line] == []
