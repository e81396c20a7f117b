"""The cluster that a process works for, as its settings name it."""

import os

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiUnconfigured
from worker.settings import InvalidSettings, Settings, refused

_KUBECONFIG_VARIABLES = ("PILOTAGE_KUBECONFIG", "KUBECONFIG")


async def connect_cluster(settings: Settings) -> KubernetesApi:
    """Open the API server; nothing is sent yet. Raises InvalidSettings naming the variable that names no cluster."""
    try:
        return await KubernetesApi.connect(kubeconfig=settings.kubeconfig, context=settings.context)
    except ApiUnconfigured as error:
        if settings.context and "context" in str(error):
            raise InvalidSettings((refused("context", settings.context, str(error)),)) from None
        variable = next((name for name in _KUBECONFIG_VARIABLES if os.environ.get(name)), _KUBECONFIG_VARIABLES[0])
        value = settings.kubeconfig or ""
        raise InvalidSettings((refused("kubeconfig", value, str(error), variable=variable),)) from None
