"""Open Providers of commit statuses: ours, and those of Flux where the operator serves its Alerts."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from pydantic import ValidationError

from activities.environments import read_resource
from activities.flux.foreign import FluxProvider
from activities.flux.subscriptions import FLUX_VERSIONS, flux_providers
from activities.ports import MissingReason, PostingProvider, ReferenceMissing
from crds.api.ports import ApiNotFound, Document, Kubernetes
from crds.rules.field_errors import errors_of
from crds.rules.flux_addresses import WrongAddress, repository_address
from crds.v1alpha1.flux_provider import GitProviderType, Provider
from providers.credentials import fingerprint
from providers.http import HttpClients
from providers.models import Credential, Proxy, ScmIdentity
from providers.registry import Access, open_scm_host
from worker.opening.credentials import ADDRESS_KEY, Credentials, proxy_of
from worker.opening.flux import WrongKeys, credential_of, host_options, route_of
from worker.opening.kept import Kept

_PROXY_KEY = "proxy"
"""Of a Secret that names a proxy in the form from before `proxySecretRef`."""
_TIMEOUT = timedelta(seconds=15)


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """A Provider of either group, as far as opening one needs it."""

    uid: str
    type: GitProviderType
    address: str
    username: str
    secret: str
    certificates: str
    """Name of the Secret with certificates; empty for the one of the credential."""
    proxy: str
    """Name of the Secret with the proxy; empty where none is named."""
    proxy_address: str = ""
    timeout: timedelta
    suspended: bool


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
        declared = await (self._flux(namespace, name) if flux else self._own(namespace, name))
        credential, address = await self._credential(namespace, what, declared, flux=flux)
        try:
            options = host_options(declared.type, repository_address(declared.type, address))
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
        return PostingProvider(uid=declared.uid, suspended=declared.suspended, timeout=declared.timeout, host=host)

    async def _own(self, namespace: str, name: str) -> _Declared:
        found = await read_resource(self._kubernetes, Provider, namespace, name)
        spec = found.spec
        return _Declared(
            uid=found.metadata.uid or "",
            type=spec.type,
            address=spec.address,
            username=spec.username or "",
            secret=spec.secret_ref.name,
            certificates=spec.cert_secret_ref.name if spec.cert_secret_ref is not None else "",
            proxy=spec.proxy_secret_ref.name if spec.proxy_secret_ref is not None else "",
            timeout=spec.timeout,
            suspended=spec.suspend,
        )

    async def _flux(self, namespace: str, name: str) -> _Declared:
        what = f"Provider/{name}"
        if not self._flux_alerts:
            text = "Providers of Flux are not served: set PILOTAGE_FLUX_ALERTS for Pilotage's workers"
            raise ReferenceMissing(what, MissingReason.INVALID, text)
        document = await self._of_flux(namespace, name)
        if document is None:
            raise ReferenceMissing(what, MissingReason.NOT_FOUND, f"it does not exist in namespace {namespace}")
        try:
            found = FluxProvider.from_wire(document)
            kind = GitProviderType(found.spec.type)
        except ValidationError as invalid:
            fields = tuple(str(one) for one in errors_of(invalid))
            raise ReferenceMissing(what, MissingReason.INVALID, "it cannot be used", fields=fields) from None
        except ValueError:
            text = f"its type `{document['spec']['type']}` has no commit statuses"
            raise ReferenceMissing(what, MissingReason.INVALID, text) from None
        spec = found.spec
        if spec.secret_ref is None:
            raise ReferenceMissing(what, MissingReason.INVALID, "it names no Secret: set its spec.secretRef")
        return _Declared(
            uid=found.metadata.uid or "",
            type=kind,
            address=spec.address,
            username=spec.username,
            secret=spec.secret_ref.name,
            certificates=spec.cert_secret_ref.name if spec.cert_secret_ref is not None else "",
            proxy=spec.proxy_secret_ref.name if spec.proxy_secret_ref is not None else "",
            proxy_address=spec.proxy,
            timeout=spec.timeout or _TIMEOUT,
            suspended=spec.suspend,
        )

    async def _of_flux(self, namespace: str, name: str) -> Document | None:
        """Read a Provider of Flux in the newest version that the cluster has."""
        for version in FLUX_VERSIONS:
            try:
                return await self._kubernetes.get(flux_providers(version), namespace, name)
            except ApiNotFound as error:
                if not error.of_kind:
                    return None
        return None

    async def _credential(
        self, namespace: str, what: str, declared: _Declared, *, flux: bool
    ) -> tuple[Credential, str]:
        """Read the Secrets of a Provider. Flux asks for no label: who serves its Alerts consents to what it does."""

        async def entries(name: str) -> tuple[dict[str, str], tuple[str, ...] | None]:
            return await self._credentials.entries(namespace, name, user=what, consented=flux)

        def missing(secret: str, text: str) -> ReferenceMissing:
            message = f"Secret `{secret}`, which {what} names, {text}"
            return ReferenceMissing(f"Secret/{secret}", MissingReason.NO_KEY, message)

        data, hosts = await entries(declared.secret)
        tls, shown_to = (data, hosts) if not declared.certificates else await entries(declared.certificates)
        try:
            route = route_of(tls, hosts=shown_to, named=bool(declared.certificates))
        except WrongKeys as wrong:
            raise missing(declared.certificates or declared.secret, str(wrong)) from None
        proxy = None
        if declared.proxy:
            proxy = proxy_of((await entries(declared.proxy))[0])
            if not proxy.address.strip():
                raise missing(declared.proxy, f"has no key `{ADDRESS_KEY}`, the address of the proxy")
        elif address := (data.get(_PROXY_KEY, "").strip() or declared.proxy_address):
            proxy = Proxy(address=address)
        found = Credential(data=data, route=replace(route, proxy=proxy), name=declared.secret, hosts=hosts)
        try:
            credential = credential_of(declared.type, found, username=declared.username)
        except WrongKeys as wrong:
            raise missing(declared.secret, str(wrong)) from None
        return credential, data.get(ADDRESS_KEY, "").strip() or declared.address
