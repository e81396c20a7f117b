"""Read credentials from Secrets: within a namespace, or through a ClusterScmProvider that allows the namespace."""

from collections.abc import Mapping
from dataclasses import dataclass

from activities.environments import read_resource
from activities.ports import MissingReason, ReferenceMissing
from activities.redaction import known
from crds.api.ports import NAMESPACES, ApiForbidden, ApiNotFound, Document, Kubernetes
from crds.fields import SecretReference
from crds.model import Model
from crds.rules.secrets import CONSENT_LABEL, HOSTS_ANNOTATION, consents
from crds.rules.shared_providers import validate_shared_provider
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider, ClusterScmProviderSpec, names_an_id
from crds.v1alpha1.git_repository import GitRepository, ProviderKind
from crds.v1alpha1.scm_host import ScmHost, ScmProviderSpec
from crds.v1alpha1.scm_provider import ScmProvider
from providers.credentials import fingerprint
from providers.models import Credential, Proxy, Route
from worker.opening.shared_reads import SharedReads

CA_KEY = "ca.crt"
ADDRESS_KEY = "address"
_PUBLIC_KEYS = frozenset(
    {
        "username",
        "appID",
        "installationID",
        "clientID",
        "tenantID",
        "authority",
        CA_KEY,
        # As Flux calls them.
        "githubAppID",
        "githubAppInstallationID",
        "githubAppInstallationOwner",
        "githubAppBaseURL",
        "caFile",
    }
)
SECRET_LIMIT_BYTES = 16 * 1024
"""Of all values other than the CA; each text that is shown is searched for every one of them."""


@dataclass(frozen=True, kw_only=True)
class ScmAccess:
    """What opening a repository needs of its provider."""

    host: ScmHost
    block: Model
    """The part of the provider's spec about its host, such as a GitHubHost."""
    credential: Credential
    provider: str
    provider_kind: str

    @property
    def key(self) -> tuple[str, ...]:
        """Separate this access from any other, without holding the credential."""
        return (self.provider_kind, self.provider, fingerprint(self.credential))


class Credentials:
    """Read Secrets, each once for its users of these seconds. Raises ReferenceMissing for what people must provide."""

    def __init__(self, kubernetes: Kubernetes, *, system_namespace: str) -> None:
        self._kubernetes = kubernetes
        self._secrets = SharedReads(kubernetes.get_secret)
        self._namespaces = SharedReads(self._read_namespace)
        self._system_namespace = system_namespace

    async def entries(
        self, namespace: str, name: str, *, user: str, consented: bool = False
    ) -> tuple[dict[str, str], tuple[str, ...] | None]:
        """Return all entries of a Secret, and the hosts that it may be sent to; `consented` asks for no label."""
        data, hosts = await self._secret(namespace, name, user, consented=consented)
        _keep_out_of_texts(name, user, data)
        return data, hosts

    async def read(
        self,
        namespace: str,
        reference: SecretReference,
        *,
        user: str,
        ca: SecretReference | None = None,
        proxy: SecretReference | None = None,
    ) -> Credential:
        """Read a Secret, the CA that its user trusts, and the proxy. From here on its values are cut out of texts."""
        data, hosts = await self._secret(namespace, reference.name, user)
        route = await self.route(namespace, ca=ca, proxy=proxy, user=user)
        _keep_out_of_texts(reference.name, user, data)
        return Credential(data=data, route=route, name=reference.name, hosts=hosts)

    async def route(
        self, namespace: str, *, ca: SecretReference | None, proxy: SecretReference | None, user: str
    ) -> Route:
        """Read the CA that a user of credentials trusts, and the proxy."""
        ca_pem = (await self._with_key(namespace, ca, CA_KEY, user))[CA_KEY] if ca is not None else None
        through = None
        if proxy is not None:
            through = proxy_of(await self._with_key(namespace, proxy, ADDRESS_KEY, user))
            _keep_out_of_texts(proxy.name, user, {"password": through.password})
        return Route(ca_pem=ca_pem, proxy=through)

    async def _with_key(self, namespace: str, reference: SecretReference, key: str, user: str) -> dict[str, str]:
        """Return the entries of a Secret other than the credential's own, which holds nothing without this key."""
        found, _ = await self._secret(namespace, reference.name, user)
        if not found.get(key):
            message = f"Secret `{reference.name}`, which {user} names, has no key `{key}`"
            raise _missing(reference.name, MissingReason.NO_KEY, message)
        return found

    async def scm(self, namespace: str, repository: GitRepository) -> ScmAccess:
        """Read the provider of a repository with its credential."""
        reference = repository.spec.scm_provider_ref
        if reference.kind is ProviderKind.CLUSTER_SCM_PROVIDER:
            what = f"{reference.kind.value}/{reference.name}"
            shared = (await read_resource(self._kubernetes, ClusterScmProvider, None, reference.name)).spec
            if errors := validate_shared_provider(shared):
                raise ReferenceMissing(what, MissingReason.INVALID, f"{what}: {errors[0]}")
            labels = await self._labels(namespace)
            if not shared.allowed_namespaces.matches(labels):
                message = f"{what} does not allow namespace `{namespace}`: its labels must match spec.allowedNamespaces"
                raise ReferenceMissing(what, MissingReason.NAMESPACE_NOT_ALLOWED, message)
            _check_allowed(what, shared, repository, labels)
            return await self._access(what, shared, self._system_namespace, repository)
        return await self._own_provider(namespace, reference.name, repository)

    async def provider(self, namespace: str, name: str) -> ScmAccess:
        """Read an ScmProvider, or with no namespace a ClusterScmProvider, with its credential."""
        if namespace:
            return await self._own_provider(namespace, name, None)
        shared = (await read_resource(self._kubernetes, ClusterScmProvider, None, name)).spec
        what = f"{ProviderKind.CLUSTER_SCM_PROVIDER.value}/{name}"
        return await self._access(what, shared, self._system_namespace, None)

    async def _own_provider(self, namespace: str, name: str, repository: GitRepository | None) -> ScmAccess:
        spec = (await read_resource(self._kubernetes, ScmProvider, namespace, name)).spec
        return await self._access(f"{ProviderKind.SCM_PROVIDER.value}/{name}", spec, namespace, repository)

    async def _access(self, what: str, spec: ScmProviderSpec, home: str, repository: GitRepository | None) -> ScmAccess:
        try:
            host = spec.host
            if repository is not None and host is not repository.spec.host:
                wanted = repository.spec.host.value
                raise ValueError(f"{what} is a {host.value} host, but the repository is described under `{wanted}`")
        except ValueError as error:
            raise ReferenceMissing(what, MissingReason.INVALID, str(error)) from None
        credential = await self.read(
            home, spec.secret_ref, ca=spec.ca_secret_ref, proxy=spec.proxy_secret_ref, user=what
        )
        provider_kind, _, provider = what.partition("/")
        return ScmAccess(
            host=host,
            block=spec.block,
            credential=credential,
            provider=provider,
            provider_kind=provider_kind,
        )

    async def _secret(
        self, namespace: str, name: str, user: str, *, consented: bool = False
    ) -> tuple[dict[str, str], tuple[str, ...] | None]:
        """Return the entries of a Secret that consents to be used, and the hosts that it may be sent to."""
        try:
            secret = await self._secrets.get(namespace, name)
        except ApiNotFound:
            message = f"Secret `{name}`, which {user} names, does not exist in namespace {namespace}: create it"
            raise _missing(name, MissingReason.SECRET_NOT_FOUND, message) from None
        except ApiForbidden:
            message = f"Pilotage may not read Secret `{name}` in namespace {namespace}, which {user} names"
            raise _missing(
                name, MissingReason.FORBIDDEN, f"{message}: grant `get` on it to the worker's service account"
            ) from None
        if not (consented or consents(secret.labels)):
            # A person who may write a TestRunner may miss the right to read Secrets, and could send any of them away.
            message = f"Secret `{name}`, which {user} names, does not consent to be used"
            line = f'label it `{CONSENT_LABEL}: "true"` if it may be sent to systems that resources name'
            raise _missing(name, MissingReason.NO_CONSENT, f"{message}: {line}")
        listed = secret.annotations.get(HOSTS_ANNOTATION)
        hosts = None if listed is None else tuple(one.strip() for one in listed.split(",") if one.strip())
        try:
            return {key: value.decode() for key, value in secret.data.items()}, hosts
        except UnicodeDecodeError:
            message = f"Secret `{name}`, which {user} names, holds a value that is not text"
            raise _missing(name, MissingReason.INVALID, message) from None

    async def _labels(self, namespace: str) -> dict[str, str]:
        document = await self._namespaces.get("", namespace)
        labels = document.get("metadata", {}).get("labels") or {}
        return {str(key): str(value) for key, value in labels.items()}

    async def _read_namespace(self, _nowhere: str, name: str) -> Document:
        return await self._kubernetes.get(NAMESPACES, None, name)


