"""What is wrong with Temporal's own variables, by name; their values may be keys and are not shown."""

import os
from contextlib import suppress

from temporalio.envconfig import ClientConfig

PREFIX = "TEMPORAL_"
_PROFILE, _FILE = "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"
# Of a worker's version, not of the connection.
_OTHERS = frozenset({"TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID"})
_REASON_LENGTH = 300


def unreadable_configuration(error: Exception) -> str:
    """State which variable `temporalio.envconfig` could not follow, and what is allowed."""
    reason = _first_line(error)
    set_ = sorted(name for name, value in os.environ.items() if name.startswith(PREFIX) and value)
    concerned = [name for name in set_ if name not in _OTHERS]
    if isinstance(error, OSError):
        named = [name for name in concerned if os.environ[name] == error.filename]
        return f"{_names(named or concerned)}: a file that can be read is wanted: {reason}"
    if "rofile" in reason and os.environ.get(_PROFILE):
        return f"{_PROFILE}: {reason}; {_allowed_profiles()}"
    mentioned = [name for name in concerned if name in reason]
    in_file = [] if mentioned or not reason.startswith("Configuration loading") else [_FILE]
    return f"{_names(mentioned or in_file or concerned)}: Temporal's configuration cannot be used: {reason}"


def unusable_configuration(address: str, error: Exception) -> str:
    """Report that an address is none, or what else a client cannot be made of."""
    if "URL" not in str(error):
        return unreadable_configuration(error)
    text = f"`{address[:80]}` is not allowed: host:port is wanted, such as localhost:7233 ({_first_line(error)})"
    where = "" if os.environ.get("TEMPORAL_ADDRESS") else f" (`address` of the profile in {_FILE})"
    return f"TEMPORAL_ADDRESS{where}: {text}"


def unreachable_server(address: str, reason: str) -> str:
    """Report that no connection to a server came about, why, and which variables decide that."""
    return f"Temporal does not answer at {address}: {reason}. {_remedy(reason.lower())}"


def missing_namespace(address: str, namespace: str) -> str:
    """Report that a server has no such namespace, and which variable names it."""
    return (
        f"Temporal at {address} has no namespace {namespace}: set TEMPORAL_NAMESPACE to one that exists, or create it: "
        "`pilotage setup` does so, or prints the commands for an administrator."
    )


def _remedy(reason: str) -> str:
    """Name the variables that a cause points at; its text is that of the SDK's core, in lower case."""
    if any(term in reason for term in ("unauthenticated", "permission", "unauthorized", "jwt", "api key")):
        return (
            "The server does not accept the credential: renew TEMPORAL_API_KEY, or the certificate in "
            "TEMPORAL_TLS_CLIENT_CERT_PATH, for the namespace in TEMPORAL_NAMESPACE."
        )
    if any(term in reason for term in ("certificate", "tls", "handshake", "unknownissuer")):
        return (
            "Name the authority of the server's certificate in TEMPORAL_TLS_SERVER_CA_CERT_PATH and its name in "
            "TEMPORAL_TLS_SERVER_NAME, one's own certificate in TEMPORAL_TLS_CLIENT_CERT_PATH and "
            "TEMPORAL_TLS_CLIENT_KEY_PATH, or set TEMPORAL_TLS=false where TEMPORAL_ADDRESS serves no TLS."
        )
    return (
        "Set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_TLS_… or TEMPORAL_API_KEY where the server wants them) "
        "to a server that runs."
    )


def _allowed_profiles() -> str:
    profiles: list[str] = []
    with suppress(RuntimeError, ValueError, OSError):
        profiles = sorted(ClientConfig.load().profiles)
    if profiles:
        return f"allowed are {', '.join(profiles)}"
    return f"the file of {_FILE} defines no profile, so leave it empty"


def _names(variables: list[str]) -> str:
    return ", ".join(variables) or _FILE


def _first_line(error: Exception) -> str:
    # Further lines of a parser's error quote the file, which may hold a key.
    return (str(error).splitlines() or [type(error).__name__])[0][:_REASON_LENGTH]
