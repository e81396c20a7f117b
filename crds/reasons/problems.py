"""What a call failed of, as messages name it. A value is added, never renamed."""

from enum import StrEnum


class FailureKind(StrEnum):
    """Kinds of problems: what a call to another system, or to Kubernetes, failed of. Messages begin with them.

    Where Pilotage raises it, the value is the failure's type in Temporal as well.
    """

    BUSY = "ProviderBusy"
    """Pilotage's own bound of calls to the host; nothing was sent."""
    RATE_LIMITED = "ProviderRateLimited"
    """The host asks to wait."""
    UNAVAILABLE = "ProviderUnavailable"
    """The host gives no answer, or answers 5xx."""
    BLOCKED = "ProviderBlocked"
    """A rule at the host forbids it for now, such as a sync window."""
    MALFORMED = "ProviderMalformed"
    """The answer is not what the host documents."""
    UNAUTHORIZED = "ProviderUnauthorized"
    """The host refuses the credential, or a right of it."""
    NOT_FOUND = "ProviderNotFound"
    """The host shows nothing at that address or name."""
    MISCONFIGURED = "ProviderMisconfigured"
    """A field or setting keeps Pilotage from sending the call; the message names it."""
    REJECTED = "ProviderRejected"
    """The host refuses what is asked of it."""
    CONFLICT = "ProviderConflict"
    """The object changed since it was read."""
    UNTRACEABLE = "TriggerUnknown"
    """A run may have started that cannot be found again."""
    REFERENCE_MISSING = "ReferenceMissing"
    """A named resource, Secret or key is missing or unusable."""
    INVALID_PARAMETERS = "InvalidParameters"
    """A parameter of a test or a template has no valid value."""
    API_FORBIDDEN = "ApiForbidden"
    """Kubernetes refuses a right to Pilotage."""
    API_INVALID = "ApiInvalid"
    """Kubernetes refuses what Pilotage writes."""
    API_UNAVAILABLE = "ApiUnavailable"
    """Kubernetes gives no usable answer."""
    EXPIRED = "AttemptExpired"
    """The attempt ran out of time within Pilotage, or no worker took it."""
    UNREPORTED = "NothingReported"
    """What deploys has not reported yet what runs."""
    UNEXPECTED = "Unexpected"
    """A defect of Pilotage, or an answer that it does not know."""
