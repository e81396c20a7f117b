"""The certificate authorities that an operator trusts in addition to the public ones."""

import ssl
from pathlib import Path


def read_authorities(path: str) -> str:
    """Return the certificates of a file in PEM; without a path there are none. Raises ValueError for any other file."""
    if not path:
        return ""
    try:
        pem = Path(path).read_text("ascii", errors="replace")
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError("the file holds no certificate in PEM, or a damaged one") from None
    return pem
