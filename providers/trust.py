"""Whom a connection trusts: the usual authorities, and those that a Secret names beside them.

OpenSSL reads a certificate in 0.2 ms and keeps the interpreter to itself meanwhile, so that a Secret full of them would
stop everybody's work for a third of a second, each time a client is opened.
"""

import ssl
from itertools import islice

import httpx

from providers.decoding import giving_way
from providers.errors import ProviderMisconfigured

CA_LIMIT_BYTES = 256 * 1024
"""The public authorities of a browser are 220 KiB."""
_BEGIN = "-----BEGIN "
_AT_A_TIME = 16
_KEY = "key `ca.crt` of the Secret that `caSecretRef` names"


async def trusting(ca_pem: str | None, *, trust_env: bool = False) -> ssl.SSLContext:
    """Return a context that trusts these authorities too. Raises ProviderMisconfigured for what is no certificate."""
    context = httpx.create_ssl_context(trust_env=trust_env)
    if not ca_pem:
        return context
    if len(ca_pem) > CA_LIMIT_BYTES:
        raise ProviderMisconfigured(
            f"{_KEY} is longer than {CA_LIMIT_BYTES} bytes: name the authorities that are needed"
        )
    blocks = iter([_BEGIN + block for block in ca_pem.split(_BEGIN)[1:]] or [ca_pem])
    groups = iter(lambda: "".join(islice(blocks, _AT_A_TIME)), "")
    try:
        async for group in giving_way(groups):
            context.load_verify_locations(cadata=group)
    except (ssl.SSLError, ValueError):
        raise ProviderMisconfigured(f"{_KEY} holds no certificate in PEM: fix it") from None
    return context
