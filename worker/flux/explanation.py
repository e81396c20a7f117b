"""Explain an event: plan it as the receiver does, and show the request that its adapter would send.

Nothing leaves the process: the network is replaced by one that answers each request itself.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from activities.flux.events import FluxEvent, NotAnEvent, read_event
from activities.flux.matching import Subscription
from activities.flux.planning import ProviderTarget, StatusPlan, plan
from activities.flux.states import flux_state
from activities.flux.subscriptions import (
    ALERT,
    FLUX_GROUP,
    from_alert,
    from_commit_status,
    from_flux_provider,
    from_provider,
)
from crds.group import API_VERSION
from crds.rules.field_errors import errors_of
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import GitProviderType, Provider
from providers import models
from providers.errors import ProviderError
from providers.http import HttpClients, HttpOptions
from providers.models import Credential, ScmIdentity
from providers.registry import Access, open_scm_host
from worker.cli.exits import CliError, ExitCode
from worker.cli.validating import load_files
from worker.flux.evaluation import Expressions
from worker.logs import configure_logs
from worker.opening.flux import credential_of, host_options

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
    expressions = Expressions()
    try:
        plans = plan(
            event,
            tuple(_subscriptions(documents)),
            targets=_targets(documents),
            labels=_labels(documents, event),
            evaluate=expressions.evaluate,
            compat=compat,
        )
    finally:
        expressions.close()
    return tuple([await _explained(event, one, compat=compat) for one in plans])


def _subscriptions(documents: Sequence[Mapping[str, Any]]) -> Iterator[Subscription]:
    for document in documents:
        if _is(document, API_VERSION.partition("/")[0], "CommitStatus"):
            yield from_commit_status(_read(CommitStatus, document))
        elif _is(document, FLUX_GROUP, ALERT):
            yield from_alert(document)


def _targets(documents: Sequence[Mapping[str, Any]]) -> Any:
    found: dict[tuple[bool, str, str], ProviderTarget] = {}
    for document in documents:
        if _is(document, API_VERSION.partition("/")[0], "Provider"):
            target = from_provider(_read(Provider, document))
        elif _is(document, FLUX_GROUP, "Provider"):
            target = from_flux_provider(document)
        else:
            continue
        found[target.is_flux, target.namespace, target.name] = target

    def of(subscription: Subscription) -> ProviderTarget | None:
        return found.get((subscription.kind == ALERT, subscription.namespace, subscription.provider))

    return of


def _labels(documents: Sequence[Mapping[str, Any]], event: FluxEvent) -> Mapping[str, str] | None:
    """Return the labels of the event's object, where it is among the files."""
    involved = event.involved
    for document in documents:
        metadata = document.get("metadata") or {}
        named = (document.get("kind"), metadata.get("namespace", ""), metadata.get("name"))
        if named == (involved.kind, involved.namespace, involved.name):
            return metadata.get("labels") or {}
    return None


def _read(kind: Any, document: Mapping[str, Any]) -> Any:
    try:
        return kind.from_wire(document)
    except ValidationError as invalid:
        first = next(iter(errors_of(invalid)))
        name = (document.get("metadata") or {}).get("name", "?")
        raise CliError(f"{document.get('kind')}/{name}: {first}", code=ExitCode.FAILED) from None


def _is(document: Mapping[str, Any], group: str, kind: str) -> bool:
    return str(document.get("apiVersion", "")).partition("/")[0] == group and document.get("kind") == kind


async def _explained(event: FluxEvent, made: StatusPlan, *, compat: bool) -> dict[str, Any]:
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
    if wanted is None or made.target is None:
        return shown
    kind = GitProviderType(made.target.type)
    shown |= {
        "repository": str(wanted.repository),
        "commit": wanted.commit,
        "context": wanted.context,
        "state": flux_state(kind, wanted.verdict) if compat else wanted.verdict.value,
        "description": wanted.description,
    }
    sent = await _request(made, kind)
    if isinstance(sent, str):
        return shown | {"error": sent}
    return shown | {"method": sent.method, "url": str(sent.url), "body": json.loads(sent.content)}


class _Network(httpx.AsyncBaseTransport):
    """Keep what is written, and answer it as if it had been taken."""

    def __init__(self) -> None:
        self.written: httpx.Request | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            self.written = request
        return httpx.Response(201 if request.method != "GET" else 200, json={}, request=request)


async def _request(made: StatusPlan, kind: GitProviderType) -> httpx.Request | str:
    """Return the request that posts a plan, or why there is none."""
    wanted = made.wanted
    if wanted is None:
        return made.reason
    network = _Network()
    # The host is no destination here: whether it may be called is for the worker to decide.
    host = wanted.repository.host
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=(host, f"api.{host}"), transport=network))
    credential = credential_of(kind, Credential(data=_STAND_IN))
    try:
        opened = open_scm_host(
            host_options(kind, wanted.repository), Access(http=clients, credential=credential), _NO_IDENTITY
        )
        await opened.commit_statuses.set(
            wanted.commit,
            models.CommitStatus(
                context=wanted.context,
                state=models.StatusState(wanted.verdict.value),
                description=wanted.description,
                url=wanted.target_url,
            ),
        )
    except ProviderError as error:
        if network.written is None:
            return str(error)
    finally:
        await clients.aclose()
    return network.written if network.written is not None else "nothing would be sent"
