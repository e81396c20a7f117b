"""Keep credentials out of texts that leave the process: logs, failures, statuses.

Two nets: the values of Secrets that the activity at hand has read are known and cut out wherever they appear, and what
is shaped like a credential is cut out even when it is not known.

What is known belongs to one activity, never to the process: a tenant whose Secret holds the text `Completed` would
blank it for all others, and one with thousands of values would push theirs out.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from providers.redaction import redact as redact_shapes
from providers.redaction import variants, without_begun

PLACEHOLDER = "***"
_LEAST_LENGTH = 8
"""Shorter values would cut out parts of ordinary texts."""
FORMS_LIMIT = 4000
"""Of one activity: a text of 2 KB is searched for as many in 10 ms. A token has two, a private key 30."""


class SecretValues:
    """Hold values of Secrets in every form in which they could come back."""

    def __init__(self) -> None:
        self._forms: dict[str, None] = {}

    def remember(self, values: Iterable[str]) -> bool:
        """Cut these values out of all later texts; very short ones are ignored.

        False, and none of them, where they are too many to be looked for.
        """
        forms = variants(value.strip() for value in values if len(value.strip()) >= _LEAST_LENGTH)
        if not all(form in self._forms for form in forms):
            together = {*self._forms, *forms}
            if len(together) > FORMS_LIMIT:
                return False
            # Longest first, so that no part of a longer form stays behind.
            self._forms = dict.fromkeys(sorted(together, key=len, reverse=True))
        return True

    def cut(self, text: str) -> str:
        """Replace each remembered value in a text."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, PLACEHOLDER)
        return without_begun(text, self._forms)


_READ: ContextVar[SecretValues | None] = ContextVar("secret_values", default=None)


@contextmanager
def reading_secrets() -> Iterator[SecretValues]:
    """Keep what is read of Secrets in this context, and in the tasks that it starts, until it ends."""
    token = _READ.set(SecretValues())
    try:
        yield known()
    finally:
        _READ.reset(token)


def known() -> SecretValues:
    """Return the values that this context has read; outside of `reading_secrets` nothing is remembered."""
    found = _READ.get()
    return SecretValues() if found is None else found


def redact(text: str) -> str:
    """Return the text without known credentials and without anything shaped like one."""
    return redact_shapes(known().cut(text))
