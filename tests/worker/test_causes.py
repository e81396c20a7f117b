"""What the SDK's core writes of a connection that does not come about, as a person reads it."""

import pytest

from worker.temporal.causes import cause_of


def connecting(error: str) -> str:
    return f"Failed client connect: Server connection error: tonic::transport::Error(Transport, {error})"


def calling(code: str, message: str, source: str = "None") -> str:
    status = f'Status {{ code: {code}, message: "{message}", source: {source} }}'
    return f"Failed client connect: `get_system_info` call error after connection: {status}"


def tls(error: str) -> str:
    return connecting(f"ConnectError(Custom {{ kind: InvalidData, error: {error} }})")


def io(error: str) -> str:
    return calling("Unknown", "transport error", f"Some(tonic::transport::Error(Transport, hyper::Error(Io, {error})))")


def alert(name: str) -> str:
    return io(f'Custom {{ kind: InvalidData, error: "received fatal alert: {name}" }}')


REFUSED = (
    'ConnectError(ConnectError("tcp connect error", 127.0.0.1:1, Os { code: 111, message: "Connection refused" }))'
)


@pytest.mark.parametrize(
    ("reason", "text", "variable"),
    [
        (connecting(REFUSED), "Connection refused", "TEMPORAL_ADDRESS"),
        (tls("InvalidMessage(InvalidContentType)"), "it serves no TLS", "TEMPORAL_TLS=false"),
        (tls("InvalidCertificate(UnknownIssuer)"), "the authority of", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
        (tls("InvalidCertificate(ExpiredContext { time: UnixTime(2) })"), "has expired", "at the server"),
        (
            tls('InvalidCertificate(NotValidForNameContext { expected: DnsName("localhost") })'),
            "not for the name localhost",
            "TEMPORAL_TLS_SERVER_NAME",
        ),
        (alert("CertificateRequired"), "asks for a client", "CLIENT_CERT_PATH"),
        (alert("CertificateExpired"), "which has expired", "CLIENT_CERT_PATH"),
        (alert("UnknownCA"), "refuses the client certificate", "CLIENT_CERT_PATH"),
        (connecting("InconsistentKeys(KeyMismatch)"), "do not belong together", "CLIENT_KEY_PATH"),
        (connecting("PrivateKeyParseError"), "holds no private key", "CLIENT_KEY_PATH"),
        (io("Kind(ConnectionReset)"), "it ends the connection", "TEMPORAL_TLS=true"),
        (
            calling("Unauthenticated", "Jwt is expired"),
            "does not accept the credential: Jwt is expired",
            "TEMPORAL_API_KEY",
        ),
        ("", "no answer", "TEMPORAL_ADDRESS"),
    ],
)
def test_a_cause_is_one_clause_with_the_variable_that_it_points_at(reason: str, text: str, variable: str) -> None:
    cause = cause_of(reason)
    assert (text in cause.text, variable in cause.remedy) == (True, True), cause
    assert not any(debug in cause.text for debug in ("Error(", "::", "{"))


def test_a_cause_that_is_not_known_is_quoted_in_bounds() -> None:
    assert cause_of("x" * 1000).text == "x" * 300
