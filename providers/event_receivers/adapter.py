"""EventReceiver over HTTP."""

from datetime import UTC, datetime

from providers.credentials import optional_secret
from providers.endpoint import Endpoint
from providers.event_receivers import wire
from providers.http import HttpClients
from providers.metrics import Recorder
from providers.models import Credential, EventMessage


class HttpEventReceiver:
    """Post events to one address; what its Secret holds decides how it proves itself."""

    def __init__(self, *, http: HttpClients, url: str, credential: Credential, record: Recorder) -> None:
        self._endpoint = Endpoint(http=http, base_url=url, credential=credential, record=record)
        self._credential = credential

    async def post(self, message: EventMessage) -> None:
        """Post one event. Any 2xx is success; a redirect is none."""
        credential = self._credential
        await self._endpoint.call(
            wire.post(
                message,
                secret=optional_secret(credential, "secret"),
                token=optional_secret(credential, "token"),
                now=datetime.now(UTC),
            )
        )
