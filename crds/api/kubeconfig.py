"""Where the configuration of a client of Kubernetes may be: in files that kubectl reads too, or in the pod."""

import os
from pathlib import Path

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def any_exists(paths: str) -> bool:
    """Return whether one of the files of a search path is there."""
    return any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)


def in_pod() -> bool:
    """Return whether this process runs in a pod of a cluster."""
    return _NAMESPACE.exists() or "KUBERNETES_SERVICE_HOST" in os.environ


def pod_namespace() -> str:
    """Return the namespace of the pod, `default` outside of one."""
    return _NAMESPACE.read_text().strip() if _NAMESPACE.exists() else "default"
