"""Outcome errors of every provider; no HTTP library's exception ever leaves an adapter."""

from datetime import timedelta


class ProviderError(Exception):
    """Carry what a host answered, bounded and redacted, with what a caller can act on."""

    retryable = True

    def __init__(self, message: str, *, status: int | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ProviderUnavailable(ProviderError):
    """No answer, or 5xx: later may help."""


class ProviderBlocked(ProviderUnavailable):
    """A rule at the host forbids it for now, such as a sync window; it ends by itself."""


class ProviderRateLimited(ProviderError):
    """The host asks us to wait, for `retry_after`."""


class ProviderBusy(ProviderError):
    """A bound of this process was reached, such as that of calls with a credential; nothing was begun at the host."""


class ProviderUnauthorized(ProviderError):
    """401 or 403: a person must fix the credential or its rights; shown, and tried again with long pauses."""


class ProviderNotFound(ProviderError):
    """404, or what a host hides as such: a person must fix a name or rights; shown, and tried again."""


class ProviderMisconfigured(ProviderError):
    """A field of a resource, or a setting of Pilotage, keeps anything from being sent; the message names it.

    No credential helps: the message names the field or setting to fix.
    """


class ProviderRejected(ProviderError):
    """The host understood and refuses; the same request will be refused again."""

    retryable = False


class ProviderConflict(ProviderError):
    """A compare-and-set was lost, or the thing exists already: read again, then decide."""

    retryable = False


class ProviderMalformed(ProviderError):
    """The answer was not what the API promises (HTML for JSON, truncated, too large)."""


class TriggerUnknown(ProviderError):
    """A trigger may or may not have been accepted and cannot be found by its key; it must not be sent again."""

    retryable = False
