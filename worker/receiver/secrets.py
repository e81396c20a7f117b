"""The secret of a resource's webhooks: the key `webhookSecret` of the Secret in `webhookSecretRef`, else `secretRef`.

A GitRepository that names none has its provider's, and a TestRunner its repository's. Only the one Secret is read, so
that a receiver needs no right to read credentials where each resource names a Secret for its webhooks. It must consent,
as for every other use. While a secret is rotated the key holds both, one a line.
"""

from activities.environments import read_resource
from activities.ports import ReferenceMissing
from crds.api.ports import Kubernetes
from crds.api.reflector import Key
from crds.fields import SecretReference
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from worker.opening.credentials import Credentials
from worker.receiver import hooks
from worker.receiver.hooks import ARGOCD, RUNNERS, Hook
from worker.receiver.mirrors import Mirrors
from worker.receiver.shared import KeptReads

SECRET_KEY = "webhookSecret"  # noqa: S105 -- its name
AT_ONCE = 4
"""Secrets that one key may hold; each costs a hash of every body that is not proved."""
KEPT_SECONDS = 5.0
"""How old a read may be that a delivery is proved by: a burst of them is one read, a rotated secret counts soon."""


class NoSecret(Exception):
    """The resource has no secret for webhooks; the text has the reason, for the log of the process only."""


def each_of(secret: str) -> tuple[str, ...]:
    """Return the secrets that a key holds, one a line."""
    return tuple(one.strip() for one in secret.splitlines() if one.strip())[:AT_ONCE]


class WebhookSecrets:
    """Read secrets of webhooks as deliveries come; of resources that exist alone, so that what is kept is bounded."""

    def __init__(self, kubernetes: Kubernetes, mirrors: Mirrors, *, system_namespace: str) -> None:
        self._kubernetes = kubernetes
        self._mirrors = mirrors
        self._system_namespace = system_namespace
        self._credentials = Credentials(kubernetes, system_namespace=system_namespace)
        self._kept: KeptReads[Hook, str] = KeptReads(self._read, KEPT_SECONDS)

    def sender(self, hook: Hook) -> str | None:
        """Return the system whose webhooks come to an address; None where the resource does not exist."""
        key = Key(hook.namespace, hook.name)
        match hook.kind:
            case hooks.GIT_REPOSITORY:
                repository = self._mirrors.repository(key)
                return repository.host.value if repository is not None else None
            case hooks.SCM_PROVIDER | hooks.CLUSTER_SCM_PROVIDER:
                host = self._mirrors.provider(key)
                return host.value if host is not None else None
            case hooks.TEST_RUNNER:
                runner = self._mirrors.runner(key)
                return RUNNERS[runner.type] if runner is not None else None
            case _:
                return ARGOCD if self._mirrors.instance(key) is not None else None

    async def read(self, hook: Hook) -> str:
        """Return the secret. Raises NoSecret, and ApiError where the API server does not answer."""
        return await self._kept.get(hook)

    async def refreshed(self, hook: Hook) -> str:
        """Return the secret as it is now, for a delivery that an earlier read did not prove: it may be a new one."""
        return await self._kept.refreshed(hook)

    async def _read(self, hook: Hook) -> str:
        what = f"{hook.kind}/{hook.name}"
        try:
            home, reference = await self._reference(hook.kind, hook.namespace, hook.name)
            data = (await self._credentials.read(home, reference, user=what)).data
        except ReferenceMissing as error:
            raise NoSecret(str(error)) from None
        secret = data.get(SECRET_KEY, "").strip()
        if not secret:
            raise NoSecret(f"Secret `{reference.name}`, which {what} names, has no key `{SECRET_KEY}`")
        return secret

    async def _reference(self, kind: str, namespace: str, name: str) -> tuple[str, SecretReference]:
        """Find the Secret of a resource, and its namespace."""
        match kind:
            case hooks.GIT_REPOSITORY:
                repository = (await read_resource(self._kubernetes, GitRepository, namespace, name)).spec
                if repository.webhook_secret_ref is not None:
                    return namespace, repository.webhook_secret_ref
                provider = repository.scm_provider_ref
                return await self._reference(provider.kind.value, namespace, provider.name)
            case hooks.CLUSTER_SCM_PROVIDER:
                # Who knows the secret of a shared provider may report on every repository that names it.
                shared = (await read_resource(self._kubernetes, ClusterScmProvider, None, name)).spec
                return self._system_namespace, shared.webhook_secret_ref or shared.secret_ref
            case hooks.SCM_PROVIDER:
                own = (await read_resource(self._kubernetes, ScmProvider, namespace, name)).spec
                return namespace, own.webhook_secret_ref or own.secret_ref
            case hooks.ARGOCD_INSTANCE:
                instance = (await read_resource(self._kubernetes, ArgoCDInstance, namespace, name)).spec
                return namespace, instance.webhook_secret_ref or instance.secret_ref
            case _:
                return await self._of_runner(namespace, name)

    async def _of_runner(self, namespace: str, name: str) -> tuple[str, SecretReference]:
        runner = (await read_resource(self._kubernetes, TestRunner, namespace, name)).spec
        if (named := runner.webhook_secret_ref or runner.secret_ref) is not None:
            return namespace, named
        if runner.hosted is None:
            raise NoSecret(f"{hooks.TEST_RUNNER}/{name} names no Secret")
        return await self._reference(hooks.GIT_REPOSITORY, namespace, runner.hosted.repository_ref.name)
