"""Roles of the people around a promotion, as ClusterRoles to be bound in a namespace, and those of our processes.

`environments` carries the verbs of commands and of the admission policies (crds/schema/admission.py): they are no verbs
of the Kubernetes API, and grant nothing but what they are named after.
"""

from collections.abc import Sequence
from typing import Any

from crds.model import Scope
from crds.schema.admission import ADMISSIONS
from crds.v1alpha1.kinds import KINDS
from crds.v1alpha1.promotion_command import CommandVerb

_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete")
_COMMANDS = tuple(verb.value for verb in CommandVerb)
_AUTHOR_COMMANDS = tuple(
    verb.value
    for verb in (
        CommandVerb.RETEST,
        CommandVerb.HOLD,
        CommandVerb.RELEASE,
        CommandVerb.SYNC,
        CommandVerb.REFRESH,
    )
)
CONFIGURE = "configure"

_ALL_KINDS = tuple(sorted(model.definition.plural for model in KINDS))
_CONFIGURATION = (
    "argocdinstances",
    "commitstatuses",
    "driftmonitors",
    "environments",
    "eventsinks",
    "gitrepositories",
    "promotionpolicies",
    "providers",
    "scmproviders",
    "testrunners",
)


_ADMISSION = "admissionregistration.k8s.io"


def _rule(
    resources: Sequence[str], verbs: Sequence[str], *, group: str = "pilotage.dev", names: Sequence[str] = ()
) -> dict[str, Any]:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": list(resources), **named, "verbs": list(verbs)}


_SEE = (_rule(_ALL_KINDS, _READ), _rule(("events",), _READ, group=""))
_COMMAND = _rule(("promotioncommands",), ("create",))

ROLES: dict[str, tuple[dict[str, Any], ...]] = {
    # Sees everything of the namespace, commands kept for audit included; changes nothing.
    "auditor": _SEE,
    # Promotes pull requests, up to where a person must approve.
    "author": (
        *_SEE,
        _rule(("pullrequesttrackers",), ("create", "update", "patch")),
        _COMMAND,
        _rule(("environments",), _AUTHOR_COMMANDS),
    ),
    # Approves, and brings back to order what failed. Bind it by resourceNames where places have owners of their own.
    "releaser": (
        *_SEE,
        _rule(("pullrequesttrackers",), _WRITE),
        _COMMAND,
        _rule(("environments",), _COMMANDS),
    ),
    # Declares places, gates and systems. Secrets are not part of it.
    "platform-engineer": (
        *_SEE,
        _rule(("pullrequesttrackers", *_CONFIGURATION), _WRITE),
        _COMMAND,
        _rule(("environments",), (*_COMMANDS, CONFIGURE)),
    ),
}


RECEIVER: tuple[dict[str, Any], ...] = (
    # What it looks webhooks up in; commands and policies are none of it.
    _rule(
        (
            "argocdinstances",
            "clusterscmproviders",
            "commitstatuses",
            "environments",
            "gitrepositories",
            "providers",
            "pullrequesttrackers",
            "scmproviders",
            "testrunners",
        ),
        _READ,
    ),
    # Named by those resources, one by one: it lists none. Where all of them name Secrets for their webhooks alone, bind
    # these by resourceNames instead.
    _rule(("secrets",), ("get",), group=""),
)


WORKER: tuple[dict[str, Any], ...] = (
    # What promotions and repositories are declared as; commands are the watcher's.
    _rule(tuple(plural for plural in _ALL_KINDS if plural != "promotioncommands"), _READ),
    # Made for pull requests that `discovery` matches, and removed some time after they have ended. Never their status.
    _rule(("pullrequesttrackers",), ("create", "delete")),
    # Made where a promotion arrives, and taken over by the next one. Never their status.
    _rule(("driftmonitors",), ("create", "patch")),
    # Named by resources, one by one: it lists none.
    _rule(("secrets",), ("get",), group=""),
    _rule(("namespaces",), ("get",), group=""),
    _rule(("events",), ("create",), group=""),
)


