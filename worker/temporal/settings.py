"""What is wrong with Temporal's own variables, by name; their values may be keys and are not shown."""

import os
import re
from contextlib import suppress
from pathlib import Path

from temporalio.envconfig import ClientConfig

from worker.temporal.causes import cause_of

PREFIX = "TEMPORAL_"
_PROFILE, _FILE = "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"
_PAIR = ("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH")
# Of a worker's version and of other programs, not of the connection.
_OTHERS = frozenset({"TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID", "TEMPORAL_UI_URL"})
# A host without a scheme, in brackets where it is an address of IPv6, and a port.
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):[0-9]{1,5}")
_REASON_LENGTH = 300


def unreadable_configuration(error: Exception) -> str:
    """State which variable `temporalio.envconfig` could not follow, and what is allowed."""
    reason = _first_line(error)
    set_ = sorted(name for name, value in os.environ.items() if name.startswith(PREFIX) and value)
    concerned = [name for name in set_ if name not in _OTHERS]
    if isinstance(error, OSError):
        named = [name for name in concerned if os.environ[name] == error.filename]
        return f"{_names(named or concerned)}: a file that can be read is wanted: {reason}"
    if "client cert and private key" in reason and not any(name.endswith("_DATA") for name in concerned):
        return f"{_names(list(_PAIR))}: both are needed, or none"
    if "rofile" in reason and os.environ.get(_PROFILE):
        return f"{_PROFILE}: {reason}; {_allowed_profiles()}"
    mentioned = [name for name in concerned if name in reason]
    in_file = [] if mentioned or not reason.startswith("Configuration loading") else [_FILE]
    return f"{_names(mentioned or in_file or concerned)}: Temporal's configuration cannot be used: {reason}"


def unusable_address(address: str) -> str:
    """Return why an address is none, with the variable that holds it; empty for one that can be used."""
    if _HOST_PORT.fullmatch(address):
        return ""
    where = "" if os.environ.get("TEMPORAL_ADDRESS") else f" (`address` of the profile in {_FILE})"
    return f"TEMPORAL_ADDRESS{where}: `{address[:80]}` is not allowed: host:port is wanted, such as localhost:7233"


def missing_file() -> str:
    """Return that the file of profiles is not there, where one is named; without it defaults would count."""
    path = os.environ.get(_FILE, "")
    return f"{_FILE}: there is no file {path[:200]}" if path and not Path(path).exists() else ""


def unreachable_server(address: str, reason: str) -> str:
    """Report that no connection to a server came about, why, and which variables decide that."""
    cause = cause_of(reason)
    return f"Temporal does not answer at {address}: {cause.text}. {cause.remedy}"


def missing_namespace(address: str, namespace: str) -> str:
    """Report that a server has no such namespace, and which variable names it."""
    return (
        f"Temporal at {address} has no namespace {namespace}: set TEMPORAL_NAMESPACE to one that exists, or create it: "
        "`pilotage setup` does so, or prints the commands for an administrator."
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
