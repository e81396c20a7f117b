"""Webhooks of Jenkins: it has none itself, and sends nothing signed.

The Notification plugin (https://plugins.jenkins.io/notification) posts the body read here, and takes user and password
from its endpoint's URL; a pipeline can send the same with a header of its own.
"""

from collections.abc import Mapping
from datetime import datetime

from providers.documents import Document, at
from providers.jenkins.wire import KEY_PARAMETER
from providers.webhooks.events import Event, Headers, Notice, name_of, run_notice, text_at
from providers.webhooks.signatures import require_authorization

_ENDED = frozenset({"COMPLETED", "FINALIZED"})
"""Phases in which a build's result is known; after the former, steps behind the build may still run."""


def verify(headers: Headers, _body: bytes, secret: str, _now: datetime) -> None:
    """Require the secret as a password or a token."""
    require_authorization(headers, secret)


def delivery(_headers: Headers) -> str:
    """Return nothing: there is no id."""
    return ""


def read(_headers: Headers, body: Document) -> Event:
    """Read which build an event is about. Raises NotAnEvent for a body without one."""
    phase = name_of(body, "build", "phase").upper()
    about: tuple[Notice, ...] = ()
    if phase in _ENDED:
        parameters = at(body, "build", "parameters")
        key = text_at(parameters, KEY_PARAMETER) if isinstance(parameters, Mapping) else ""
        about = (run_notice(name_of(body, "build", "full_url"), (key,)),)
    return Event(name=f"build {phase}", about=about)
