"""Read how kubectl would reach the cluster: server, trust and credential, without the Kubernetes client.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import base64
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crds.api.api_errors import unusable_configuration
from crds.api.kubeconfig import any_exists, in_pod, pod_namespace
from crds.api.ports import ApiUnconfigured, Document

EXEC_SECONDS = 60.0
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_ELSEWHERE = ("auth-provider", "as", "as-groups", "as-uid", "as-user-extra")
"""Fields of a user that the Kubernetes client serves and this does not."""


class NeedsClient(Exception):
    """Something is configured that only the Kubernetes client serves, such as a proxy."""


@dataclass(frozen=True, kw_only=True)
class ServerAccess:
    """One API server and how to be let in."""

    server: str
    namespace: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    """Name that the server's certificate must bear, where it is not that of the URL."""


def read_access(*, kubeconfig: str | None = None, context: str | None = None) -> ServerAccess:
    """Read the configuration as kubectl does: the given file, $KUBECONFIG, ~/.kube/config, else the pod's own.

    Raises ApiUnconfigured naming what is missing, and NeedsClient for what is not served here. Runs an exec plugin.
    """
    if any(os.environ.get(name) or os.environ.get(name.lower()) for name in _PROXIES):
        raise NeedsClient
    paths = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any_exists(paths):
        if kubeconfig or context or not in_pod():
            pod = "" if kubeconfig else ", and this is no pod of a cluster"
            raise ApiUnconfigured(f"there is no kubeconfig at {paths}{pod}"[:512])
        return _of_pod()
    try:
        return _of_files(paths, context)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError) as error:
        raise unusable_configuration(paths, error) from None


def _of_pod() -> ServerAccess:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        token = (_SERVICE_ACCOUNT / "token").read_text().strip()
        tls = ssl.create_default_context(cafile=str(_SERVICE_ACCOUNT / "ca.crt"))
    except OSError as error:
        raise ApiUnconfigured(f"the pod's own service account cannot be used: {error}"[:512]) from None
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    return ServerAccess(server=server, namespace=pod_namespace(), headers={"Authorization": f"Bearer {token}"}, tls=tls)


def _of_files(paths: str, context: str | None) -> ServerAccess:
    merged = _merged(paths)
    name = context or merged.current
    if name not in merged.contexts:
        raise ValueError(f"there is no context {name!r}" if name else "no current context is set")
    chosen = merged.contexts[name]
    cluster = _named(merged.clusters, "cluster", chosen.get("cluster"))
    user = _named(merged.users, "user", chosen["user"]) if chosen.get("user") else {}
    if cluster.get("proxy-url") or any(user.get(one) for one in _ELSEWHERE):
        raise NeedsClient
    credential = _executed(user["exec"], cluster) if user.get("exec") else user
    return ServerAccess(
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(chosen.get("namespace") or "default"),
        headers=_headers(credential),
        tls=_trust(cluster, credential) if str(cluster["server"]).startswith("https://") else None,
        server_name=str(cluster.get("tls-server-name") or ""),
    )


@dataclass(kw_only=True)
class _Merged:
    """The files of a search path as one: what is named first counts."""

    current: str = ""
    clusters: dict[str, Document] = field(default_factory=dict)
    contexts: dict[str, Document] = field(default_factory=dict)
    users: dict[str, Document] = field(default_factory=dict)


def _merged(paths: str) -> _Merged:
    merged = _Merged()
    for path in [Path(one).expanduser() for one in paths.split(os.pathsep) if one]:
        if not path.exists():
            continue
        document = _read_file(path)
        merged.current = merged.current or str(document.get("current-context") or "")
        for kind, into in (("cluster", merged.clusters), ("context", merged.contexts), ("user", merged.users)):
            for entry in document.get(f"{kind}s") or []:
                into.setdefault(str(entry["name"]), _absolute(entry.get(kind) or {}, path.parent))
    return merged


def _read_file(path: Path) -> Document:
    text = path.read_text()
    try:
        # What tools of this repository write; YAML takes its time.
        document = json.loads(text)
    except ValueError:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            document = YAML(typ="safe").load(text)
        except YAMLError as error:
            raise ValueError(f"{path}: no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path}: not a kubeconfig")
    return document


def _absolute(entry: Document, folder: Path) -> Document:
    """Resolve the paths of an entry against the folder of its file."""
    resolved = dict(entry)
    for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
        if resolved.get(key):
            resolved[key] = str(folder / str(resolved[key]))
    plugin = resolved.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command") or ""):
        resolved["exec"] = {**plugin, "command": str(folder / str(plugin["command"]))}
    return resolved


def _named(entries: Mapping[str, Document], kind: str, name: object) -> Document:
    if str(name) not in entries:
        raise ValueError(f"there is no {kind} {name!r}")
    return entries[str(name)]


def _headers(credential: Document) -> dict[str, str]:
    if credential.get("tokenFile"):
        return {"Authorization": f"Bearer {Path(str(credential['tokenFile'])).read_text().strip()}"}
    if credential.get("token"):
        return {"Authorization": f"Bearer {credential['token']}"}
    if credential.get("username"):
        pair = f"{credential['username']}:{credential.get('password') or ''}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _executed(plugin: Document, cluster: Document) -> Document:
    """Run an exec plugin and return its credential in the fields of a user.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    interactive = sys.stdin.isatty() and plugin.get("interactiveMode") != "Never"
    request: Document = {
        "apiVersion": plugin["apiVersion"],
        "kind": "ExecCredential",
        "spec": {"interactive": interactive},
    }
    if plugin.get("provideClusterInfo"):
        request["spec"]["cluster"] = {key: value for key, value in cluster.items() if key != "extensions"}
    named = {str(one["name"]): str(one["value"]) for one in plugin.get("env") or []}
    done = subprocess.run(  # noqa: S603 the kubeconfig names it, as it does for kubectl
        [str(plugin["command"]), *(str(one) for one in plugin.get("args") or [])],
        env={**os.environ, **named, "KUBERNETES_EXEC_INFO": json.dumps(request)},
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=None if interactive else EXEC_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ValueError(f"the credential plugin {plugin['command']} ended with code {done.returncode}")
    status = json.loads(done.stdout)["status"]
    return {
        "token": status.get("token"),
        "client-certificate-data": _encoded(status.get("clientCertificateData")),
        "client-key-data": _encoded(status.get("clientKeyData")),
    }


def _encoded(pem: object) -> str | None:
    return base64.b64encode(str(pem).encode()).decode() if pem else None


def _trust(cluster: Document, credential: Document) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    tls = ssl.create_default_context(
        cafile=None if data else cluster.get("certificate-authority"),
        cadata=base64.b64decode(str(data)).decode() if data else None,
    )
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    certificate = credential.get("client-certificate-data") or credential.get("client-certificate")
    if certificate:
        with _file(credential, "client-certificate") as public, _file(credential, "client-key") as private:
            tls.load_cert_chain(public, private)
    return tls


@contextmanager
def _file(credential: Document, key: str) -> Iterator[str]:
    """Give a file that holds the value: OpenSSL reads certificates and keys from files only."""
    data: Any = credential.get(f"{key}-data")
    if not data:
        yield str(credential[key])
        return
    with tempfile.NamedTemporaryFile() as temporary:
        temporary.write(base64.b64decode(str(data)))
        temporary.flush()
        yield temporary.name
