"""The scan that `make check` runs finds what it is for."""

import re
from pathlib import Path

import pytest

from tests.architecture.secret_scan import _SHAPES, findings

LETTERS = "Ab0" * 40
# In two parts, so that this file holds none.
CREDENTIALS = {
    "GitHub token": ("ghp_", LETTERS[:36]),
    "GitLab token": ("glpat-", LETTERS[:20]),
    "Atlassian token": ("ATATT3", LETTERS[:40]),
    "Azure DevOps token": (LETTERS[:76], "AZDO1234"),
    "Entra client secret": ("abc8Q", f"~{LETTERS[:34]}"),
    "AWS access key": ("AKIA", "ABCDEFGHIJ012345"),
    "Slack token": ("xoxb-", LETTERS[:24]),
    "Google API key": ("AIza", LETTERS[:35]),
    "private key": ("-----BEGIN RSA PRIVATE", f" KEY-----\n{LETTERS}"),
    "JSON web token": ("eyJ" + LETTERS[:20], f".eyJ{LETTERS[:20]}.{LETTERS[:20]}"),
    "address with a password": ("https://bot:", f"{LETTERS[:24]}@git.example.com"),
}


def test_every_shape_has_an_example() -> None:
    assert CREDENTIALS.keys() == _SHAPES.keys()


@pytest.mark.parametrize("shape", sorted(CREDENTIALS))
def test_a_credential_is_found_by_its_line_and_not_repeated(shape: str) -> None:
    secret = "".join(CREDENTIALS[shape])
    assert list(findings(f"a: 1\ntoken: {secret}\n")) == [(2, shape)]
    assert list(findings(f"token: {CREDENTIALS[shape][0]}\n")) == []


def test_make_check_looks_through_the_tree() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    recipe = re.search(r"^check:[^\n]*\n((?:\t[^\n]*\n)+)", makefile, flags=re.MULTILINE)
    assert recipe is not None
    assert "tests.architecture.secret_scan" in recipe[1]
