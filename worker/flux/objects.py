"""Objects of Flux in this cluster, by what an event reports of them: their labels may decide who takes it."""

from collections.abc import Mapping

import structlog

from activities.flux.events import FluxEvent
from crds.api.ports import ApiError, ApiResource, Kubernetes

_logger = structlog.get_logger(__name__)

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

    async def labels(self, event: FluxEvent) -> Mapping[str, str] | None:
        """Return the labels of an event's object; None where there is none that may be read here."""
        involved = event.involved
        group, _, version = involved.api_version.rpartition("/")
        plural = PLURALS.get(involved.kind)
        if plural is None or not group.endswith(_GROUPS) or not (involved.namespace and version.isalnum()):
            return None
        resource = ApiResource(group=group, version=version, plural=plural, kind=involved.kind)
        try:
            found = await self._kubernetes.get(resource, involved.namespace, involved.name)
        except ApiError as error:
            _logger.warning("an object of Flux cannot be read", object=str(involved), error=str(error))
            return None
        labels = found["metadata"].get("labels") or {}
        return {str(key): str(value) for key, value in labels.items()}