WATCHER: tuple[dict[str, Any], ...] = (
    _rule(_ALL_KINDS, _READ),
    # It alone writes what people read of a promotion, and the finalizer of a tracker; its spec is what people wrote.
    _rule(tuple(f"{plural}/status" for plural in _ALL_KINDS), ("patch",)),
    _rule(("pullrequesttrackers",), ("patch",)),
    # A verified `restart` is carried out by a new attempt in the spec, which the admission policy judges once more.
    _rule(("environments",), (CommandVerb.RESTART.value,)),
    # Of a tracker that goes.
    _rule(("driftmonitors",), ("delete",)),
    _rule(("events",), ("create",), group=""),
    # Whose uid distinguishes clusters (worker/watcher/installation.py).
    _rule(("namespaces",), ("get",), group="", names=("default",)),
    # Without the policy no name is verified, and commands are refused (crds/api/verification.py).
    _rule(
        ("validatingadmissionpolicies", "validatingadmissionpolicybindings"),
        ("get",),
        group=_ADMISSION,
        names=tuple(sorted(one.name for one in ADMISSIONS)),
    ),
)


UNINSTALL: tuple[dict[str, Any], ...] = (
    # Takes the finalizer off every tracker, once nothing is left that would.
    _rule(("pullrequesttrackers",), ("list", "patch")),
)


PROCESSES = {"watcher": WATCHER, "worker": WORKER, "receiver": RECEIVER, "uninstall": UNINSTALL}
_CLUSTER_SCOPED = frozenset(
    {
        *(model.definition.plural for model in KINDS if model.definition.scope is Scope.CLUSTER),
        "namespaces",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    }
)


def within_namespaces(rules: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out of rules what a Role cannot grant: resources that are in no namespace."""
    kept = [{**rule, "resources": [one for one in rule["resources"] if not _of_the_cluster(one)]} for rule in rules]
    return [rule for rule in kept if rule["resources"]]


def _of_the_cluster(resource: str) -> bool:
    return resource.partition("/")[0] in _CLUSTER_SCOPED


FLUX_DOMAIN = "toolkit.fluxcd.io"
FLUX_GROUP = f"notification.{FLUX_DOMAIN}"
FLUX: dict[str, tuple[dict[str, Any], ...]] = {
    # With `--flux-alerts`; what else of Flux's kinds may be read is for `matchLabels` alone.
    "receiver-flux": (
        _rule(("alerts", "providers"), _READ, group=FLUX_GROUP),
        *(_rule(("*",), ("get",), group=f"{name}.{FLUX_DOMAIN}") for name in ("helm", "image", "kustomize", "source")),
    ),
    "worker-flux": (_rule(("providers",), ("get",), group=FLUX_GROUP),),
}


def rules_of(process: str, *, flux_alerts: bool) -> tuple[dict[str, Any], ...]:
    """Return the rules of a process, with those by which it serves Flux's own Alerts where it does."""
    return (*PROCESSES[process], *(FLUX.get(f"{process}-flux", ()) if flux_alerts else ()))


def flux_documents() -> tuple[dict[str, Any], ...]:
    """Build the ClusterRoles `pilotage-receiver-flux` and `pilotage-worker-flux`."""
    return tuple(_cluster_role(name, rules) for name, rules in FLUX.items())


def process_rights() -> dict[str, Any]:
    """Build the rules of each process by its name, for the whole cluster and for the Roles of named namespaces."""
    return {
        name: {"cluster": [*rules], "namespaces": within_namespaces(rules)}
        for name, rules in {**PROCESSES, **FLUX}.items()
    }


def watcher_documents() -> tuple[dict[str, Any], ...]:
    """Build the ClusterRole `pilotage-watcher`."""
    return (_cluster_role("watcher", WATCHER),)


def worker_documents() -> tuple[dict[str, Any], ...]:
    """Build the ClusterRole `pilotage-worker`."""
    return (_cluster_role("worker", WORKER),)


def receiver_documents() -> tuple[dict[str, Any], ...]:
    """Build the ClusterRole `pilotage-receiver`."""
    return (_cluster_role("receiver", RECEIVER),)


def role_documents() -> tuple[dict[str, Any], ...]:
    """Build the ClusterRoles `pilotage-<role>`."""
    return tuple(_cluster_role(name, rules) for name, rules in ROLES.items())


def _cluster_role(name: str, rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"pilotage-{name}", "labels": {"app.kubernetes.io/part-of": "pilotage"}},
        "rules": [*rules],
    }
