"""Whom a connection trusts: the usual authorities, those of the operator, and those that a Secret names in addition.

OpenSSL reads a certificate in 0.2 ms and keeps the interpreter to itself meanwhile, so that a Secret full of them would
stop everybody's work for a third of a second, each time a client is opened.
"""

import asyncio
import ssl
import tempfile
from itertools import islice

import httpx

from providers.decoding import giving_way
from providers.errors import ProviderMisconfigured
from providers.models import Route

CA_LIMIT_BYTES = 256 * 1024
"""The public authorities of a browser are 220 KiB."""
_BEGIN = "-----BEGIN "
_AT_A_TIME = 16
_KEY = "key `ca.crt` of the Secret that `caSecretRef` or `certSecretRef` names"


async def trusting(route: Route, authorities: str = "") -> ssl.SSLContext:
    """Return a context that trusts a route's authorities too, and proves itself by its certificate.

    `authorities` are the operator's, in PEM and known to be right. Raises ProviderMisconfigured for what is no
    certificate in the route.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if authorities:
        await _trust(context, authorities)
    if route.ca_pem:
        if len(route.ca_pem) > CA_LIMIT_BYTES:
            raise ProviderMisconfigured(
                f"{_KEY} is longer than {CA_LIMIT_BYTES} bytes: name the authorities that are needed"
            )
        await _trust(context, route.ca_pem)
    if route.certificate_pem and route.key_pem:
        await asyncio.to_thread(_prove, context, route.certificate_pem, route.key_pem)
    return context


def _prove(context: ssl.SSLContext, certificate_pem: str, key_pem: str) -> None:
    # The library reads files alone; what is made here is its owner's to read, and gone when it was.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate_pem}\n{key_pem}")
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, ValueError):
            text = "keys `tls.crt` and `tls.key` of the Secret are no certificate with its key in PEM: fix them"
            raise ProviderMisconfigured(text) from None


async def _trust(context: ssl.SSLContext, ca_pem: str) -> None:
    blocks = iter([_BEGIN + block for block in ca_pem.split(_BEGIN)[1:]] or [ca_pem])
    groups = iter(lambda: "".join(islice(blocks, _AT_A_TIME)), "")
    try:
        async for group in giving_way(groups):
            context.load_verify_locations(cadata=group)
    except (ssl.SSLError, ValueError):
        raise ProviderMisconfigured(f"{_KEY} holds no certificate in PEM: fix it") from None
