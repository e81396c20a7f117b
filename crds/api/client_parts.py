"""The parts of the official Kubernetes client that are used: configuration, loaders and the asynchronous transport.

The client's packages import all that they have, the synchronous client with its OAuth libraries included, which is
a third of the processor time of a short command. So the packages around the asynchronous client are made known without
running them; who asks one for a module by name gets that module.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp


def _make_known(package: str) -> None:
    """Register a package whose own code does not run; one that runs already, or is not installed, stays as it is."""
    spec = importlib.util.find_spec(package)
    if spec is None or package in sys.modules:
        return

    def load(name: str) -> ModuleType:
        try:
            if not name.startswith("__"):
                return importlib.import_module(f"{package}.{name}")
        except ModuleNotFoundError:
            pass
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    module = importlib.util.module_from_spec(spec)
    vars(module)["__getattr__"] = load
    sys.modules[package] = module


for _package in ("kubernetes", "kubernetes.aio"):
    _make_known(_package)

from kubernetes.aio import config as loaders  # noqa: E402
from kubernetes.aio.client.configuration import Configuration  # noqa: E402
from kubernetes.aio.client.rest import RESTClientObject  # noqa: E402

KEPT_ALIVE_SECONDS = 75.0
"""How long a connection without a call stays open, of the 90 s after which the API server closes it: longer than the
usual pause between two polls, which would begin with a handshake each time."""


READ_BUFFER_BYTES = 2 << 20
"""As the client has it: one event of a watch may be longer than what aiohttp reads ahead."""


class Transport(RESTClientObject):
    """The client's own transport, over connections that outlive a pause between two calls.

    Left to the client, each call has two threads read the variables for proxies and ~/.netrc, whose entry for the API
    server would be refused next to a token. The proxy is asked for once here, and no credential but the configured one.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.proxy = configuration.proxy or proxy_of(configuration.host)

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, keepalive_timeout=KEPT_ALIVE_SECONDS)

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._create_connector(), trust_env=False, read_bufsize=READ_BUFFER_BYTES
        )


def proxy_of(server: str) -> str | None:
    """Return the proxy that the environment names for a server, unless NO_PROXY names the server."""
    parts = urlsplit(server)
    address = parts.netloc.rpartition("@")[2]
    return None if proxy_bypass(address) else getproxies().get(parts.scheme)


__all__ = ["Configuration", "Transport", "loaders"]
