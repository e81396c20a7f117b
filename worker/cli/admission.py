"""The admission policy for commands, as it stands in deploy/manifests/admission: an installed wheel has no deploy/."""

from typing import Any

_NAME = "promotioncommands.pilotage.dev"
_METADATA = {"name": _NAME, "labels": {"app.kubernetes.io/part-of": "pilotage"}}
_API_VERSION = "admissionregistration.k8s.io/v1"

_OWN_NAME = {
    "expression": "object.spec.requestedBy == request.userInfo.username",
    "messageExpression": (
        "'spec.requestedBy must be your own user name, ' + request.userInfo.username + "
        "', not ' + object.spec.requestedBy"
    ),
    "message": "spec.requestedBy must be your own user name",
    "reason": "Forbidden",
}
_VERB = {
    "expression": (
        "authorizer.group('pilotage.dev').resource('environments').namespace(request.namespace) "
        ".name(object.spec.environment).check(object.spec.verb).allowed()"
    ),
    "messageExpression": (
        "'user ' + request.userInfo.username + ' may not ' + object.spec.verb + ' in environment ' + "
        "object.spec.environment + ' of namespace ' + request.namespace + ': RBAC grants no verb ' + "
        "object.spec.verb + ' on environments.pilotage.dev/' + object.spec.environment"
    ),
    "message": "RBAC does not grant the verb on the environment",
    "reason": "Forbidden",
}


def admission_documents() -> tuple[dict[str, Any], ...]:
    """Build the policy and its binding: a person speaks under the own name, with the verb on the environment."""
    commands = {
        "apiGroups": ["pilotage.dev"],
        "apiVersions": ["*"],
        "resources": ["promotioncommands"],
        "operations": ["CREATE"],
        "scope": "Namespaced",
    }
    policy = {
        "apiVersion": _API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": _METADATA,
        "spec": {
            # A command that cannot be judged is refused: it can be repeated, a wrong promotion cannot be undone.
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [commands]},
            "validations": [_OWN_NAME, _VERB],
        },
    }
    binding = {
        "apiVersion": _API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": _METADATA,
        "spec": {"policyName": _NAME, "validationActions": ["Deny"]},
    }
    return policy, binding
