"""Objects of Flux in this cluster, by what an event reports of them: their labels may decide who takes it."""

from collections.abc import Mapping

from activities.flux.events import FluxEvent, InvolvedObject
from activities.flux.matching import NO_OBJECT, ObjectLabels
from crds.api.ports import ApiForbidden, ApiNotFound, ApiResource, Kubernetes

PLURALS: Mapping[str, str] = {
    "ArtifactGenerator": "artifactgenerators",
    "Bucket": "buckets",
    "ExternalArtifact": "externalartifacts",
    "GitRepository": "gitrepositories",
    "HelmChart": "helmcharts",
    "HelmRelease": "helmreleases",
    "HelmRepository": "helmrepositories",
    "ImagePolicy": "imagepolicies",
    "ImageRepository": "imagerepositories",
    "ImageUpdateAutomation": "imageupdateautomations",
    "Kustomization": "kustomizations",
    "OCIRepository": "ocirepositories",
}
"""Kinds that Flux's Alerts may name."""
_GROUPS = ".toolkit.fluxcd.io"


class FluxObjects:
    """Read labels of objects at each event: they decide, and may have changed."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    async def labels(self, event: FluxEvent) -> ObjectLabels:
        """Return the labels of an event's object. Raises ApiError where they cannot be read now."""
        involved = event.involved
        resource = resource_of_object(involved)
        if isinstance(resource, str):
            return ObjectLabels(fault=resource)
        try:
            found = await self._kubernetes.get(resource, involved.namespace, involved.name)
        except ApiNotFound:
            return NO_OBJECT
        except ApiForbidden:
            text = f"Pilotage's receiver may not read {involved}, whose labels decide"
            return ObjectLabels(fault=f"{text}: bind it the ClusterRole `pilotage-receiver-flux`")
        labels = found["metadata"].get("labels") or {}
        return ObjectLabels(found={str(key): str(value) for key, value in labels.items()})


def resource_of_object(involved: InvolvedObject) -> ApiResource | str:
    """Return the resource of an event's object, or why its labels are not read."""
    group, _, version = involved.api_version.rpartition("/")
    plural = PLURALS.get(involved.kind)
    if plural is None or not group.endswith(_GROUPS) or not (involved.namespace and version.isalnum()):
        kind = f"{involved.kind} of {involved.api_version or 'no API'}"
        return f"labels of {kind} decide and are not read: name the object, without matchLabels"
    return ApiResource(group=group, version=version, plural=plural, kind=involved.kind)
