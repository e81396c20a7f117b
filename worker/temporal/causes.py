"""Why no connection to Temporal came about, and what to do, from what the SDK's core writes of it. Pure.

The core writes errors as Rust's debug output, nested and full of type names: what a person needs of it is one clause.
"""

import re
from dataclasses import dataclass

_QUOTED = re.compile(r'(?:message|error): "((?:[^"\\]|\\.)+)"')
_EXPECTED_NAME = re.compile(r'expected: DnsName\("([^"]+)"\)')
_LENGTH = 300
_SHELLS = frozenset({"transport error", "connection error"})
"""Texts of errors that only hold another one."""

_CREDENTIAL = (
    "Renew TEMPORAL_API_KEY, or the certificate in TEMPORAL_TLS_CLIENT_CERT_PATH, for the namespace in "
    "TEMPORAL_NAMESPACE."
)
_AUTHORITY = "Name the authority of the server's certificate in TEMPORAL_TLS_SERVER_CA_CERT_PATH."
_CLIENT = "Renew the certificate in TEMPORAL_TLS_CLIENT_CERT_PATH, with its key in TEMPORAL_TLS_CLIENT_KEY_PATH."
_NO_TLS = (
    "Set TEMPORAL_TLS=false, also where TEMPORAL_API_KEY is set, which turns TLS on, or name in TEMPORAL_ADDRESS the "
    "port that serves TLS."
)
_TLS = (
    "Name the authority of the server's certificate in TEMPORAL_TLS_SERVER_CA_CERT_PATH and its name in "
    "TEMPORAL_TLS_SERVER_NAME, one's own certificate in TEMPORAL_TLS_CLIENT_CERT_PATH and "
    "TEMPORAL_TLS_CLIENT_KEY_PATH, or set TEMPORAL_TLS=false where TEMPORAL_ADDRESS serves no TLS."
)
_ADDRESS = (
    "Set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_TLS_… or TEMPORAL_API_KEY where the server wants them) "
    "to a server that runs."
)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One clause without a full stop, and a sentence that names the variables to set."""

    text: str
    remedy: str


# Names are those of rustls: https://docs.rs/rustls/latest/rustls/enum.CertificateError.html and AlertDescription.
_KNOWN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("InvalidContentType",),
        "it serves no TLS, which this client begins with",
        _NO_TLS,
    ),
    (("UnknownIssuer",), "the authority of its certificate is not known here", _AUTHORITY),
    (("ExpiredContext", "InvalidCertificate(Expired)"), "its certificate has expired", "Renew it at the server."),
    (
        ("CertificateRequired",),
        "it asks for a client certificate",
        "Name one in TEMPORAL_TLS_CLIENT_CERT_PATH, and its key in TEMPORAL_TLS_CLIENT_KEY_PATH.",
    ),
    (("alert: CertificateExpired",), "it refuses the client certificate, which has expired", _CLIENT),
    (
        ("alert: UnknownCA", "alert: BadCertificate", "alert: CertificateUnknown", "alert: AccessDenied"),
        "it refuses the client certificate",
        _CLIENT,
    ),
    (("KeyMismatch",), "the client certificate and its key do not belong together", _CLIENT),
    (("NoCertificatesPresented",), "TEMPORAL_TLS_CLIENT_CERT_PATH holds no certificate", _CLIENT),
    (("PrivateKeyParseError",), "TEMPORAL_TLS_CLIENT_KEY_PATH holds no private key", _CLIENT),
    (
        ("ConnectionReset", "BrokenPipe", "ConnectionAborted", "UnexpectedEof"),
        "it ends the connection",
        "Set TEMPORAL_TLS=true where it serves TLS, or name in TEMPORAL_ADDRESS a server that is Temporal's.",
    ),
    (("UnsupportedCertVersion",), "a certificate is of version 1, where version 3 is wanted", _TLS),
)


def cause_of(reason: str) -> Cause:
    """Return what stands in the way of a connection."""
    for needles, text, remedy in _KNOWN:
        if any(needle in reason for needle in needles):
            return Cause(text=text, remedy=remedy)
    if expected := _EXPECTED_NAME.search(reason):
        return Cause(
            text=f"its certificate is not for the name {expected[1][:_LENGTH]}",
            remedy="Set TEMPORAL_TLS_SERVER_NAME to the name that the certificate has.",
        )
    lowered = reason.lower()
    text = _innermost(reason)
    if any(term in lowered for term in ("unauthenticated", "permission", "unauthorized", "jwt", "api key")):
        return Cause(text=f"it does not accept the credential: {text}", remedy=_CREDENTIAL)
    if any(term in lowered for term in ("certificate", "tls", "handshake")):
        return Cause(text=text, remedy=_TLS)
    return Cause(text=text, remedy=_ADDRESS)


def _innermost(reason: str) -> str:
    """Return the text of the error that holds no other; the whole where none is quoted."""
    quoted = [one for one in _QUOTED.findall(reason) if one.lower() not in _SHELLS]
    lines = (quoted[-1] if quoted else reason).splitlines() or ["no answer"]
    return lines[0][:_LENGTH].rstrip(". ") or "no answer"
