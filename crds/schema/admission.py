"""Admission policies: what a person needs in addition to the right to write an object, judged by the API server itself.

RBAC knows objects, not what comes of them: who may create a PromotionPolicy could let a change pass without tests, who
may edit an Environment could point it at another team's application. So each write that decides over a place needs a
verb on the Environment, which its owner grants like any right:

    - {apiGroups: [pilotage.dev], resources: [environments], resourceNames: [prod], verbs: [promote, configure]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crds.reasons.vocabulary import TERMINAL_STATES
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.promotion_command import PromotionCommand
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker

API_GROUP = "admissionregistration.k8s.io"
_API_VERSION = f"{API_GROUP}/v1"
_LABELS = {"app.kubernetes.io/part-of": "pilotage"}


def _owners(side: str) -> str:
    return f"(has({side}.metadata.ownerReferences) ? {side}.metadata.ownerReferences : [])"


# An owner decides over deletion: Kubernetes collects what it owned, in its own name, once it is gone or never was.
_OWNERS_CHANGE = f"{_owners('object')} != {_owners('oldObject')}"
_SPEC_CHANGES = f"request.operation != 'UPDATE' || object.spec != oldObject.spec || {_OWNERS_CHANGE}"
# The controllers of Kubernetes itself collect what has no owner any more and empty namespaces that are deleted.
_BY_A_PERSON = "!('system:serviceaccounts:kube-system' in request.userInfo.groups)"


@dataclass(frozen=True, kw_only=True)
class AdmissionPolicy:
    """One policy over one kind, and its binding."""

    plural: str
    operations: tuple[str, ...]
    validations: tuple[Mapping[str, str], ...]
    conditions: Mapping[str, str]
    """Requests that are judged, by the name of the condition; all must hold."""

    @property
    def name(self) -> str:
        """The name of policy and binding."""
        return f"{self.plural}.pilotage.dev"

    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the ValidatingAdmissionPolicy and its binding."""
        metadata = {"name": self.name, "labels": dict(_LABELS)}
        rule = {
            "apiGroups": ["pilotage.dev"],
            "apiVersions": ["*"],
            "resources": [self.plural],
            "operations": list(self.operations),
            "scope": "Namespaced",
        }
        spec: dict[str, Any] = {
            # What cannot be judged is refused: it can be repeated, a wrong promotion cannot be undone.
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
        }
        if self.conditions:
            spec["matchConditions"] = [{"name": name, "expression": text} for name, text in self.conditions.items()]
        spec["validations"] = [dict(one) for one in self.validations]
        policy = {
            "apiVersion": _API_VERSION,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": metadata,
            "spec": spec,
        }
        binding = {
            "apiVersion": _API_VERSION,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": metadata,
            "spec": {"policyName": self.name, "validationActions": ["Deny"]},
        }
        return policy, binding


def _needs(verb: str, environment: str, act: str) -> dict[str, str]:
    """Ask for a verb on an environment; `verb` and `environment` are CEL, `act` is what the person reads."""
    allowed = (
        "authorizer.group('pilotage.dev').resource('environments').namespace(request.namespace)"
        f".name({environment}).check({verb}).allowed()"
    )
    explained = (
        f"'user ' + request.userInfo.username + ' may not {act} in environment ' + {environment} + ' of namespace ' + "
        f"request.namespace + ': RBAC grants no verb ' + {verb} + ' on environments.pilotage.dev/' + {environment}"
    )
    return {
        "expression": allowed,
        "messageExpression": explained,
        "message": "RBAC does not grant the verb on the environment",
        "reason": "Forbidden",
    }


def _only(applies: str, rule: Mapping[str, str]) -> dict[str, str]:
    """Let a rule judge only requests of which `applies` is true."""
    return {**rule, "expression": f"!({applies}) || {rule['expression']}"}


