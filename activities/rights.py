"""Whether a deployment may be written and synced by the credential, known before the first write."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from activities.ports import ReferenceMissing, ResourceOpener
from activities.reading import reference
from crds.api.ports import ApiError
from crds.reasons.conditions import ConditionReason
from providers.errors import ProviderError

VERBS = ("update", "sync")
_AT_ONCE = 4
"""Deployments whose verbs are asked for at once."""


async def with_rights(
    opener: ResourceOpener, namespace: str, deployments: Sequence[DeploymentSpec], seen: Sequence[Observation]
) -> tuple[Observation, ...]:
    """Return the observations; those that could be written but for a missing right state it."""
    declared = {one.name: one for one in deployments}
    gate = asyncio.Semaphore(_AT_ONCE)

    async def complete(one: Observation) -> Observation:
        deployment = declared.get(one.deployment)
        if deployment is None or deployment.write is None or one.writable or one.problem:
            return one
        if deployment.write.kind.in_git:
            return one
        async with gate:
            denied = await asyncio.gather(*(_is_denied(opener, namespace, deployment, verb) for verb in VERBS))
        missing = [verb for verb, refused in zip(VERBS, denied, strict=True) if refused]
        if not missing:
            return one
        return replace(one, writable=_why(deployment, missing), obstacle=ConditionReason.NOT_PERMITTED)

    return tuple(await asyncio.gather(*map(complete, seen)))


async def _is_denied(opener: ResourceOpener, namespace: str, deployment: DeploymentSpec, verb: str) -> bool:
    """Return whether the server denies it; what it does not answer is no denial."""
    try:
        port = await opener.deployments(namespace, deployment.instance)
        return await port.may(reference(deployment), verb) is False
    except (ProviderError, ReferenceMissing, ApiError):
        return False


def _why(deployment: DeploymentSpec, missing: Sequence[str]) -> str:
    rules = " and ".join(f"`applications, {verb}, {deployment.project}/{deployment.application}`" for verb in missing)
    return (
        f"NotPermitted: the token of ArgoCDInstance/{deployment.instance} may not {' or '.join(missing)} "
        f"{deployment.application}: allow it {rules}"
    )
