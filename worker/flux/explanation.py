"""Explain an event: plan it as the receiver does, and show the request that its adapter would send.

Nothing leaves the process: the network is replaced by one that answers each request itself.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from activities.commit_statuses import host_status
from activities.flux.events import FluxEvent, NotAnEvent, read_event
from activities.flux.matching import NO_OBJECT, ObjectLabels, Subscription
from activities.flux.planning import AddressInSecret, ProviderTarget, StatusPlan, plan
from activities.flux.signals import signal_of
from activities.flux.states import flux_state
from activities.flux.subscriptions import (
    ALERT,
    COMMIT_STATUS,
    FLUX_GROUP,
    PROVIDER,
    from_alert,
    from_commit_status,
    from_flux_provider,
    from_provider,
)
from crds.group import API_VERSION
from crds.rules.field_errors import errors_of
from crds.rules.flux_addresses import RepositoryAddress
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import GitProviderType, Provider
from providers.errors import ProviderError
from providers.http import HttpClients, HttpOptions
from providers.models import CommitStatus as HostStatus
from providers.models import Credential, ScmIdentity
from providers.registry import Access, open_scm_host
from worker.cli.exits import CliError, ExitCode
from worker.cli.validating import load_files
from worker.flux.evaluation import Expressions
from worker.flux.objects import resource_of_object
from worker.logs import configure_logs
from worker.opening.credentials import ADDRESS_KEY
from worker.opening.flux import WrongKeys, credential_of, host_options

Secrets = Mapping[tuple[str, str], Mapping[str, str]]
T = TypeVar("T")

OWN_GROUP = API_VERSION.partition("/")[0]
_NO_IDENTITY = ScmIdentity(git_repository="", git_repository_namespace="", scm_provider="", scm_provider_kind="")
_STAND_IN = {"token": "explained"}


async def explain_files(files: Sequence[Path], *, compat: bool) -> tuple[dict[str, Any], ...]:
    """Return what each subscription makes of the event in the files. Raises CliError for what cannot be used."""
    configure_logs(style="console", level="error")
    loaded = load_files(files)
    if loaded.unreadable:
        raise CliError(loaded.unreadable[0].to_line(), code=ExitCode.FAILED)
    documents = [one for _, one in loaded.documents if isinstance(one, dict)]
    events = [one for one in documents if "involvedObject" in one]
    if len(events) != 1:
        raise CliError(f"the files hold {len(events)} events: give one, as Flux sends it", code=ExitCode.USAGE)
    try:
        event = read_event(events[0], now=datetime.now(UTC))
    except NotAnEvent as error:
        raise CliError(f"the event cannot be read: {error}", code=ExitCode.FAILED) from None
    documents = [_placed(one, event.involved.namespace) for one in documents]
    secrets = _secrets(documents)
    expressions = Expressions()
    try:
        plans = plan(
            event,
            tuple(_subscriptions(documents)),
            targets=_targets(documents, secrets),
            labels=_labels(documents, event),
            evaluate=expressions.evaluate,
            compat=compat,
        )
    finally:
        expressions.close()
    return tuple([await _explained(event, one, secrets, compat=compat) for one in plans])


def _placed(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return a manifest as it is applied to the event's namespace, where it names none itself."""
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("namespace"):
        return document
    return {**document, "metadata": {**metadata, "namespace": namespace}}


def _subscriptions(documents: Sequence[Mapping[str, Any]]) -> Iterator[Subscription]:
    for document in documents:
        if _is(document, OWN_GROUP, COMMIT_STATUS):
            yield from_commit_status(_read(CommitStatus.from_wire, document))
        elif _is(document, FLUX_GROUP, ALERT):
            yield _read(from_alert, document)


def _targets(
    documents: Sequence[Mapping[str, Any]], secrets: Secrets
) -> Callable[[Subscription], ProviderTarget | None]:
    found: dict[tuple[bool, str, str], ProviderTarget] = {}
    for document in documents:
        if _is(document, OWN_GROUP, PROVIDER):
            target = from_provider(_read(Provider.from_wire, document))
        elif _is(document, FLUX_GROUP, PROVIDER):
            target = _read(from_flux_provider, document)
        else:
            continue
        if address := secrets.get((target.namespace, target.secret), {}).get(ADDRESS_KEY, "").strip():
            target = replace(target, address=address)
        found[target.is_flux, target.namespace, target.name] = target

    def of(subscription: Subscription) -> ProviderTarget | None:
        return found.get((subscription.kind == ALERT, subscription.namespace, subscription.provider))

    return of


def _labels(documents: Sequence[Mapping[str, Any]], event: FluxEvent) -> ObjectLabels:
    """Return the labels of the event's object, where it is among the files and the receiver would read them."""
    resource = resource_of_object(event.involved)
    if isinstance(resource, str):
        return ObjectLabels(fault=resource)
    involved = event.involved
    for document in documents:
        metadata = document.get("metadata")
        if not _is(document, resource.group, resource.kind) or not isinstance(metadata, Mapping):
            continue
        if (metadata.get("namespace", ""), metadata.get("name")) == (involved.namespace, involved.name):
            return ObjectLabels(found=_texts(metadata.get("labels")))
    return NO_OBJECT


