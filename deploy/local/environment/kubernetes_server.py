"""A real Kubernetes API server: etcd, kube-apiserver with RBAC and token users, and their kubeconfig files.

There is no controller-manager: no garbage collection by owner, no namespace deletion, no service-account tokens.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from deploy.local.environment.binaries import find
from deploy.local.environment.certificates import write_certificates
from deploy.local.environment.ports import answers_http, free_port
from deploy.local.environment.processes import ProcessSpec

ADMIN = "admin"
# User -> groups. The two people are for tests of RBAC and of the admission policy; they start without any right.
USERS: Mapping[str, tuple[str, ...]] = {ADMIN: ("system:masters",), "alice": ("shop-developers",), "bob": ()}


@dataclass(frozen=True, kw_only=True)
class KubernetesAccess:
    """What a client needs to reach the API server."""

    url: str
    authority: Path
    kubeconfigs: Mapping[str, Path]
    admin_token: str = field(repr=False)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file."""
        return self.kubeconfigs[ADMIN]

    def kubeconfig_for(self, user: str) -> Path:
        """Return the kubeconfig file of `alice` (group shop-developers) or `bob` (no group)."""
        return self.kubeconfigs[user]


@dataclass(kw_only=True)
class KubernetesServer:
    """Files, ports and command lines of one API server; they stay the same over restarts."""

    directory: Path
    fsync: bool
    environment: Mapping[str, str] = field(repr=False)
    report: Callable[[str], None]
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    etcd_peer_port: int = field(default_factory=free_port)
    tokens: Mapping[str, str] = field(
        default_factory=lambda: {user: secrets.token_urlsafe(24) for user in USERS}, repr=False
    )

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate that signed the API server's."""
        return self._files / "ca.crt"

    def access(self) -> KubernetesAccess:
        """Return what a client needs."""
        return KubernetesAccess(
            url=self.url,
            authority=self.authority,
            kubeconfigs={user: self.kubeconfig(user) for user in USERS},
            admin_token=self.tokens[ADMIN],
        )

    @property
    def _files(self) -> Path:
        return self.directory / "kubernetes"

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """Return a user's kubeconfig file."""
        return self.directory / ("kubeconfig" if user == ADMIN else f"kubeconfig-{user}")

    def write_files(self) -> None:
        """Write certificates, tokens and one kubeconfig per user."""
        write_certificates(self._files)
        # static token file: token,user,uid,"group1,group2"
        rows = [f'{self.tokens[user]},{user},{user},"{",".join(groups)}"' for user, groups in USERS.items()]
        _write_private(self._files / "tokens.csv", "\n".join(rows) + "\n")
        for user in USERS:
            self.write_kubeconfig(user, self.tokens[user])

    def write_kubeconfig(self, user: str, token: str) -> None:
        """Write a user's kubeconfig file with a token."""
        path = self.kubeconfig(user)
        _write_private(path, "")
        with path.open("w") as file:
            YAML(typ="safe").dump(self._kubeconfig(user, token), file)

    def etcd(self) -> ProcessSpec:
        """Return how to start etcd."""
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.etcd_peer_port}"
        flags = {
            "name": "local",
            "data-dir": self.directory / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"local={peer}",
            "log-level": "warn",
        }
        unsafe = [] if self.fsync else ["--unsafe-no-fsync"]
        return ProcessSpec(
            name="etcd-1",
            command=[str(find("etcd", report=self.report)), *_flags(flags), *unsafe],
            environment=self.environment,
            ready=answers_http(f"{client}/readyz"),
        )

    def api_server(self) -> ProcessSpec:
        """Return how to start the API server; etcd has to answer first."""
        key = self._files / "service-account.key"
        flags = {
            "etcd-servers": f"http://127.0.0.1:{self.etcd_port}",
            "bind-address": "127.0.0.1",
            "secure-port": self.port,
            "tls-cert-file": self._files / "apiserver.crt",
            "tls-private-key-file": self._files / "apiserver.key",
            "cert-dir": self._files,
            "token-auth-file": self._files / "tokens.csv",
            "service-account-issuer": "https://localhost",
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "service-cluster-ip-range": "10.0.0.0/24",
            "authorization-mode": "RBAC",
            # No controller-manager runs here, which would create the tokens that this plugin waits for.
            "disable-admission-plugins": "ServiceAccount",
            # One server at one address: no lease that outlives a SIGKILL and points at the dead one.
            "endpoint-reconciler-type": "none",
        }
        return ProcessSpec(
            name="kube-apiserver-1",
            command=[str(find("kube-apiserver", report=self.report)), *_flags(flags)],
            environment=self.environment,
            ready=answers_http(f"{self.url}/readyz", authority=self.authority, token=self.tokens[ADMIN]),
            ready_timeout_seconds=120.0,
        )

    def _kubeconfig(self, user: str, token: str) -> dict[str, object]:
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        context = {"cluster": "local", "user": user, "namespace": "default"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "local",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "local", "context": context}],
        }


def _flags(values: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
