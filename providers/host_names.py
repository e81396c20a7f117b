"""One form for all ways to write a host, so that hosts are compared by what is called, not by text. Pure."""

import ipaddress
import re
import socket

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST = 253
# What the C library takes for an IPv4 address: one to four parts, each decimal, octal or hexadecimal.
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}")


def address_of(host: str) -> Address | None:
    """Return the address that a host is, in whatever form; None where it is a name.

    An IPv4 address within an IPv6 one (`::ffff:127.0.0.1`) is that address: the same socket is connected to.
    """
    # A zone (`fe80::1%eth0`) names the interface, not the address.
    text = host.removeprefix("[").removesuffix("]").partition("%")[0].rstrip(".").lower()
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return _from_numbers(text)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def canonical(host: str) -> str:
    """Return a host as it is looked up: an address in its shortest form, else a name in lower case, in ASCII.

    What is no name at all stays as it is, and equals nothing that could be called.
    """
    address = address_of(host)
    if address is not None:
        return str(address)
    name = host.rstrip(".").lower()
    if not name.isascii():
        # The client's own encoding: what it makes of a name is what is called.
        try:
            name = httpx.URL(f"https://{name}").raw_host.decode()
        except httpx.InvalidURL:
            return host
    return name.rstrip(".")


def _from_numbers(text: str) -> Address | None:
    if len(text) > _LONGEST or _NUMBERS.fullmatch(text) is None:
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None
