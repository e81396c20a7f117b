"""Whether the API server verifies who commands: without the admission policy anybody commands in any name.

`spec.requestedBy` is a text like any other. What makes it true is the ValidatingAdmissionPolicy over PromotionCommands,
so that the watcher carries out commands only while that policy and its binding are there, as they were shipped.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from crds.api.ports import ApiError, ApiForbidden, ApiNotFound, ApiResource, Kubernetes
from crds.group import APPLY_COMMAND
from crds.schema.admission import ADMISSIONS, API_GROUP
from crds.v1alpha1.promotion_command import PromotionCommand

logger = logging.getLogger(__name__)

FRESH = timedelta(minutes=1)
"""How long an answer holds; only who may change admission policies could use the time."""
APPLY = f"apply it with `{APPLY_COMMAND}`"

POLICIES = ApiResource(
    group=API_GROUP,
    version="v1",
    plural="validatingadmissionpolicies",
    kind="ValidatingAdmissionPolicy",
    namespaced=False,
)
BINDINGS = ApiResource(
    group=API_GROUP,
    version="v1",
    plural="validatingadmissionpolicybindings",
    kind="ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
_COMMANDS = next(one for one in ADMISSIONS if one.plural == PromotionCommand.definition.plural)


class CommandVerification:
    """Look for the admission policy over PromotionCommands; an answer holds for a minute."""

    def __init__(
        self, kubernetes: Kubernetes, *, unverified: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kubernetes = kubernetes
        self._unverified = unverified
        self._clock = clock
        self._looked: float | None = None
        self.refusal = ""
        """Why commands are refused, as last seen; empty while they are carried out."""

    async def check(self) -> str:
        """Return why commands are refused; empty where they are verified, or need not be.

        Raises ApiError where the API server does not answer: that shows nothing about the policy.
        """
        if self._unverified:
            return ""
        if self._looked is None or self._clock() - self._looked >= FRESH.total_seconds():
            found = await self._look()
            if found and found != self.refusal:
                logger.warning("commands are refused: %s", found)
            self.refusal, self._looked = found, self._clock()
        return self.refusal

    async def _look(self) -> str:
        name = _COMMANDS.name
        try:
            policy = await self._kubernetes.get(POLICIES, None, name)
            binding = await self._kubernetes.get(BINDINGS, None, name)
        except ApiNotFound as error:
            if error.of_kind:
                return (
                    "this API server knows no ValidatingAdmissionPolicy, which Kubernetes has since 1.30, so no "
                    "name is verified: update Kubernetes, or set PILOTAGE_COMMANDS_UNVERIFIED=true for the watcher "
                    "where each who may create PromotionCommands may give every command"
                )
            return f"the admission policy {name} or its binding does not exist, so no name is verified: {APPLY}"
        except ApiForbidden:
            return (
                f"Pilotage may not read the admission policy {name}: grant `get` on validatingadmissionpolicies and "
                "validatingadmissionpolicybindings to the watcher, or set PILOTAGE_COMMANDS_UNVERIFIED"
            )
        wanted_policy, wanted_binding = _COMMANDS.documents()
        if not _judges(policy.get("spec") or {}, wanted_policy["spec"]):
            return f"the admission policy {name} is not the shipped one: {APPLY}"
        if not _denies(binding.get("spec") or {}, wanted_binding["spec"]):
            return f"the binding of the admission policy {name} does not deny everywhere: {APPLY}"
        return ""

    async def look(self) -> None:
        """Look now, so that what is refused is known before the first command; an outage changes nothing."""
        try:
            await self.check()
        except ApiError as error:
            logger.info("the admission policy cannot be read: %s", error)


def _judges(spec: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a policy judges every command by at least the shipped rules."""
    constraints = spec.get("matchConstraints") or {}
    rules = [_rule(rule) for rule in constraints.get("resourceRules") or ()]
    expressions = {str(one.get("expression", "")) for one in spec.get("validations") or ()}
    return (
        spec.get("failurePolicy", "Fail") == "Fail"
        and all(_rule(rule) in rules for rule in wanted["matchConstraints"]["resourceRules"])
        and not _narrowed(constraints)
        and not spec.get("matchConditions")
        and not spec.get("paramKind")
        and all(one["expression"] in expressions for one in wanted["validations"])
    )


def _denies(spec: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return (
        spec.get("policyName") == wanted["policyName"]
        and "Deny" in (spec.get("validationActions") or ())
        and not spec.get("paramRef")
        and not _narrowed(spec.get("matchResources") or {})
        and not (spec.get("matchResources") or {}).get("resourceRules")
    )


def _narrowed(constraints: Mapping[str, Any]) -> bool:
    """Return whether some requests are left out; the API server writes empty selectors where none were given."""
    return bool(
        constraints.get("excludeResourceRules")
        or constraints.get("namespaceSelector")
        or constraints.get("objectSelector")
    )


def _rule(rule: Mapping[str, Any]) -> tuple[object, ...]:
    lists = tuple(frozenset(rule.get(name) or ()) for name in ("apiGroups", "apiVersions", "resources", "operations"))
    return (*lists, rule.get("scope", "*"), bool(rule.get("resourceNames")))
