"""One local environment: real servers, the sandbox and our processes, in a directory and on ports of its own."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from deploy.local.environment.accounts import make_accounts
from deploy.local.environment.binaries import Report
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.kubernetes_server import KubernetesAccess, KubernetesServer
from deploy.local.environment.multi_service import MultiServiceTemporal
from deploy.local.environment.ports import KeptPorts, answers_http
from deploy.local.environment.processes import Processes, ProcessSpec
from deploy.local.environment.resources import apply_resources
from deploy.local.environment.temporal_server import NAMESPACE, TemporalServer

Piece = Literal["temporal", "kubernetes", "resources", "sandbox"]
PIECES: tuple[Piece, ...] = ("temporal", "kubernetes", "resources", "sandbox")
FRUGAL: Mapping[str, str] = {"GOGC": "400"}
"""Variables of the servers, which are written in Go: a fifth less of their processor time for 200 MB more of memory."""
SANDBOX_PORT = 18_080
"""The address that the samples name."""
INSTALLATION = "local"
# A shell that was set up for another server or cluster must not leak into ours.
FOREIGN_PREFIXES = ("TEMPORAL_", "PILOTAGE_", "KUBECONFIG", "KUBERNETES_SERVICE_")
# What `make up` uses where they are free: the ports that Temporal's own tools default to.
TEMPORAL_PORT, TEMPORAL_UI_PORT = 7233, 8233
TEMPORAL_VARIABLE = "LOCAL_TEMPORAL"
DEVELOPMENT, POSTGRES = "development", "postgres"


def runs_on_postgres() -> bool:
    """Return whether Temporal is its own server on PostgreSQL. Raises LocalEnvironmentError for anything unknown."""
    kind = os.environ.get(TEMPORAL_VARIABLE, "") or DEVELOPMENT
    if kind not in (DEVELOPMENT, POSTGRES):
        raise LocalEnvironmentError(f"TEMPORAL={kind} is unknown: {DEVELOPMENT} and {POSTGRES} are there")
    return kind == POSTGRES


def quiet(_line: str) -> None:
    """Report nothing."""


class LocalEnvironment:
    """Starts, kills, restarts and stops the pieces. Blocking; not thread-safe; a context manager.

    Data and ports last over `kill` and `restart`. Files stay in `directory` after `stop`. When the process that
    owns the environment dies, its pieces are stopped by a guardian process.
    """

    def __init__(
        self,
        directory: Path,
        *,
        fsync: bool = False,
        temporal_in_memory: bool = False,
        temporal_ui: bool = False,
        temporal_arguments: Sequence[str] = (),
        temporal_stock: bool = False,
        default_ports: bool = False,
        process_environment: Mapping[str, str] | None = None,
        sandbox_arguments: Sequence[str] = (),
        report: Report = quiet,
    ) -> None:
        """`process_environment` is added to our own processes' environment; `fsync` must be on to kill etcd safely.

        `LOCAL_TEMPORAL=postgres` has Temporal's own server run on PostgreSQL, instead of the development server.
        """
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._report = report
        self._additions = dict(process_environment or {})
        self._sandbox_arguments = tuple(sandbox_arguments)
        self._processes = Processes(self.directory, report)
        self._specs: dict[str, ProcessSpec] = {}
        self._ports: dict[str, int] = {}
        self._accounts: Mapping[str, Path] = {}
        inherited = {**FRUGAL, **_inherited()}
        # A shell that has read `.local/env` goes on after `make down` and `make up`.
        self._kept = KeptPorts(self.directory / "ports.json" if default_ports else None)
        self._kubernetes = KubernetesServer(
            directory=self.directory,
            fsync=fsync,
            environment=inherited,
            report=report,
            port=self._kept.take("kube-apiserver-1"),
        )
        port = self._kept.take("temporal-1", TEMPORAL_PORT if default_ports else None)
        self._temporal: TemporalServer | MultiServiceTemporal
        if runs_on_postgres():
            self._temporal = MultiServiceTemporal(
                directory=self.directory,
                arguments=temporal_arguments,
                stock=temporal_stock,
                environment=inherited,
                report=report,
                port=port,
            )
        else:
            self._temporal = TemporalServer(
                directory=self.directory,
                in_memory=temporal_in_memory,
                ui=temporal_ui,
                arguments=temporal_arguments,
                stock=temporal_stock,
                environment=inherited,
                report=report,
                port=port,
                ui_port=self._kept.take("temporal-ui-1", TEMPORAL_UI_PORT if default_ports else None),
            )
        if default_ports:
            self._ports["sandbox-1"] = self._kept.take("sandbox-1", SANDBOX_PORT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def kubernetes(self) -> KubernetesAccess:
        """Address, certificate, token and kubeconfig files of the API server."""
        return self._kubernetes.access()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file."""
        return self._kubernetes.kubeconfig()

    @property
    def temporal_address(self) -> str:
        """Host and port of the Temporal frontend."""
        return self._temporal.address

    @property
    def temporal_processes(self) -> tuple[str, ...]:
        """The names of the processes that Temporal consists of, its database among them."""
        return self._temporal.names

    def dump_temporal(self) -> Mapping[str, str]:
        """Return all that Temporal's database holds, as texts; empty where that is a file of the directory."""
        return self._temporal.dump()

    @property
    def temporal_ui_url(self) -> str:
        """The Temporal web interface; empty without `temporal_ui`."""
        return self._temporal.ui_url

    @property
    def sandbox_url(self) -> str:
        """The sandbox's address."""
        return f"http://127.0.0.1:{self._port('sandbox-1')}"

    def http_url(self, name: str) -> str:
        """Return where `worker-1`, `watcher-2` … serves /healthz, /readyz and /metrics, and `receiver-1` /hooks/."""
        return f"http://127.0.0.1:{self._port(_numbered(name))}"

    def process_environment(self, name: str) -> dict[str, str]:
        """Return the environment variables that one of our own processes is started with.

        Where our resources are, a process is the service account that the chart makes for it.
        """
        account = self._accounts.get(name.partition("-")[0], self.kubeconfig)
        listen = {"PILOTAGE_HTTP_HOST": "127.0.0.1", "PILOTAGE_HTTP_PORT": str(self._port(_numbered(name)))}
        return {**self.person_environment(), "KUBECONFIG": str(account), **self._additions, **listen}

    def person_environment(self) -> dict[str, str]:
        """Return the environment variables of a command that an administrator runs here."""
        return {**_inherited(), **self.shared_environment()}

    def shared_environment(self) -> dict[str, str]:
        """Return the variables by which our processes and tools find this environment."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": NAMESPACE,
            "PILOTAGE_INSTALLATION": INSTALLATION,
            "PILOTAGE_ALLOW_HTTP": "true",
            # The stand-ins are on this machine, which is called only where it is named.
            "PILOTAGE_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PILOTAGE_TEMPORAL_UI_URL": self.temporal_ui_url,
            **self._additions,
        }

    def start(self, *pieces: Piece, workers: int = 0, watchers: int = 0, receivers: int = 0) -> None:
        """Start what does not run yet, and return when all of it is ready. What a failed start began is stopped."""
        before = set(self.names())
        try:
            self._start_servers(pieces)
            ours = [
                *_numbers("worker", workers),
                *_numbers("watcher", watchers),
                *_numbers("receiver", receivers),
            ]
            self._spawn(*(self._own(name) for name in ours if not self.running(name)))
        except BaseException:
            for name in [name for name in reversed(self.names()) if name not in before]:
                self._processes.stop(name)
            if not before:
                self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, newest first. Safe to repeat."""
        self._processes.stop_all()

    def kill(self, name: str) -> int:
        """SIGKILL `worker-1`, `temporal`, `kube-apiserver`, `etcd`, `sandbox` … and return the pid it had."""
        return self._processes.kill(_numbered(name))

    def terminate(self, name: str) -> None:
        """Stop one process gracefully."""
        self._processes.stop(_numbered(name))

    def restart(self, *names: str) -> None:
        """Start processes of this environment again, with their data and ports; first stop those that run."""
        numbered = [_numbered(name) for name in names]
        for name in numbered:
            if name not in self._specs:
                raise LocalEnvironmentError(f"{name} was never started here")
            self._processes.stop(name)
        self._spawn(*(self._specs[name] for name in numbered))

    def running(self, name: str) -> bool:
        """Return whether a process runs."""
        return self._processes.running(_numbered(name))

    def names(self) -> list[str]:
        """Return the names of the running processes, oldest first."""
        return self._processes.names()

    def pid(self, name: str) -> int:
        """Return the pid of a running process."""
        return self._processes.pid(_numbered(name))

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self._processes.log(_numbered(name))

    def reap(self) -> dict[str, int]:
        """Notice processes that ended without being asked; return name -> exit code."""
        return self._processes.reap()

    def _start_servers(self, pieces: Sequence[Piece]) -> None:
        etcd, api_server = "etcd-1", "kube-apiserver-1"
        first: list[ProcessSpec] = []
        if "kubernetes" in pieces:
            # Once: clients keep their connection settings over a restart of the server.
            if "etcd-1" not in self._specs:
                self._kubernetes.write_files()
            if not self.running(etcd):
                first.append(self._kubernetes.etcd())
        temporal = self._temporal.phases() if "temporal" in pieces else iter(())
        first += self._missing(next(temporal, ()))
        if "sandbox" in pieces and not self.running("sandbox"):
            first.append(self._sandbox())
        # All at once, since nothing here needs another; the API server needs etcd, and Temporal's services a database.
        self._spawn(*first)
        for phase in temporal:
            self._spawn(*self._missing(phase))
        if "kubernetes" in pieces and not self.running(api_server):
            self._spawn(self._kubernetes.api_server())
        if "resources" in pieces:
            apply_resources(self.kubeconfig, self._report)
            self._accounts = make_accounts(self._kubernetes, self._report)

    def _missing(self, specs: Sequence[ProcessSpec]) -> list[ProcessSpec]:
        return [spec for spec in specs if not self.running(spec.name)]

    def _spawn(self, *specs: ProcessSpec) -> None:
        for spec in specs:
            self._specs[spec.name] = spec
            self._processes.spawn(spec)
        self._processes.await_ready(*(spec.name for spec in specs))

    def _sandbox(self) -> ProcessSpec:
        name = "sandbox-1"
        arguments = ["--port", str(self._port(name)), *self._sandbox_arguments]
        return ProcessSpec(
            name=name,
            command=[sys.executable, "-m", "deploy.local.sandbox", *arguments],
            environment=_inherited(),
            ready=answers_http(f"{self.sandbox_url}/healthz"),
        )

    def _own(self, name: str) -> ProcessSpec:
        installed = Path(sys.executable).parent / "pilotage"
        program = [str(installed)] if installed.exists() else [sys.executable, "-m", "worker"]
        return ProcessSpec(
            name=name,
            command=[*program, name.rpartition("-")[0]],
            environment=self.process_environment(name),
            ready=answers_http(f"{self.http_url(name)}/readyz"),
            # Several start at once, also on a machine that is busy with other work.
            ready_timeout_seconds=180.0,
            # A worker lets running activities finish for up to 25 s.
            grace_seconds=30.0,
        )

    def _port(self, name: str) -> int:
        if name not in self._ports:
            self._ports[name] = self._kept.take(name)
        return self._ports[name]


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def _numbered(name: str) -> str:
    return name if name.rpartition("-")[2].isdigit() else f"{name}-1"


def _numbers(process: str, count: int) -> list[str]:
    return [f"{process}-{number}" for number in range(1, count + 1)]
