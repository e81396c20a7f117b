"""Make text from a host fit to be shown: no credential in it, one line, bounded."""

import base64
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

TEXT_LIMIT = 500
_REDACTED = "***"
_CUT = "…"
_CUTS = (_CUT, "...")
_CUT_AT_LEAST = 20
"""A stored text shorter than this was not cut: no host has room for so little."""
# Text is cut to this before the patterns run, so that a hostile body cannot make them slow.
_SCANNED_LIMIT = 20_000
# Shorter texts are no secrets worth the name, and hiding them would blank out innocent text.
_SECRET_MINIMUM = 4
# Go and Ruby write the former; others the latter.
_UNICODE_ESCAPES = tuple({ord(mark): f"\\u{ord(mark):04x}" for mark in marks} for marks in ("&<>", "&<>'"))

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), _REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {_REDACTED}"),
    (
        re.compile(
            r"(?i)([\"']?\b(?:proxy-)?(?:authorization|private-token|job-token|x-gitlab-token|set-cookie|cookie|"
            r"jenkins-crumb)[\"']?\s*[:=]\s*)[^\r\n]*"
        ),
        rf"\1{_REDACTED}",
    ),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"'<>]{1,500}@"), rf"\1{_REDACTED}@"),
    (
        re.compile(
            r"(?i)([?&;]|\b)((?:access_|private_|job_|id_|refresh_|trigger_)?token|api_?key|client_secret|secret|password|"
            r"passwd|signature|x-amz-signature|x-amz-credential|sig)(=)[^\s&;\"'<>]+"
        ),
        rf"\1\2\3{_REDACTED}",
    ),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|glptt-|gldt-|glsoat-)[A-Za-z0-9_.=-]{4,}"), _REDACTED),
    # From its beginning only, and possessive: `eyJ-eyJ-…` would be searched to its end from each of them.
    (re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)?"), _REDACTED),
)


def variants(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return every form in which these secrets could come back: plain, quoted for URLs or JSON, and in Base64."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) < _SECRET_MINIMUM:
            continue
        # Once: quoting goes byte by byte, and the two other forms of it differ in one mark each.
        quoted = quote(secret, safe="")
        forms.update((secret, quoted, quoted.replace("%2F", "/"), quoted.replace("%20", "+")))
        forms.update((json.dumps(secret)[1:-1], repr(secret)[1:-1]))
        # As pages, and encoders that make JSON fit for them, write `&<>"'/`.
        forms.update((html.escape(secret), html.escape(secret, quote=False), *_in_pages(json.dumps(secret)[1:-1])))
        # Several lines, such as a key: a host that echoes one of them gives away a part.
        forms.update(line for line in secret.splitlines() if len(line) >= 16)
        encoded = base64.b64encode(secret.encode()).decode("ascii").rstrip("=")
        if len(encoded) >= 8:
            forms.add(encoded)
    # Longest first, so that no part of a longer form stays behind.
    return tuple(sorted(forms, key=len, reverse=True))


def _in_pages(encoded: str) -> tuple[str, ...]:
    return (*map(encoded.translate, _UNICODE_ESCAPES), encoded.replace("/", "\\/"))


def without_begun(text: str, secrets: Iterable[str]) -> str:
    """Replace what is left of a secret where a text was cut in the midst of it, before a line closes the gap.

    Texts are cut wherever they enter, before anybody knows which secrets there are; each cut leaves an ellipsis.
    """
    if _CUT not in text:
        return text
    begun = [secret for secret in secrets if secret[:_SECRET_MINIMUM] in text]
    if not begun:
        return text
    *cut, last = text.split(_CUT)
    return _CUT.join([*(_without_end(piece, begun) for piece in cut), last])


def _without_end(piece: str, secrets: Iterable[str]) -> str:
    """Replace the longest beginning of a secret that a text ends with; what follows it is gone."""
    end = piece.rstrip()
    for secret in secrets:
        at = end.find(secret[:_SECRET_MINIMUM], max(0, len(end) - len(secret)))
        while at >= 0:
            if secret.startswith(end[at:]):
                return end[:at] + _REDACTED
            at = end.find(secret[:_SECRET_MINIMUM], at + 1)
    return piece


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace the given secret forms and everything that looks like a credential."""
    cleaned = text if len(text) <= _SCANNED_LIMIT else text[:_SCANNED_LIMIT] + _CUT
    found = tuple(secrets)
    for secret in found:
        cleaned = cleaned.replace(secret, _REDACTED)
    cleaned = without_begun(cleaned, found)
    for pattern, replacement in _PATTERNS:
        cleaned = pattern.sub(replacement, cleaned)
    return cleaned


def redacted_line(text: str, secrets: Iterable[str] = (), *, limit: int = TEXT_LIMIT) -> str:
    """Redact, put on one line, and bound with an ellipsis."""
    line = " ".join("".join(c if c.isprintable() else " " for c in redact(text, secrets)).split())
    return shortened(line, limit)


def reads_as(found: str, whole: str) -> bool:
    """Return whether a text that a host shows is the one that it was sent, or what was cut from that for the host.

    Each cut leaves an ellipsis: without one a text that others begin with is another text.
    """
    if found.strip() == whole.strip():
        return True
    stem = found.rstrip("….")
    return found.endswith(_CUTS) and len(stem) >= _CUT_AT_LEAST and whole.startswith(stem)


def shortened(text: str, limit: int) -> str:
    """Cut to at most `limit` characters, the last one an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
