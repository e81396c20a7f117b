"""What is made of one event: for each subscription a commit status, or why there is none. One path for all who ask.

The receiver sends what is planned here to workflows, `pilotage flux explain` prints it, and nothing else decides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from activities.flux.contexts import (
    bounded_context,
    default_context,
    description,
    flux_description,
    prefixed_context,
)
from activities.flux.events import FluxEvent
from activities.flux.matching import NO_OBJECT, NotTaken, ObjectLabels, Subscription, take
from activities.flux.metadata import cleaned, combined
from activities.flux.revisions import NoCommit, commit_of
from activities.flux.verdicts import (
    Passed,
    flux_verdict,
    pass_flux_gate,
    pass_flux_progress,
    verdict_of,
)
from activities.models.revisions import CommitState
from crds.rules.flux_addresses import RepositoryAddress, WrongAddress, repository_address
from crds.rules.flux_expressions import ExpressionError
from crds.v1alpha1.flux_provider import GitProviderType

Evaluate = Callable[[str, Mapping[str, Any]], str]


@dataclass(frozen=True, kw_only=True)
class ProviderTarget:
    """The Provider of a subscription, as far as it decides what is planned."""

    is_flux: bool = False
    """Whether it is a Provider of Flux's own group."""
    namespace: str
    name: str
    uid: str
    type: str
    address: str
    """Empty where it stands in the Secret, which a Provider of Flux may have so."""
    secret: str
    """Name of the Secret; empty where none is named."""
    suspended: bool = False
    expression: str = ""
    document: Mapping[str, Any]
    """The object as expressions see it."""

    def __str__(self) -> str:
        return f"Provider/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class AddressInSecret:
    """A repository that a Secret names, which only who posts reads."""

    secret: str

    def __str__(self) -> str:
        return f"Secret/{self.secret}"


