"""What of an Application a deployment means, and what keeps that from being written. Pure."""

from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.tracking import Artifact
from crds.reasons.conditions import ConditionReason
from providers.application_models import ApplicationField, ApplicationPlace, ApplicationTarget, WriteObstacle

_FIELDS = {
    WriteKind.TARGET_REVISION: ApplicationField.TARGET_REVISION,
    WriteKind.KUSTOMIZE_IMAGE: ApplicationField.KUSTOMIZE_IMAGE,
    WriteKind.HELM_PARAMETER: ApplicationField.HELM_PARAMETER,
}


def target_of(deployment: DeploymentSpec) -> ApplicationTarget:
    """Return what of its Application a deployment means; one that is only observed means the revision."""
    write = deployment.write or WriteSpec()
    return ApplicationTarget(
        field=_FIELDS.get(write.kind),
        name=write.image or write.parameter or "",
        repository=deployment.repository,
        by_image=deployment.image is not None,
        source_name=write.source_name,
        source_path=write.source_path,
        source_position=write.source_position,
        allow_managed=write.allow_managed,
    )


def wanted_raw(deployment: DeploymentSpec, artifact: Artifact) -> str | None:
    """Return the value that writes this artifact; None where the artifact misses it."""
    if deployment.write is None or deployment.write.kind is WriteKind.TARGET_REVISION:
        return artifact.revision
    return artifact.tag


def obstacle_of(deployment: DeploymentSpec, place: ApplicationPlace) -> WriteObstacle | None:
    """Return why a write would be reverted or could not be made; None when it may be written."""
    if deployment.write is None:
        return None
    if deployment.taken_by:
        return WriteObstacle(reason=ConditionReason.OWNED_BY, message=taken(deployment))
    return place.obstacle


def taken(deployment: DeploymentSpec) -> str:
    """State whose application it is, where an older Environment names it."""
    named = f"names {deployment.application}"
    if deployment.write is not None and deployment.write.kind is WriteKind.GIT:
        named += ", or writes the same value of a file,"
    return f"OwnedBy {deployment.taken_by}, which is older and {named} too: keep it in one only"