def _secrets(documents: Sequence[Mapping[str, Any]]) -> Secrets:
    """Return the entries of Secrets among the files, by namespace and name."""
    found: dict[tuple[str, str], Mapping[str, str]] = {}
    for document in documents:
        metadata = document.get("metadata")
        if _is(document, "v1", "Secret") and isinstance(metadata, Mapping):
            data = {key: _decoded(value) for key, value in _texts(document.get("data")).items()}
            entries = data | dict(_texts(document.get("stringData")))
            found[str(metadata.get("namespace", "")), str(metadata.get("name", ""))] = entries
    return found


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError:
        raise CliError("a Secret in the files holds data that is no text in Base64", code=ExitCode.FAILED) from None


def _texts(given: object) -> Mapping[str, str]:
    return {str(key): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {}


def _read(read: Callable[[Mapping[str, Any]], T], document: Mapping[str, Any]) -> T:
    try:
        return read(document)
    except ValidationError as invalid:
        first = next(iter(errors_of(invalid)))
        metadata = document.get("metadata")
        name = metadata.get("name", "?") if isinstance(metadata, Mapping) else "?"
        raise CliError(f"{document.get('kind')}/{name}: {first}", code=ExitCode.FAILED) from None


def _is(document: Mapping[str, Any], group: str, kind: str) -> bool:
    return str(document.get("apiVersion", "")).partition("/")[0] == group and document.get("kind") == kind


async def _explained(event: FluxEvent, made: StatusPlan, secrets: Secrets, *, compat: bool) -> dict[str, Any]:
    wanted = made.wanted
    shown: dict[str, Any] = {
        "subscription": str(made.subscription),
        "matched": made.matched,
        "dropped": made.matched and wanted is None,
        "reason": made.reason,
        "provider": str(made.target) if made.target is not None else "",
        "repository": "",
        "commit": "",
        "context": "",
        "state": "",
        "description": "",
        "method": "",
        "url": "",
        "body": None,
        "error": made.reason if made.fault else "",
    }
    signalled = signal_of(event, made, now=event.timestamp)
    if wanted is None or made.target is None or signalled is None:
        return shown
    slot, verdict = signalled
    kind = GitProviderType(made.target.type)
    shown |= {
        "repository": slot.repository,
        "commit": slot.commit,
        "context": slot.context,
        "state": flux_state(kind, wanted.verdict) if compat else verdict.state,
        "description": verdict.description,
    }
    if not (made.target.uid or made.target.expression or made.subscription.prefix):
        shown["reason"] = f"the context ends in metadata.uid of {made.target}, which the files do not have"
    if fault := _fault_of_secret(made.target, kind, secrets):
        return shown | {"error": fault}
    if isinstance(wanted.repository, AddressInSecret):
        return shown | {"error": f"the address stands in {wanted.repository}: give that Secret among the files"}
    sent = await _request(kind, wanted.repository, slot.commit, host_status(slot, verdict))
    if isinstance(sent, str):
        return shown | {"error": sent}
    return shown | {"method": sent.method, "url": str(sent.url), "body": json.loads(sent.content)}


def _fault_of_secret(target: ProviderTarget, kind: GitProviderType, secrets: Secrets) -> str:
    """Return why a worker would not use a Secret that is among the files; empty for one that is not."""
    entries = secrets.get((target.namespace, target.secret))
    if entries is None:
        return ""
    try:
        credential_of(kind, Credential(data=entries))
    except WrongKeys as wrong:
        return f"Secret `{target.secret}`, which {target} names, {wrong}"
    return ""


class _Network(httpx.AsyncBaseTransport):
    """Keep what is written, and answer it as if it had been taken."""

    def __init__(self) -> None:
        self.written: httpx.Request | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            self.written = request
        return httpx.Response(201 if request.method != "GET" else 200, json={}, request=request)


async def _request(
    kind: GitProviderType, repository: RepositoryAddress, commit: str, status: HostStatus
) -> httpx.Request | str:
    """Return the request that posts a status, or why there is none."""
    network = _Network()
    # The host is no destination here: whether it may be called is for the worker to decide.
    host = repository.host
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=(host, f"api.{host}"), transport=network))
    credential = credential_of(kind, Credential(data=_STAND_IN))
    try:
        opened = open_scm_host(
            host_options(kind, repository), Access(http=clients, credential=credential), _NO_IDENTITY
        )
        await opened.commit_statuses.set(commit, status)
    except ProviderError as error:
        if network.written is None:
            return str(error)
    finally:
        await clients.aclose()
    return network.written if network.written is not None else "nothing would be sent"
