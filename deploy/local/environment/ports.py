"""Free loopback ports that stay free while a process restarts, and the probes that ask whether one answers."""

import json
import random
import socket
import ssl
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path

# Below the range from which the kernel takes ports for outgoing connections, so that none of those
# sits on the port of a server that was killed and is about to come back.
FIRST, LAST = 18_100, 32_000
PROBE_TIMEOUT_SECONDS = 2.0
ATTEMPTS = 200

Probe = Callable[[], bool]
_random = random.SystemRandom()
_issued: set[int] = set()


def free_port(preferred: int | None = None) -> int:
    """Return a loopback port that nothing listens on and that this process did not hand out before."""
    if preferred is not None and _bindable(preferred):
        _issued.add(preferred)
        return preferred
    for _ in range(ATTEMPTS):
        port = _random.randrange(FIRST, LAST)
        if port not in _issued and _bindable(port):
            _issued.add(port)
            return port
    raise OSError(f"no free loopback port between {FIRST} and {LAST}")


class KeptPorts:
    """Ports by what listens there; of a file they are the same as the last time, unless somebody has taken one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known: dict[str, int] = {}
        if file is not None and file.exists():
            with suppress(ValueError):
                self._known = {str(name): int(port) for name, port in json.loads(file.read_text()).items()}

    def take(self, name: str, preferred: int | None = None) -> int:
        """Return a free port for this name."""
        port = free_port(self._known.get(name, preferred))
        if self._file is not None and self._known.get(name) != port:
            self._known[name] = port
            partial_file = self._file.with_suffix(".part")
            partial_file.write_text(json.dumps(self._known))
            partial_file.replace(self._file)
        return port


def _bindable(port: int) -> bool:
    with socket.socket() as candidate:
        # As servers do it: a port with connections in TIME_WAIT counts as free.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers_http(
    address: str, *, authority: Path | None = None, token: str | None = None, containing: str = ""
) -> Probe:
    """Return a probe that is true while GET on `address` answers 200 with a body that contains `containing`."""
    return partial(_gets, address, authority, token, containing.encode())


def accepts_connections(port: int) -> Probe:
    """Return a probe that is true while something on this machine accepts connections on a port."""
    return partial(_connects, port)


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _gets(address: str, authority: Path | None, token: str | None, containing: bytes) -> bool:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = ssl.create_default_context(cafile=str(authority)) if authority else None
    # An empty ProxyHandler: a proxy configured for the outside must not answer for loopback.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=PROBE_TIMEOUT_SECONDS) as response:
            return response.status == 200 and containing in response.read()
    except (OSError, HTTPException, ValueError):
        return False
