"""Whether a workflow's run-name shows the promotion key, read as GitHub reads it."""

import pytest

from providers.github_actions.run_names import FILE_LIMIT_BYTES, shows_key


@pytest.mark.parametrize(
    "name",
    [
        "${{ inputs.promotion_key }}",
        "${{inputs.promotion_key}}",
        "e2e ${{ inputs.promotion_key }}",
        '"e2e: ${{ inputs.promotion_key }} # all"',
        "'e2e ${{ inputs[''promotion_key''] }}'",
        "e2e ${{ github.event.inputs.promotion_key }}",
        "e2e ${{ Inputs.Promotion_Key }}",
        "e2e ${{ github.sha }} of ${{ inputs.revision }}, ${{ inputs.promotion_key }}",
        ">-\n  e2e\n  ${{ inputs.promotion_key }}",
        "|\n  ${{ inputs.promotion_key }}",
        "${{ format('e2e {0}', inputs.promotion_key) }}",
        "${{ format('it''s {0} }} {1}', inputs.revision, inputs.promotion_key) }}",
        "${{ format('{0}', (inputs.promotion_key)) }}",
        "${{ inputs.promotion_key || github.sha }}",
        "${{ inputs.promotion_key && format('e2e {0}', inputs.promotion_key) || 'by hand' }}",
        "${{ github.event_name == 'schedule' && 'nightly' || inputs.promotion_key }}",
    ],
)
def test_a_name_with_the_key_in_an_expression_shows_it(name: str) -> None:
    assert shows_key(f"name: e2e\non: workflow_dispatch\nrun-name: {name}\njobs: {{}}\n")


@pytest.mark.parametrize(
    "name",
    [
        "e2e",
        "",
        "e2e # ${{ inputs.promotion_key }}",
        "inputs.promotion_key",
        "e2e $ {{ inputs.promotion_key }}",
        "e2e ${{ inputs.promotion_key",
        "e2e ${{ inputs.promotion_key_2 }}",
        "e2e ${{ inputs.promotion_key-2 }}",
        "e2e ${{ inputs.my_promotion_key }}",
        "e2e ${{ my_inputs.promotion_key }}",
        "e2e ${{ steps.inputs.promotion_key }}",
        "e2e ${{ inputs.revision }} inputs.promotion_key",
        "${{ format('inputs.promotion_key {0}', inputs.revision) }}",
        "${{ 'it''s inputs.promotion_key' }}",
        "${{ inputs.promotion_key != '' }}",
        "${{ inputs.promotion_key && 'promoted' || 'by hand' }}",
        "${{ !inputs.promotion_key }}",
        "${{ contains(inputs.promotion_key, 'x') }}",
        "${{ fromJSON(inputs.revision)[inputs.promotion_key] }}",
        "${{ inputs.promotion_key.name }}",
        "[e2e, '${{ inputs.promotion_key }}']",
        "{title: '${{ inputs.promotion_key }}'}",
    ],
)
def test_a_name_that_only_mentions_the_key_does_not_show_it(name: str) -> None:
    assert not shows_key(f"name: e2e\non: workflow_dispatch\nrun-name: {name}\njobs: {{}}\n")


@pytest.mark.parametrize(
    "workflow",
    [
        "",
        "on: push\n",
        "# run-name: ${{ inputs.promotion_key }}\non: push\n",
        "jobs:\n  a:\n    run-name: ${{ inputs.promotion_key }}\n",
        "name: |\n  x\nenv:\n  TEXT: >\n    x\n    run-name: ${{ inputs.promotion_key }}\n",
        'name: "x\n\nrun-name: ${{ inputs.promotion_key }}\n"\n',
        "run-name: e2e\nrun-name: ${{ inputs.promotion_key }}\n",
        "- run-name: ${{ inputs.promotion_key }}\n",
        "run-name: ${{ inputs.promotion_key }}\n---\non: push\n",
        "run-name: ${{ inputs.promotion_key }}\njobs: [\n",
        "<html><body>run-name: ${{ inputs.promotion_key }}</body></html>",
        "\x00\x01run-name: ${{ inputs.promotion_key }}\n",
        "run-name: ${{ inputs.promotion_key }}\njobs: " + "[" * 5_000,
    ],
)
def test_a_file_without_one_readable_run_name_shows_nothing(workflow: str) -> None:
    assert not shows_key(workflow)


def test_an_anchor_stands_for_what_it_names() -> None:
    assert shows_key("env:\n  TITLE: &title e2e ${{ inputs.promotion_key }}\nrun-name: *title\n")


def test_a_name_made_to_be_slow_is_read_all_the_same() -> None:
    assert not shows_key("run-name: ${{ " + "''" * 5_000 + " ' }}\n")


SHOWN = "run-name: ${{ inputs.promotion_key }}\n"


def test_a_file_beyond_the_limit_shows_nothing() -> None:
    filled = SHOWN + "#" * (FILE_LIMIT_BYTES - len(SHOWN))
    assert shows_key(filled)
    assert not shows_key(f"{filled}#")


def test_a_name_beyond_the_limit_shows_nothing() -> None:
    # Each beginning would be followed to the end of the name.
    assert not shows_key("run-name: '" + "${{ a " * 10_000 + "${{ inputs.promotion_key }}'\n")


def test_a_repeated_anchor_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    assert shows_key(f"a: &x b\nc: &x d\n{SHOWN}")
    assert list(recwarn) == []
