"""Why a call failed, as messages name it. A value is added, never renamed."""

from enum import StrEnum


class FailureKind(StrEnum):
    """Kinds of problems: why a call to another system, or to Kubernetes, failed. Messages begin with them.

    Where Pilotage raises it, the value is the failure's type in Temporal as well.
    """

    BUSY = "ProviderBusy"
    """Pilotage limits its calls to the host, and sent nothing."""
    RATE_LIMITED = "ProviderRateLimited"
    """The host asks Pilotage to wait."""
    UNAVAILABLE = "ProviderUnavailable"
    """The host gives no answer, or answers 5xx."""
    BLOCKED = "ProviderBlocked"
    """A rule at the host forbids the call for now, such as a sync window."""
    MALFORMED = "ProviderMalformed"
    """The answer is not what the host documents."""
    UNAUTHORIZED = "ProviderUnauthorized"
    """The host does not accept the credential, or the credential misses a right."""
    NOT_FOUND = "ProviderNotFound"
    """The host shows nothing at that address or name."""
    MISCONFIGURED = "ProviderMisconfigured"
    """A field or setting keeps Pilotage from sending the call; the message names it."""
    REJECTED = "ProviderRejected"
    """The host refuses the request itself."""
    CONFLICT = "ProviderConflict"
    """The object changed since Pilotage read it."""
    UNTRACEABLE = "TriggerUnknown"
    """A run may have started, and Pilotage cannot find it."""
    REFERENCE_MISSING = "ReferenceMissing"
    """A named resource, Secret or key is missing or unusable."""
    INVALID_PARAMETERS = "InvalidParameters"
    """A parameter of a test or a template has no valid value."""
    API_FORBIDDEN = "ApiForbidden"
    """Pilotage misses a right in Kubernetes."""
    API_INVALID = "ApiInvalid"
    """Kubernetes refuses what Pilotage writes."""
    API_UNAVAILABLE = "ApiUnavailable"
    """Kubernetes gives no usable answer."""
    EXPIRED = "AttemptExpired"
    """The attempt ran out of time within Pilotage, or no worker took it."""
    UNREPORTED = "NothingReported"
    """Flux has not reported yet what runs."""
    UNEXPECTED = "Unexpected"
    """A defect of Pilotage, or an answer that Pilotage does not know."""
