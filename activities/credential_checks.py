"""Prove what resources declare: one cheap call with the credential, and what to fix where it fails."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from temporalio import activity

from activities.contracts import ConditionActivities, ConnectionActivities
from activities.failures import bounded, describe, reported
from activities.models.credential_checks import (
    CheckConnectionInput,
    CheckConnectionResult,
    CheckedResource,
    CredentialCheckOutcome,
    PublishConnectionInput,
)
from activities.models.status import PublishStatusResult
from activities.ports import MissingReason, PostingOpener, ReferenceMissing, ResourceOpener
from crds.api.mirror import read_through
from crds.api.ports import ApiForbidden, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import CONNECTION_MANAGER, WantedCondition, publish_conditions
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.resource import Resource
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.kinds import CONNECTED
from crds.v1alpha1.scm_host import HOST_FIELDS
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import RunnerType, TestRunner
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)

KINDS: Mapping[str, type[Resource]] = {kind.definition.kind: kind for kind in CONNECTED}
_BLOCKS: Mapping[type[Resource], tuple[str, ...]] = {
    ClusterScmProvider: HOST_FIELDS,
    ScmProvider: HOST_FIELDS,
    TestRunner: tuple(RunnerType),
}
"""Blocks of a spec of which exactly one is set, by the kinds that show it as `status.type`."""
ANSWER_WITHIN = timedelta(seconds=15)
"""Bound of one check, its wait for a turn at the host included: it holds a slot, and one cheap call takes no longer."""
_FORBIDDEN = 403


class CredentialProofs(ConnectionActivities):
    """Prove connections with the ports' `check`."""

    def __init__(
        self, kubernetes: Kubernetes, opener: ResourceOpener, *, postings: PostingOpener | None = None
    ) -> None:
        self._kubernetes = kubernetes
        self._opener = opener
        self._postings = postings

    @activity.defn
    @reported
    async def check_connection(self, request: CheckConnectionInput) -> CheckConnectionResult:
        """Prove address and credential of one resource by one cheap call. A refusal is an answer. Safe to retry."""
        connection = request.connection
        kind = KINDS[connection.kind]
        try:
            with read_through():
                document = await self._kubernetes.get(
                    resource_of(kind.definition), connection.namespace or None, connection.name
                )
        except ApiNotFound:
            return CheckConnectionResult(gone=True)
        metadata = document["metadata"]
        if metadata.get("uid") != connection.uid:
            return CheckConnectionResult(gone=True)
        # A check is asked for because something changed.
        with read_through():
            outcome, retry_after = await self._prove(connection, document)
        return CheckConnectionResult(
            generation=int(metadata.get("generation") or 0), outcome=outcome, retry_after=retry_after
        )

    async def _prove(
        self, connection: CheckedResource, document: Document
    ) -> tuple[CredentialCheckOutcome, timedelta | None]:
        try:
            async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                answer = await self._ask(connection)
        except TimeoutError:
            text = f"no answer within {ANSWER_WITHIN.total_seconds():g} s"
            return explain(ProviderUnavailable(text, status=504), connection, document), None
        except ProviderBusy:
            raise
        except ProviderError as error:
            return explain(error, connection, document), error.retry_after
        except ReferenceMissing as error:
            return explain_missing(error), None
        except ApiForbidden as error:
            text = f"Pilotage may not read what this refers to; fix the worker's Role: {describe(error)}"
            return _refused(ConditionReason.FORBIDDEN, text), None
        accepted = ConditionReason.CREDENTIAL_ACCEPTED.value
        version = answer if connection.kind == "ArgoCDInstance" else ""
        message = bounded(f"the server accepts the credential: {answer}")
        return CredentialCheckOutcome(accepted=True, reason=accepted, message=message, version=version), None

    async def _ask(self, connection: CheckedResource) -> str:
        namespace, name = connection.namespace, connection.name
        match connection.kind:
            case "GitRepository":
                return await (await self._opener.repository_check(namespace, name)).check()
            case "TestRunner":
                return await (await self._opener.ci_runs(namespace, name)).check()
            case "ArgoCDInstance":
                return await (await self._opener.deployments(namespace, name)).check()
            case "Provider" if self._postings is not None:
                return await (await self._postings.posting_provider(namespace, name)).host.check()
            case _:
                return await (await self._opener.provider_check(namespace, name)).check()


