"""What a process may do in the cluster: asked of the API server when it starts, until nothing is missing.

A process that misses a right would serve halfway, and show promotions as failed that an administrator must fix.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from crds.api.ports import ApiError, ApiForbidden, ApiNotFound, ApiResource, ApiUnauthorized, Kubernetes
from crds.group import GROUP as OWN_GROUP
from crds.schema.roles import FLUX_DOMAIN, FLUX_GROUP, rules_of, within_namespaces

if TYPE_CHECKING:
    from worker.health import Health

_logger = structlog.get_logger(__name__)

# https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
GROUP = "authorization.k8s.io"
_RULES_REVIEW = ApiResource(
    group=GROUP, version="v1", plural="selfsubjectrulesreviews", kind="SelfSubjectRulesReview", namespaced=False
)
ACCESS_REVIEW = ApiResource(
    group=GROUP, version="v1", plural="selfsubjectaccessreviews", kind="SelfSubjectAccessReview", namespaced=False
)
ASK_WITHIN = timedelta(seconds=5)
LOOK = timedelta(seconds=5)
# No namespace can have this name: what is granted there is granted in every one.
_EVERYWHERE = "-"
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Right:
    """One verb on one resource, or subresource, of all names."""

    group: str
    resource: str
    verb: str

    @property
    def shown(self) -> str:
        """The right as people write it."""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"

    def granted_by(self, rule: Mapping[str, Any]) -> bool:
        """Return whether a rule of RBAC grants it for every name."""
        return not rule.get("resourceNames") and all(
            wanted in given or "*" in given
            for wanted, given in (
                (self.group, rule.get("apiGroups") or ()),
                (self.resource, rule.get("resources") or ()),
                (self.verb, rule.get("verbs") or ()),
            )
        )


def rights_in(rules: Sequence[Mapping[str, Any]]) -> Iterator[Right]:
    """Yield what rules grant, right by right, without those that they grant for some names only."""
    for rule in rules:
        if not rule.get("resourceNames"):
            yield from (
                Right(group=group, resource=resource, verb=verb)
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            )


def role_of(process: str, right: Right) -> str:
    """Return the role that grants a right to a process; that to Flux's kinds has one of its own."""
    return f"pilotage-{process}{'-flux' if right.group.endswith(FLUX_DOMAIN) else ''}"


async def missing_rights(kubernetes: Kubernetes, wanted: Sequence[Right], namespace: str | None) -> list[Right]:
    """Return what we may not do in a namespace, or in all. Raises ApiError.

    One call shows all that RBAC grants. What it does not show is asked for by itself: other authorizers list nothing.
    """
    review = await _create(kubernetes, _RULES_REVIEW, {"namespace": namespace or _EVERYWHERE})
    rules = review["status"].get("resourceRules") or ()
    unseen = [right for right in wanted if not any(right.granted_by(rule) for rule in rules)]
    return [right for right in unseen if not await _may(kubernetes, right, namespace)]


async def _may(kubernetes: Kubernetes, right: Right, namespace: str | None) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "subresource": subresource, "verb": right.verb}
    spec = {"resourceAttributes": {**attributes, "namespace": namespace or ""}}
    return bool((await _create(kubernetes, ACCESS_REVIEW, spec))["status"]["allowed"])


async def _create(kubernetes: Kubernetes, kind: ApiResource, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    document = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, "spec": dict(spec)}
    return await kubernetes.create(kind, None, document)


class RightsWatch:
    """Know whether a process has its rights to kinds that it mirrors; `problem` is why not, and is empty once it has.

    Secrets are none of these: a role may grant some of them by name, and a resource shows that its own is not readable.
    Flux's Alerts and Providers are, where they are served: `flux_alerts`.
    """

    def __init__(
        self, kubernetes: Kubernetes, process: str, *, namespaces: Sequence[str] = (), flux_alerts: bool = False
    ) -> None:
        self._kubernetes = kubernetes
        self._process = process
        rules = rules_of(process, flux_alerts=flux_alerts)
        self._wanted = [
            right
            for right in rights_in(within_namespaces(rules) if namespaces else rules)
            if right.group in (OWN_GROUP, FLUX_GROUP)
        ]
        self._namespaces: Sequence[str | None] = tuple(namespaces) or (None,)
        self.problem = "the API server has not answered yet"

    @property
    def granted(self) -> bool:
        """Whether nothing is missing."""
        return not self.problem

    def ask(self, health: "Health") -> asyncio.Task[None]:
        """Begin to ask in the background; until nothing is missing the process is not ready, and shows what is."""
        health.ready["rights"], health.details["rights"] = (lambda: self.granted), (lambda: self.problem)
        return asyncio.create_task(self.until_granted(), name="rights")

    async def until_granted(self) -> None:
        """Ask again until nothing is missing."""
        await self.look()
        while self.problem:
            await asyncio.sleep(LOOK.total_seconds())
            await self.look()

    async def look(self) -> None:
        """Ask once; a new problem is logged."""
        problem = await self._missing()
        if problem and problem != self.problem:
            _logger.error(f"{self._process} is not ready", error=problem)
        self.problem = problem

    async def _missing(self) -> str:
        missing: list[tuple[Right, str | None]] = []
        try:
            async with asyncio.timeout(ASK_WITHIN.total_seconds()):
                for namespace in self._namespaces:
                    found = await missing_rights(self._kubernetes, self._wanted, namespace)
                    missing += [(right, namespace) for right in found]
        except TimeoutError:
            return f"the API server does not answer within {ASK_WITHIN.total_seconds():.0f} s"
        except ApiUnauthorized as error:
            return f"the API server does not accept the credential of the {self._process}: {error.message}"
        except ApiForbidden as error:
            # A cluster may let no one ask; then what is missing shows when it is used.
            _logger.warning("rights cannot be asked for", error=error.message)
            return ""
        except ApiNotFound as error:
            _logger.warning("rights cannot be asked for", error=error.message)
            return ""
        except ApiError as error:
            return error.message
        return self._named(missing) if missing else ""

    def _named(self, missing: Sequence[tuple[Right, str | None]]) -> str:
        named = [f"{right.shown}{f' in {namespace}' if namespace else ''}" for right, namespace in missing]
        shown = ", ".join(named[:_SHOWN]) + (f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else "")
        roles = dict.fromkeys(role_of(self._process, right) for right, _ in missing)
        return (
            f"the {self._process} may not {shown}: bind the role {' and the role '.join(roles)} of "
            "deploy/manifests/roles, or what the chart makes of it, to its service account"
        )