def proxy_of(entries: Mapping[str, str]) -> Proxy:
    """Return the proxy that a Secret names."""
    return Proxy(
        address=entries.get(ADDRESS_KEY, ""), username=entries.get("username", ""), password=entries.get("password", "")
    )


def _keep_out_of_texts(name: str, user: str, data: Mapping[str, str]) -> None:
    """Cut the values of a Secret out of every text from here on. Raises ReferenceMissing where they are too many."""
    values = [value for key, value in data.items() if key not in _PUBLIC_KEYS]
    message = f"Secret `{name}`, which {user} names, holds more"
    if sum(map(len, values)) > SECRET_LIMIT_BYTES:
        message = f"{message} than {SECRET_LIMIT_BYTES} bytes next to `{CA_KEY}`: make one of what is needed"
        raise _missing(name, MissingReason.INVALID, message)
    if not known().remember(values):
        message = f"{message} values, with the other Secrets used with it, than can be kept out of texts"
        raise _missing(name, MissingReason.INVALID, f"{message}: remove keys that are not needed")


def _check_allowed(
    what: str, shared: ClusterScmProviderSpec, repository: GitRepository, labels: Mapping[str, str]
) -> None:
    """Raise ReferenceMissing where a shared credential may not be used for this repository."""
    if shared.repositories and repository.spec.gitlab is not None and repository.spec.gitlab.project_id is not None:
        # The number decides which project is opened, whatever the names next to it are.
        message = f"{what} allows repositories by name: remove spec.gitlab.projectId"
        raise ReferenceMissing(what, MissingReason.REPOSITORY_NOT_ALLOWED, message)
    if shared.repositories and names_an_id(repository.spec.hosted.full_name):
        message = f"{what} allows repositories by name: write the name of the repository in place of its id"
        raise ReferenceMissing(what, MissingReason.REPOSITORY_NOT_ALLOWED, message)
    if not shared.allows(repository, labels):
        name = repository.spec.hosted.full_name
        message = f"{what} does not allow `{name}` to this namespace: its owner can add it to spec.repositories"
        raise ReferenceMissing(what, MissingReason.REPOSITORY_NOT_ALLOWED, message)


def _missing(secret: str, reason: MissingReason, message: str) -> ReferenceMissing:
    return ReferenceMissing(f"Secret/{secret}", reason, message)
