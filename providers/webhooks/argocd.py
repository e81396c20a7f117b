"""Webhooks of Argo CD's notifications, whose body the installation's own template makes.

https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/; docs/guides/webhooks.md has
the template that this reads.
"""

from datetime import datetime

from providers.documents import Document
from providers.webhooks.events import ApplicationNotice, Event, Headers, name_of, text_at
from providers.webhooks.signatures import require_authorization


def verify(headers: Headers, _body: bytes, secret: str, _now: datetime) -> None:
    """Require the secret as a token, or as a password: notifications are not signed."""
    require_authorization(headers, secret)


def delivery(_headers: Headers) -> str:
    """Return nothing: there is no id."""
    return ""


def read(_headers: Headers, body: Document) -> Event:
    """Read which application a notification is about. Raises NotAnEvent for a body that names none."""
    notice = ApplicationNotice(name=name_of(body, "application"), project=text_at(body, "project"))
    return Event(name="application", about=(notice,))
