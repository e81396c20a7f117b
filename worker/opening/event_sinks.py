"""Open EventSinks: looked up in each delivery, so that a changed address or Secret counts in moments."""

from dataclasses import replace
from functools import partial

from activities.environments import read_resource
from activities.ports import MissingReason, OpenSink, ReferenceMissing
from crds.api.ports import Kubernetes
from crds.v1alpha1.event_sink import EventSink
from providers.credentials import fingerprint
from providers.event_receivers.options import EventReceiverOptions
from providers.http import HttpClients
from providers.models import Credential
from providers.registry import Access, open_event_receiver
from worker.opening.credentials import ADDRESS_KEY, CA_KEY, Credentials
from worker.opening.kept import Kept


class EventSinks:
    """Open sinks; what did not change is kept open."""

    def __init__(self, kubernetes: Kubernetes, http: HttpClients, credentials: Credentials, kept: Kept) -> None:
        self._kubernetes = kubernetes
        self._http = http
        self._credentials = credentials
        self._kept = kept

    async def open(self, namespace: str, name: str) -> OpenSink:
        """Open one. Raises ReferenceMissing for what a person must provide."""
        what = f"EventSink/{name}"
        declared = await read_resource(self._kubernetes, EventSink, namespace, name)
        spec, data, hosts = declared.spec, dict[str, str](), None
        if spec.secret_ref is not None:
            data, hosts = await self._credentials.entries(namespace, spec.secret_ref.name, user=what)
        route = await self._credentials.route(namespace, ca=spec.ca_secret_ref, proxy=spec.proxy_secret_ref, user=what)
        route = replace(route, ca_pem=route.ca_pem or data.get(CA_KEY))
        secret = spec.secret_ref.name if spec.secret_ref is not None else ""
        credential = Credential(data=data, route=route, name=secret, hosts=hosts)
        url = credential.data.get(ADDRESS_KEY, "").strip() or spec.url
        if not url:
            message = f"has no address: set spec.url, or add the key `{ADDRESS_KEY}` to its Secret"
            raise ReferenceMissing(what, MissingReason.NO_KEY, message)
        options = EventReceiverOptions(url=url)
        access = Access(http=self._http, credential=credential)
        receiver = self._kept.get(
            what, partial(open_event_receiver, options, access), namespace, url, fingerprint(credential)
        )
        return OpenSink(uid=declared.metadata.uid or "", spec=spec, receiver=receiver)
