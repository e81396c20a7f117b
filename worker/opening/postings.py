"""Open Providers of commit statuses: ours, and those of Flux where the operator serves its Alerts."""

from collections.abc import Mapping
from functools import partial

from pydantic import ValidationError

from activities.environments import read_resource
from activities.flux.subscriptions import FLUX_VERSIONS, flux_providers
from activities.ports import MissingReason, PostingProvider, ReferenceMissing
from crds.api.ports import ApiNotFound, Document, Kubernetes
from crds.rules.field_errors import errors_of
from crds.rules.flux_addresses import WrongAddress, repository_address
from crds.v1alpha1.flux_provider import Provider, ProviderSpec
from providers.credentials import fingerprint
from providers.http import HttpClients
from providers.models import Credential, Route, ScmIdentity
from providers.registry import Access, open_scm_host
from worker.opening.credentials import ADDRESS_KEY, CA_KEY, Credentials, proxy_of
from worker.opening.flux import credential_of, host_options
from worker.opening.kept import Kept

CERTIFICATE_KEY, KEY_KEY = "tls.crt", "tls.key"
_OLD_KEYS: Mapping[str, str] = {CA_KEY: "caFile", CERTIFICATE_KEY: "certFile", KEY_KEY: "keyFile"}


class PostingProviders:
    """Open Providers, read in each use; what did not change is kept open."""

    def __init__(
        self, kubernetes: Kubernetes, http: HttpClients, credentials: Credentials, kept: Kept, *, flux_alerts: bool
    ) -> None:
        self._kubernetes = kubernetes
        self._http = http
        self._credentials = credentials
        self._kept = kept
        self._flux_alerts = flux_alerts

    async def open(self, namespace: str, name: str, *, flux: bool) -> PostingProvider:
        """Open one. Raises ReferenceMissing for what a person must provide."""
        what = f"Provider/{name}"
        uid, spec = await (self._flux(namespace, name) if flux else self._own(namespace, name))
        credential, address = await self._credential(namespace, what, spec, flux=flux)
        try:
            options = host_options(spec.type, repository_address(spec.type, address))
        except WrongAddress as error:
            raise ReferenceMissing(what, MissingReason.INVALID, f"its address {error}") from None
        identity = ScmIdentity(
            git_repository=name,
            git_repository_namespace=namespace,
            scm_provider=name,
            scm_provider_kind="Provider",
        )
        opened = partial(open_scm_host, options, Access(http=self._http, credential=credential), identity)
        host = self._kept.get(what, opened, namespace, str(flux), repr(options), fingerprint(credential))
        return PostingProvider(uid=uid, suspended=spec.suspend, timeout=spec.timeout, host=host)

    async def _own(self, namespace: str, name: str) -> tuple[str, ProviderSpec]:
        declared = await read_resource(self._kubernetes, Provider, namespace, name)
        return declared.metadata.uid or "", declared.spec

    async def _flux(self, namespace: str, name: str) -> tuple[str, ProviderSpec]:
        what = f"Provider/{name}"
        if not self._flux_alerts:
            text = "Providers of Flux are not served: set PILOTAGE_FLUX_ALERTS for Pilotage's workers"
            raise ReferenceMissing(what, MissingReason.INVALID, text)
        document = await self._of_flux(namespace, name)
        if document is None:
            raise ReferenceMissing(what, MissingReason.NOT_FOUND, f"it does not exist in namespace {namespace}")
        try:
            spec = ProviderSpec.from_wire(document.get("spec") or {})
        except ValidationError as invalid:
            fields = tuple(str(one) for one in errors_of(invalid))
            raise ReferenceMissing(what, MissingReason.INVALID, "it cannot be used", fields=fields) from None
        return str(document["metadata"].get("uid") or ""), spec

    async def _of_flux(self, namespace: str, name: str) -> Document | None:
        """Read a Provider of Flux in the newest version that the cluster has."""
        for version in FLUX_VERSIONS:
            try:
                return await self._kubernetes.get(flux_providers(version), namespace, name)
            except ApiNotFound as error:
                if not error.of_kind:
                    return None
        return None

    async def _credential(self, namespace: str, what: str, spec: ProviderSpec, *, flux: bool) -> tuple[Credential, str]:
        """Read the Secrets of a Provider. Flux asks for no label: who serves its Alerts consents to what it does."""

        async def entries(name: str) -> tuple[dict[str, str], tuple[str, ...] | None]:
            return await self._credentials.entries(namespace, name, user=what, consented=flux)

        data, hosts = await entries(spec.secret_ref.name)
        tls, shown_to = (data, hosts) if spec.cert_secret_ref is None else await entries(spec.cert_secret_ref.name)
        proxy = None if spec.proxy_secret_ref is None else (await entries(spec.proxy_secret_ref.name))[0]
        found = Credential(data=data, route=_route(tls, shown_to, proxy), name=spec.secret_ref.name, hosts=hosts)
        return credential_of(spec.type, found, username=spec.username or ""), data.get(ADDRESS_KEY) or spec.address


def _route(tls: Mapping[str, str], hosts: tuple[str, ...] | None, proxy: Mapping[str, str] | None) -> Route:
    ca, certificate, key = (tls.get(name) or tls.get(_OLD_KEYS[name]) for name in (CA_KEY, CERTIFICATE_KEY, KEY_KEY))
    return Route(
        ca_pem=ca,
        certificate_pem=certificate,
        key_pem=key,
        hosts=hosts,
        proxy=proxy_of(proxy) if proxy is not None else None,
    )
