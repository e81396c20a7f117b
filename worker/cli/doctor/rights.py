"""Whether the processes may do in the cluster what they do: asked of the API server, right by right."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from crds.api.ports import ApiError, ApiResource
from crds.schema.roles import rules_of, within_namespaces
from worker.cli.findings import Finding, unknown, well, wrong
from worker.cli.session import Cluster
from worker.rights import ACCESS_REVIEW, GROUP, Right, rights_in, role_of

_OF_ACCOUNT = ApiResource(
    group=GROUP, version="v1", plural="subjectaccessreviews", kind="SubjectAccessReview", namespaced=False
)
PROCESSES = ("worker", "receiver", "watcher")
_AT_ONCE = 8


async def rights(
    kubernetes: Cluster, namespaces: Sequence[str], accounts: Mapping[str, str], *, flux_alerts: bool
) -> AsyncIterator[Finding]:
    """Yield what each process may not do, in each namespace, or in all where none is named.

    `accounts` names the service account of a process as `namespace:name`; without one the rights are those of who asks.
    `flux_alerts` is whether Flux's own Alerts are served.
    """
    for process in PROCESSES:
        rules = rules_of(process, flux_alerts=flux_alerts)
        account = accounts.get(process, "")
        who = f"{process} (service account {account})" if account else f"{process} (as yourself)"
        wanted = tuple(rights_in(within_namespaces(rules) if namespaces else rules))
        missing: list[str] = []
        roles: dict[str, None] = {}
        try:
            for namespace in namespaces or ("",):
                denied = await _denied(kubernetes, wanted, namespace, account)
                missing += [f"{one.shown}{f' in {namespace}' if namespace else ''}" for one in denied]
                roles |= dict.fromkeys(role_of(process, one) for one in denied)
        except ApiError as error:
            yield unknown("right", f"rights of the {who} cannot be asked for: {error.message}")
            continue
        if missing:
            named = " and the role ".join(f"`{role}`" for role in roles)
            fix = f"bind the role {named} of deploy/manifests/roles to its service account"
            yield wrong("right", f"{who} may not {', '.join(missing)}", fix=fix)
        else:
            yield well("right", f"{who} has all {len(wanted)} rights")


async def _denied(kubernetes: Cluster, wanted: Sequence[Right], namespace: str, account: str) -> list[Right]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def allowed(right: Right) -> bool:
        async with gate:
            return await _allowed(kubernetes, right, namespace, account)

    answers = await asyncio.gather(*map(allowed, wanted))
    return [right for right, may in zip(wanted, answers, strict=True) if not may]


async def _allowed(kubernetes: Cluster, right: Right, namespace: str, account: str) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": right.verb,
        "namespace": namespace,
    }
    spec: dict[str, Any] = {"resourceAttributes": attributes}
    review = ACCESS_REVIEW
    if account:
        # Groups count as well as the name: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin
        home = account.partition(":")[0]
        groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{home}"]
        review, spec = _OF_ACCOUNT, {**spec, "user": f"system:serviceaccount:{account}", "groups": groups}
    answer = await kubernetes.create(
        review, None, {"apiVersion": review.api_version, "kind": review.kind, "metadata": {}, "spec": spec}
    )
    return bool(answer["status"]["allowed"])