_OWN_NAME = {
    "expression": "object.spec.requestedBy == request.userInfo.username",
    "messageExpression": (
        "'spec.requestedBy must be your own user name, ' + request.userInfo.username + "
        "', not ' + object.spec.requestedBy"
    ),
    "message": "spec.requestedBy must be your own user name",
    "reason": "Forbidden",
}


_OF_NO_ONE = {
    "expression": f"{_owners('object')} == []",
    "message": "a command is kept for audit, and can have no metadata.ownerReferences: Kubernetes would delete it",
    "reason": "Forbidden",
}


_PRESENT = "(request.operation == 'DELETE' ? oldObject : object)"


def _attempt(side: str) -> str:
    return f"(has({side}.spec.attempt) ? {side}.spec.attempt : 1)"


# A status of an earlier attempt shows nothing of the one that runs.
_ENDED = (
    "has(oldObject.status) && has(oldObject.status.state) && has(oldObject.status.attempt)"
    f" && oldObject.status.attempt == {_attempt('oldObject')}"
    f" && oldObject.status.state in {sorted(state.value for state in TERMINAL_STATES)}"
)
# Who is to decide by an owner when a tracker is deleted needs the right when the owner is named.
_ENDS = (
    f"request.operation == 'DELETE' ? !({_ENDED}) : request.operation == 'CREATE' ? {_owners('object')} != []"
    f" : {_OWNERS_CHANGE}"
)
# The rights over a tracker are asked for its environment: who moves it to another one needs them there, and here.
_RESTARTS = (
    f"request.operation == 'UPDATE' && ({_attempt('object')} > {_attempt('oldObject')}"
    " || object.spec.environment != oldObject.spec.environment)"
)


ADMISSIONS: Sequence[AdmissionPolicy] = (
    AdmissionPolicy(
        plural=PromotionCommand.definition.plural,
        # The spec is immutable by a rule of the definition, so that an update cannot change what was allowed here.
        operations=("CREATE",),
        conditions={},
        validations=(
            _OWN_NAME,
            _needs("object.spec.verb", "object.spec.environment", "' + object.spec.verb + '"),
            _OF_NO_ONE,
        ),
    ),
    AdmissionPolicy(
        # A policy without tests that goes on by itself is a `promote` for every change to come, and one that names a
        # repository takes the place of one that does not; deleting it brings the other one back.
        plural=PromotionPolicy.definition.plural,
        operations=("CREATE", "UPDATE", "DELETE"),
        conditions={"spec-changes": _SPEC_CHANGES, "by-a-person": _BY_A_PERSON},
        validations=(
            _only(
                "request.operation != 'DELETE'",
                _needs("'promote'", "object.spec.targetEnvironment", "decide what is promoted"),
            ),
            _only(
                "request.operation != 'CREATE'",
                _needs("'promote'", "oldObject.spec.targetEnvironment", "decide what is promoted"),
            ),
        ),
    ),
    AdmissionPolicy(
        plural=Environment.definition.plural,
        operations=("CREATE", "UPDATE", "DELETE"),
        conditions={"spec-changes": _SPEC_CHANGES, "by-a-person": _BY_A_PERSON},
        # Not request.name, which is empty where a whole collection is deleted.
        validations=(_needs("'configure'", f"{_PRESENT}.metadata.name", "decide what is deployed"),),
    ),
    AdmissionPolicy(
        plural=PullRequestTracker.definition.plural,
        operations=("CREATE", "UPDATE", "DELETE"),
        conditions={"ends-or-restarts": f"({_ENDS}) || ({_RESTARTS})", "by-a-person": _BY_A_PERSON},
        validations=(
            _only(_ENDS, _needs("'abort'", f"{_PRESENT}.spec.environment", "abort a change")),
            _only(_RESTARTS, _needs("'restart'", "oldObject.spec.environment", "restart a change")),
            _only(_RESTARTS, _needs("'restart'", "object.spec.environment", "restart a change")),
        ),
    ),
)


def admission_documents() -> tuple[dict[str, Any], ...]:
    """Build all policies and their bindings."""
    return tuple(document for one in ADMISSIONS for document in one.documents())