@dataclass(frozen=True, kw_only=True)
class StatusWanted:
    """A commit status that is to be posted."""

    repository: RepositoryAddress | AddressInSecret
    commit: str
    context: str
    verdict: CommitState
    description: str
    target_url: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Which status it is."""
        return str(self.repository), self.commit, self.context


@dataclass(frozen=True, kw_only=True)
class StatusPlan:
    """What one subscription makes of an event."""

    subscription: Subscription
    target: ProviderTarget | None
    matched: bool
    """Whether the subscription takes the event."""
    reason: str = ""
    """Why nothing is posted, where `wanted` is None."""
    fault: bool = False
    """Whether a person must fix something for it to be posted."""
    wanted: StatusWanted | None = None


class _Dropped(Exception):
    def __init__(self, reason: str, *, fault: bool = False) -> None:
        super().__init__(reason)
        self.fault = fault


def plan(
    event: FluxEvent,
    subscriptions: Iterable[Subscription],
    *,
    targets: Callable[[Subscription], ProviderTarget | None],
    labels: ObjectLabels = NO_OBJECT,
    evaluate: Evaluate,
    compat: bool = False,
) -> tuple[StatusPlan, ...]:
    """Plan one event for every subscription; two of one namespace that would post the same status post it once.

    `labels` are those of the event's object. With `compat` descriptions, contexts and states are those of
    notification-controller.
    """
    event = cleaned(event)
    plans: list[StatusPlan] = []
    seen: set[tuple[str, ...]] = set()
    # A CommitStatus first: of two equal ones it is the one that people see a condition on.
    for subscription in sorted(subscriptions, key=lambda one: (one.kind != "CommitStatus", one.namespace, one.name)):
        made = _plan(event, subscription, targets(subscription), labels, evaluate, compat=compat)
        if made.wanted is not None:
            # Within a namespace alone: no one takes a status from others by a name that comes first.
            identity = (subscription.namespace, *made.wanted.place)
            if identity in seen:
                made = replace(made, wanted=None, reason="another subscription posts the same status")
            seen.add(identity)
        plans.append(made)
    return tuple(plans)


def _plan(
    event: FluxEvent,
    subscription: Subscription,
    target: ProviderTarget | None,
    labels: ObjectLabels,
    evaluate: Evaluate,
    *,
    compat: bool,
) -> StatusPlan:
    try:
        take(subscription, event, labels)
    except NotTaken as error:
        return StatusPlan(subscription=subscription, target=target, matched=False, reason=str(error), fault=error.fault)
    try:
        wanted = _wanted(event, subscription, target, evaluate, compat=compat)
    except _Dropped as dropped:
        return StatusPlan(
            subscription=subscription, target=target, matched=True, reason=str(dropped), fault=dropped.fault
        )
    return StatusPlan(subscription=subscription, target=target, matched=True, wanted=wanted)


def _wanted(
    event: FluxEvent, subscription: Subscription, target: ProviderTarget | None, evaluate: Evaluate, *, compat: bool
) -> StatusWanted:
    if target is None:
        raise _Dropped(f"Provider `{subscription.provider}` does not exist", fault=True)
    if target.suspended:
        raise _Dropped(f"{target} is suspended")
    try:
        kind = GitProviderType(target.type)
    except ValueError:
        raise _Dropped(f"{target} is of type `{target.type}`, which has no commit statuses") from None
    if not target.secret and not (compat and kind is GitProviderType.AZURE_DEVOPS):
        raise _Dropped(f"{target} names no Secret: set its spec.secretRef", fault=True)
    metadata = combined(event, added=subscription.added, summary=subscription.summary)
    parts = _of_flux if compat else _ours
    try:
        return parts(event, subscription, target, kind, metadata, evaluate)
    except Passed as passed:
        raise _Dropped(str(passed), fault=passed.fault) from None
    except NoCommit as error:
        raise _Dropped(str(error), fault=True) from None
    except WrongAddress as error:
        raise _Dropped(f"spec.address of {target} {error}", fault=True) from None
    except ExpressionError as error:
        raise _Dropped(f"spec.commitStatusExpr of {target} {error}", fault=True) from None


def _ours(
    event: FluxEvent,
    subscription: Subscription,
    target: ProviderTarget,
    kind: GitProviderType,
    metadata: Mapping[str, str],
    evaluate: Evaluate,
) -> StatusWanted:
    return StatusWanted(
        verdict=verdict_of(event),
        commit=commit_of(metadata),
        repository=_repository(target, kind),
        context=bounded_context(_context(event, subscription, target, metadata, evaluate)),
        description=description(event),
        target_url=subscription.target_url,
    )


def _of_flux(
    event: FluxEvent,
    subscription: Subscription,
    target: ProviderTarget,
    kind: GitProviderType,
    metadata: Mapping[str, str],
    evaluate: Evaluate,
) -> StatusWanted:
    """Do the same in the order of notification-controller: of several faults it names the first."""
    pass_flux_gate(event)
    context = _context(event, subscription, target, metadata, evaluate)
    repository = _repository(target, kind)
    pass_flux_progress(event, kind)
    return StatusWanted(
        commit=commit_of(metadata, compat=True),
        verdict=flux_verdict(event, kind),
        repository=repository,
        context=context,
        description=flux_description(event),
        target_url=subscription.target_url,
    )


def _repository(target: ProviderTarget, kind: GitProviderType) -> RepositoryAddress | AddressInSecret:
    if target.is_flux and not target.address and target.secret:
        return AddressInSecret(secret=target.secret)
    return repository_address(kind, target.address)


def _context(
    event: FluxEvent,
    subscription: Subscription,
    target: ProviderTarget,
    metadata: Mapping[str, str],
    evaluate: Evaluate,
) -> str:
    if target.expression:
        values = {"event": _document(event, metadata), "provider": target.document, "alert": subscription.document}
        return evaluate(target.expression, values)
    if subscription.prefix:
        return prefixed_context(subscription, event)
    return default_context(event, provider_uid=target.uid)


def _document(event: FluxEvent, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return an event as expressions see it: its metadata by their bare keys."""
    involved = event.involved
    named = {
        "kind": involved.kind,
        "namespace": involved.namespace,
        "name": involved.name,
        "apiVersion": involved.api_version,
        "uid": involved.uid,
        "resourceVersion": involved.resource_version,
        "fieldPath": involved.field_path,
    }
    return {
        # As Go writes them: what is empty is left out, so that `has()` and `?` find the same as at Flux.
        "involvedObject": {name: value for name, value in named.items() if value},
        "severity": event.severity,
        "timestamp": event.timestamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "message": event.message,
        "reason": event.reason,
        **({"metadata": dict(metadata)} if metadata else {}),
        "reportingController": event.controller,
        **({"reportingInstance": event.instance} if event.instance else {}),
    }