class CredentialConditions(ConditionActivities):
    """Write conditions through the Kubernetes API."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    @activity.defn
    @reported
    async def publish_connection(self, request: PublishConnectionInput) -> PublishStatusResult:
        """Write one condition unless the uid or a newer generation shows that it is not ours. Safe to retry."""
        connection, outcome = request.connection, request.outcome
        kind = KINDS[connection.kind]
        fields: dict[str, object] = {"observedGeneration": request.generation}
        if connection.kind == "ArgoCDInstance":
            fields["version"] = outcome.version or None
        written = await publish_conditions(
            self._kubernetes,
            kind.definition,
            namespace=connection.namespace,
            name=connection.name,
            uid=connection.uid,
            wanted=(
                WantedCondition(
                    type=ConditionType.REACHABLE,
                    status=outcome.accepted,
                    reason=outcome.reason,
                    message=outcome.message,
                ),
            ),
            field_manager=CONNECTION_MANAGER,
            generation=request.generation,
            fields=fields,
            derived=partial(_type_of, kind),
        )
        return PublishStatusResult(written=written, reason="" if written else "NothingToWrite")


def _type_of(kind: type[Resource], document: Document) -> dict[str, object]:
    """Return `status.type` for the kinds that have it: the block that the spec sets."""
    blocks = _BLOCKS.get(kind, ())
    return {"type": next((one for one in blocks if one in document["spec"]), None)} if blocks else {}


def explain(error: ProviderError, connection: CheckedResource, document: Document) -> CredentialCheckOutcome:
    """Turn a host's refusal into a reason and what a person can do about it."""
    message = describe(error)
    secret = _secret_of(connection, document)
    if isinstance(error, ProviderUnauthorized) and error.status == _FORBIDDEN:
        text = f"the server knows the credential, but a right is missing: grant it, or put another one into {secret}"
        return _refused(ConditionReason.FORBIDDEN, f"{text} ({message})")
    if isinstance(error, ProviderUnauthorized):
        text = f"the server does not accept the credential: put a valid one into {secret}"
        return _refused(ConditionReason.UNAUTHORIZED, f"{text} ({message})")
    if isinstance(error, ProviderMisconfigured):
        # Nothing was sent, and the message names the field or setting: the credential was not judged.
        return _refused(ConditionReason.INVALID, message)
    if isinstance(error, ProviderNotFound):
        what = "the address" if connection.kind.endswith(("Instance", "Provider")) else "the address or name"
        text = f"the server shows nothing there: fix {what} in the spec, or let the credential of {secret} see it"
        return _refused(ConditionReason.NOT_FOUND, f"{text} ({message})")
    if isinstance(error, ProviderRateLimited):
        text = f"the host asks Pilotage to wait and has not judged the credential; Pilotage checks it again ({message})"
        return CredentialCheckOutcome(accepted=None, reason=ConditionReason.RATE_LIMITED.value, message=bounded(text))
    if isinstance(error, ProviderRejected):
        return _refused(ConditionReason.INVALID, f"the check was refused: fix the spec or the Secret ({message})")
    text = "the server gives no usable answer: check its address, its certificate (`caSecretRef`) and the server itself"
    return _refused(ConditionReason.UNAVAILABLE, f"{text} ({message})")


_REASONS: Mapping[MissingReason, ConditionReason] = {
    MissingReason.NOT_FOUND: ConditionReason.REFERENCE_NOT_FOUND,
    MissingReason.SECRET_NOT_FOUND: ConditionReason.SECRET_NOT_FOUND,
    MissingReason.NO_KEY: ConditionReason.SECRET_NOT_FOUND,
    MissingReason.NO_CONSENT: ConditionReason.NO_CONSENT,
    MissingReason.FORBIDDEN: ConditionReason.FORBIDDEN,
    MissingReason.NAMESPACE_NOT_ALLOWED: ConditionReason.NAMESPACE_NOT_ALLOWED,
    MissingReason.REPOSITORY_NOT_ALLOWED: ConditionReason.REPOSITORY_NOT_ALLOWED,
}
"""Reason of the condition; what is not named is invalid."""


def explain_missing(error: ReferenceMissing) -> CredentialCheckOutcome:
    """Turn a missing or unusable reference into a reason; its message names already what to provide."""
    fields = "".join(f"; {one}" for one in error.fields)
    return _refused(_REASONS.get(error.reason, ConditionReason.INVALID), f"{error.message}{fields}")


def _secret_of(connection: CheckedResource, document: Document) -> str:
    spec = document.get("spec", {})
    if connection.kind == "GitRepository":
        provider = spec.get("scmProviderRef", {})
        return f"the Secret of {provider.get('kind', 'ScmProvider')} `{provider.get('name', '')}`"
    if "secretRef" not in spec:
        return "the Secret of its repository's provider"
    return f"Secret `{spec['secretRef'].get('name', '')}`"


def _refused(reason: ConditionReason, message: str) -> CredentialCheckOutcome:
    return CredentialCheckOutcome(accepted=False, reason=reason.value, message=bounded(message))
