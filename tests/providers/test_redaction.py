"""No credential leaves in a text, whatever form a host echoes it in."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from providers.redaction import TEXT_LIMIT, reads_as, redact, redacted_line, shortened, variants

SECRETS = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)
AROUND = st.text(max_size=120)


@given(secret=SECRETS, before=AROUND, after=AROUND)
@example(secret="***---***", before="", after="")
@example(secret="a" * 8, before="a" * 20, after="a" * 20)
def test_a_known_secret_is_never_shown_in_any_of_its_forms(secret: str, before: str, after: str) -> None:
    known = variants([secret])
    forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")}
    for form in forms:
        text = redacted_line(f"{before} {form} {after}", known)
        assert secret not in text or set(secret) <= set("*")
        assert len(text) <= TEXT_LIMIT


@given(st.text(max_size=2_000))
def test_text_is_one_bounded_printable_line(text: str) -> None:
    made = redacted_line(text)
    assert made.isprintable()
    assert "\n" not in made
    assert len(made) <= TEXT_LIMIT


@given(st.text(max_size=300))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
        ("got 'authorization': 'Basic dXNlcjpwYXNzd29yZA=='", "dXNlcjpwYXNzd29yZA"),
        ("PRIVATE-TOKEN: some-token", "some-token"),
        ("set-cookie: JSESSIONID=abcdef; Path=/", "abcdef"),
        ("clone https://user:hunter2pass@git.example.com/x.git failed", "hunter2pass"),
        ("clone https://oauth-token-alone@git.example.com/x.git failed", "oauth-token-alone"),
        ("GET /x?access_token=zzz999&page=2", "zzz999"),
        ("see https://s3.example.com/log?X-Amz-Signature=0123abcd&a=b", "0123abcd"),
        ("token ghp_0123456789abcdefABCDEF is bad", "0123456789abcdefABCDEF"),
        ("token ghs_4711_eyJhbGciOi.eyJpc3Mi.c2ln is bad", "eyJpc3Mi"),
        ("token github_pat_11AAAA_bbbb", "11AAAA_bbbb"),
        ("token glpat-abcDEF123_x.y", "abcDEF123_x"),
        ("jwt eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiI0NzExIn0.c2lnbmF0dXJl end", "eyJpc3MiOiI0NzExIn0"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow never ends", "MIIEow"),
    ],
)
def test_what_looks_like_a_credential_is_hidden_without_being_known(text: str, hidden: str) -> None:
    assert hidden in text
    assert hidden not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        'applications.argoproj.io "nope" not found',
        "job `web/integration` is disabled",
        "Cannot sync to 464b3cef: auto-sync currently set to e52c3dd7",
        'namespaces "no-such-namespace" not found',
        "see https://ci.example.com/job/web/12/?page=2",
    ],
)
def test_what_helps_a_person_stays(text: str) -> None:
    assert redacted_line(text) == text


def test_a_line_of_a_key_that_a_host_echoes_is_hidden() -> None:
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA0123456789\n-----END KEY-----"
    assert "MIIEowIBAAKCAQEA0123456789" not in redacted_line("bad line MIIEowIBAAKCAQEA0123456789", variants([key]))


def test_texts_too_short_to_be_secrets_are_left_alone() -> None:
    assert variants(["bot"]) == ()
    assert redacted_line("the bot may not", variants(["bot"])) == "the bot may not"


def test_a_secret_quoted_as_json_is_hidden() -> None:
    secret = 'pass"part\\123'
    assert "part" not in redacted_line(json.dumps({"echo": secret}), variants([secret]))


@given(st.text(alphabet=st.sampled_from("/ %+&2F0é-x"), min_size=4, max_size=40))
def test_a_secret_quoted_for_a_path_a_query_or_a_form_is_known(secret: str) -> None:
    assert {quote(secret), quote(secret, safe=""), quote_plus(secret)} <= set(variants([secret]))


def test_a_cut_text_ends_with_an_ellipsis_and_fits() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


@pytest.mark.parametrize(
    ("found", "whole", "same"),
    [
        ("waits for the lane of prod", "waits for the lane of prod", True),
        ("waits for the lane of prod", "waits for the lane of prod, which ada holds", False),
        ("waits for the lane of…", "waits for the lane of prod", True),
        ("waits for the lane of...", "waits for the lane of prod", True),
        ("waits for the lane of…", "waits for the tests of prod", False),
        ("waits…", "waits for the lane of prod", False),
    ],
)
def test_only_a_text_that_was_cut_reads_as_a_longer_one(found: str, whole: str, same: bool) -> None:
    assert reads_as(found, whole) is same


def test_what_is_cut_for_a_host_reads_as_the_whole() -> None:
    whole = "waits for the lane of prod " * 20
    assert reads_as(shortened(whole, 140), whole)
