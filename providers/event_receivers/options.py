"""What a receiver of events needs in addition to a credential."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EventReceiverOptions:
    """Name one receiver."""

    url: str
