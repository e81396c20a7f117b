"""Whether what is declared can be used: connections, the Secrets that they name, and those of webhooks."""

from collections.abc import AsyncIterator, Iterator, Sequence

from pydantic import ValidationError

from crds.api.ports import ApiError, ApiForbidden, ApiNotFound, SecretData, resource_of
from crds.conditions import ConditionStatus, ConditionType, find_condition
from crds.group import in_full
from crds.model import Scope
from crds.readiness import is_outdated
from crds.rules.secrets import CONSENT_LABEL, NamedSecret, consents, named_secrets
from crds.texts.plain import counted
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from worker.cli.findings import Finding, unknown, well, wrong
from worker.cli.session import Cluster
from worker.receiver.hooks import KINDS as HOOKED
from worker.receiver.hooks import Hook
from worker.receiver.secrets import SECRET_KEY

Connection = ScmProvider | ClusterScmProvider | GitRepository | TestRunner | ArgoCDInstance | Provider | EventSink
CONNECTIONS: tuple[type[Connection], ...] = (
    ScmProvider,
    ClusterScmProvider,
    GitRepository,
    TestRunner,
    ArgoCDInstance,
    Provider,
    EventSink,
)
WEBHOOK_FIELD = "webhookSecretRef"


async def credentials(
    kubernetes: Cluster, namespaces: Sequence[str], *, system_namespace: str
) -> AsyncIterator[Finding]:
    """Yield what is found of each declared connection, in each namespace, or in all where none is named."""
    for kind in CONNECTIONS:
        places = namespaces if namespaces and kind.definition.scope is Scope.NAMESPACED else (None,)
        for place in places:
            try:
                page = await kubernetes.list_all(resource_of(kind.definition), place)
            except ApiError as error:
                yield unknown("credential", f"{kind.definition.plural}: {error.message}")
                continue
            for document in page.items:
                try:
                    declared = kind.from_wire(document)
                except ValidationError as error:
                    name = document["metadata"]["name"]
                    text = f"{kind.definition.kind}/{name}: {counted(error.error_count(), 'field')} not of this release"
                    yield unknown("credential", text)
                    continue
                async for finding in _declared(kubernetes, declared, system_namespace):
                    yield finding


async def _declared(kubernetes: Cluster, declared: Connection, system_namespace: str) -> AsyncIterator[Finding]:
    namespace = declared.metadata.namespace or ""
    home = namespace or system_namespace
    yield _reached(declared, namespace)
    for named in named_secrets(declared):
        try:
            secret = await kubernetes.get_secret(home, named.secret)
        except ApiNotFound:
            create = f"kubectl -n {home} create secret generic {named.secret}"
            fix = f"{create} --from-literal=…, and label it {CONSENT_LABEL}=true"
            yield wrong("credential", f"{_who(named, home)} does not exist", fix=fix)
        except ApiForbidden:
            yield unknown("credential", f"{_who(named, home)}: you may not read it")
        except ApiError as error:
            yield unknown("credential", f"{_who(named, home)}: {error.message}")
        else:
            for finding in _secret(declared, named, home, secret):
                yield finding


def _reached(declared: Connection, namespace: str) -> Finding:
    """Return what the check of a connection found, or what a sink's receiver answered; workers ask, with the Secret."""
    name = f"{declared.definition.kind}/{declared.metadata.name}{f' in {namespace}' if namespace else ''}"
    sink = isinstance(declared, EventSink)
    found = find_condition(declared.status.conditions, ConditionType.DELIVERED if sink else ConditionType.REACHABLE)
    if found is None:
        return unknown("credential", f"{name} {'was sent no event' if sink else 'was not checked'} yet")
    text = f"{name}: {found.reason}{f': {found.message}' if found.message else ''}"
    if is_outdated(found, declared.metadata.generation):
        return unknown("credential", f"{text}, before its last change")
    if found.status is ConditionStatus.TRUE:
        return well("credential", text)
    if found.status is ConditionStatus.UNKNOWN:
        return unknown("credential", text)
    place = f"-n {namespace} " if namespace else ""
    fix = f"kubectl {place}describe {in_full(declared.definition.kind)} {declared.metadata.name}"
    return wrong("credential", text, fix=fix)


def _secret(declared: Connection, named: NamedSecret, home: str, secret: SecretData) -> Iterator[Finding]:
    if not consents(secret.labels):
        fix = f"kubectl -n {home} label secret {named.secret} {CONSENT_LABEL}=true"
        yield wrong("credential", f'{_who(named, home)} is without the label `{CONSENT_LABEL}: "true"`', fix=fix)
    else:
        yield well("credential", f"{_who(named, home)} may be used")
    if declared.definition.kind in HOOKED:
        webhook = _webhook(declared, named, home, secret)
        if webhook is not None:
            yield webhook


def _webhook(declared: Connection, named: NamedSecret, home: str, secret: SecretData) -> Finding | None:
    """Return whether webhooks of a resource can be proved by a Secret; None where another one is named for them."""
    own = any(one.field == WEBHOOK_FIELD for one in named_secrets(declared))
    if named.field != (WEBHOOK_FIELD if own else "secretRef"):
        return None
    hook = Hook(namespace=declared.metadata.namespace or "", kind=declared.definition.kind, name=declared.metadata.name)
    if secret.data.get(SECRET_KEY, b"").strip():
        return well("webhook", f"/hooks/{hook} can prove its deliveries")
    fix = f"add the key `{SECRET_KEY}` to Secret {named.secret} in {home}, and the same value at the sender"
    if own:
        return wrong("webhook", f"{_who(named, home)} has no key `{SECRET_KEY}`: each delivery is refused", fix=fix)
    return unknown("webhook", f"/hooks/{hook} has no secret, and takes no webhooks: Pilotage polls instead", fix=fix)


def _who(named: NamedSecret, home: str) -> str:
    return f"Secret {named.secret} in {home}, {named.field} of {named.user},"
