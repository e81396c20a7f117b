"""Keep credentials out of texts that leave the process: logs, failures, statuses.

Two nets: values of Secrets that this process has read are known and cut out wherever they appear, and what is shaped
like a credential is cut out even when it is not known.
"""

from collections import OrderedDict
from collections.abc import Iterable

from providers.redaction import redact as redact_shapes
from providers.redaction import variants

PLACEHOLDER = "***"
_LEAST_LENGTH = 8
"""Shorter values would cut out parts of ordinary words."""
_REMEMBERED = 4000


class SecretValues:
    """Remember the values of Secrets that were read, in every form in which they could come back, the newest 4000."""

    def __init__(self) -> None:
        self._forms: OrderedDict[str, None] = OrderedDict()

    def remember(self, values: Iterable[str]) -> None:
        """Cut these values out of all later texts; very short ones are ignored."""
        for form in variants(value.strip() for value in values if len(value.strip()) >= _LEAST_LENGTH):
            self._forms[form] = None
            self._forms.move_to_end(form)
        while len(self._forms) > _REMEMBERED:
            self._forms.popitem(last=False)

    def cut(self, text: str) -> str:
        """Replace each remembered value in a text."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, PLACEHOLDER)
        return text


SECRET_VALUES = SecretValues()
"""Of this process. Credentials come and go with Secrets, so that nobody could pass a complete set around."""


def redact(text: str) -> str:
    """Return the text without known credentials and without anything shaped like one."""
    return redact_shapes(SECRET_VALUES.cut(text))
