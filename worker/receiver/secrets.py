"""The secret of a resource's webhooks: the key `webhookSecret` of the Secret that the resource names.

A GitRepository and a CI system of one have the secret of their host's credential, unless a TestRunner names a Secret of
its own. Consent counts as for every other use of a Secret, and so do the rules of a ClusterScmProvider.
"""

import asyncio
import time
from collections.abc import Mapping

from activities.environments import read_resource
from activities.ports import ReferenceMissing
from crds.api.ports import Kubernetes
from crds.api.reflector import Key
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.test_runner import TestRunner
from worker.opening.credentials import Credentials
from worker.receiver import hooks
from worker.receiver.hooks import ARGOCD, RUNNERS, Hook
from worker.receiver.mirrors import Mirrors

SECRET_KEY = "webhookSecret"  # noqa: S105 -- its name
KEPT_SECONDS = 5.0
"""How old a read may be that a delivery is proved by: a burst of them is one read, a rotated secret counts soon."""


class NoSecret(Exception):
    """The resource has no secret for webhooks; the text says why, for the log of the process only."""


class WebhookSecrets:
    """Read secrets of webhooks as deliveries come; of resources that exist alone, so that what is kept is bounded."""

    def __init__(self, kubernetes: Kubernetes, mirrors: Mirrors, *, system_namespace: str) -> None:
        self._kubernetes = kubernetes
        self._mirrors = mirrors
        self._credentials = Credentials(kubernetes, system_namespace=system_namespace)
        self._kept: dict[Hook, tuple[float, asyncio.Task[str]]] = {}

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
                return ARGOCD if self._mirrors.has_instance(key) else None

    async def read(self, hook: Hook) -> str:
        """Return the secret. Raises NoSecret, and ApiError where the API server does not answer."""
        now = time.monotonic()
        found = self._kept.get(hook)
        if found is None or now - found[0] > KEPT_SECONDS:
            self._forget(now)
            found = self._kept[hook] = now, asyncio.create_task(self._read(hook))
        # Who gives up must not end the read of the others.
        return await asyncio.shield(found[1])

    def _forget(self, now: float) -> None:
        for hook in [hook for hook, (at, _) in self._kept.items() if now - at > KEPT_SECONDS]:
            del self._kept[hook]

    async def _read(self, hook: Hook) -> str:
        try:
            secret = (await self._data(hook)).get(SECRET_KEY, "").strip()
        except ReferenceMissing as error:
            raise NoSecret(str(error)) from None
        if not secret:
            raise NoSecret(f"the Secret has no key `{SECRET_KEY}`")
        return secret

    async def _data(self, hook: Hook) -> Mapping[str, str]:
        what = f"{hook.kind}/{hook.name}"
        match hook.kind:
            case hooks.SCM_PROVIDER | hooks.CLUSTER_SCM_PROVIDER:
                return (await self._credentials.provider(hook.namespace, hook.name)).credential.data
            case hooks.GIT_REPOSITORY:
                return await self._of_repository(hook.namespace, hook.name)
            case hooks.ARGOCD_INSTANCE:
                instance = await read_resource(self._kubernetes, ArgoCDInstance, hook.namespace, hook.name)
                return (await self._credentials.read(hook.namespace, instance.spec.secret_ref, user=what)).data
            case _:
                spec = (await read_resource(self._kubernetes, TestRunner, hook.namespace, hook.name)).spec
                if spec.secret_ref is not None:
                    return (await self._credentials.read(hook.namespace, spec.secret_ref, user=what)).data
                hosted = spec.github_actions or spec.gitlab_ci
                if hosted is None:
                    raise NoSecret("spec.secretRef is not set")
                return await self._of_repository(hook.namespace, hosted.repository_ref.name)

    async def _of_repository(self, namespace: str, name: str) -> Mapping[str, str]:
        declared = await read_resource(self._kubernetes, GitRepository, namespace, name)
        return (await self._credentials.scm(namespace, declared)).credential.data
