"""Temporal's own server as it runs in operation: each of its services a process, on PostgreSQL."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.environment.binaries import find
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.ports import accepts_connections, answers_http, free_port
from deploy.local.environment.postgres import USER, Postgres
from deploy.local.environment.processes import ROOT, ProcessSpec
from deploy.local.environment.temporal_server import FAIR, NAMESPACE, SEARCH_ATTRIBUTES, dynamic_values

SERVICES: Mapping[str, str] = {
    "history": "temporal-history-1",
    "frontend": "temporal-1",
    "matching": "temporal-matching-1",
    "worker": "temporal-system-1",
}
"""Which process runs which service. The frontend is what clients see, so it has the name of a development server."""
PLUGIN = "postgres12"
DATABASES: Mapping[str, str] = {"temporal": "temporal", "temporal_visibility": "visibility"}
"""The schema of each database, by the name that the SQL tool has for it."""
SHARDS = 64
"""A cluster has hundreds; each shard is paced by itself, so that one machine needs fewer."""
_TIMEOUT_SECONDS = 120.0


@dataclass(kw_only=True)
class MultiServiceTemporal:
    """Ports, files and command lines of one cluster; they stay the same over restarts."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    report: Callable[[str], None]
    arguments: Sequence[str] = ()
    """`--dynamic-config-value=name=JSON` as the development server takes them; others are of no use here."""
    stock: bool = False
    """Leave the order of tasks as it comes, and have each commit wait for the disk."""
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    ui_url: str = ""
    """Temporal's web interface is another project, and not part of the server."""

    def __post_init__(self) -> None:
        self._database = Postgres(
            directory=self.directory, environment=self.environment, report=self.report, synced=self.stock
        )
        self._grpc = {service: free_port() for service in SERVICES} | {"frontend": self.port}
        self._membership = {service: free_port() for service in SERVICES}

    @property
    def address(self) -> str:
        """The frontend's host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its processes, the database among them."""
        return ("postgres-1", *SERVICES.values())

    def dump(self) -> Mapping[str, str]:
        """Return all rows of its databases, by the name of the database."""
        return {name: self._database.dump(name) for name in DATABASES}

    def phases(self) -> Iterator[Sequence[ProcessSpec]]:
        """Yield what is to be started, one group after the other: each needs the one before to be ready."""
        yield [self._database.spec()]
        if not (schema := self.directory / "temporal-schema").exists():
            self._make_schema()
            schema.touch()
        configuration = self._write_configuration()
        first, *others = (self._service(service, configuration) for service in SERVICES)
        # One alone writes what the cluster is called: of several at once all but one would end.
        yield [first]
        yield others
        self._set_up()
        listed = f"http://127.0.0.1:{self.http_port}/api/v1/namespaces/{NAMESPACE}/search-attributes"
        if not answers_http(listed, containing=list(SEARCH_ATTRIBUTES)[-1])():
            raise LocalEnvironmentError(f"Temporal does not list the search attributes of namespace {NAMESPACE}")

    def _service(self, service: str, configuration: Path) -> ProcessSpec:
        program = str(find("temporal-server", report=self.report))
        return ProcessSpec(
            name=SERVICES[service],
            command=[
                *(program, "--config-file", str(configuration), "--allow-no-auth"),
                *("start", "--service", service),
            ],
            environment=self.environment,
            ready=accepts_connections(self._grpc[service]),
        )

    def _make_schema(self) -> None:
        """Make both databases and their schemas with Temporal's SQL tool, as an operator does."""
        tool = str(find("temporal-sql-tool", report=self.report))
        for database, schema in DATABASES.items():
            base = [tool, "--ep", "127.0.0.1", "-p", str(self._database.port), "-u", USER, "--pl", PLUGIN]
            named = [*base, "--db", database]
            # Of a start that was cut short.
            _run([*named, "drop", "--force"], self.environment, check=False)
            _run([*named, "create"], self.environment)
            _run([*named, "setup-schema", "-v", "0.0"], self.environment)
            _run([*named, "update-schema", "--schema-name", f"postgresql/v12/{schema}"], self.environment)
        self.report("temporal schemas made")

    def _set_up(self) -> None:
        address = {"TEMPORAL_ADDRESS": self.address, "TEMPORAL_NAMESPACE": NAMESPACE}
        _run([sys.executable, "-m", "worker", "setup"], {**self.environment, **address})

    def _write_configuration(self) -> Path:
        values = dynamic_values({} if self.stock else FAIR, self.arguments)
        dynamic = self.directory / "temporal-dynamic.yaml"
        # JSON is YAML.
        dynamic.write_text(json.dumps({name: [{"value": value}] for name, value in values.items()}))
        stores = {name: {"sql": self._store(name)} for name in DATABASES}
        main, visibility = DATABASES
        configuration = self.directory / "temporal.yaml"
        document = {
            "log": {"stdout": True, "level": "warn"},
            "persistence": {
                "defaultStore": main,
                "visibilityStore": visibility,
                "numHistoryShards": SHARDS,
                "datastores": stores,
            },
            "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
            "services": {service: {"rpc": self._rpc(service)} for service in SERVICES},
            "clusterMetadata": {
                "enableGlobalNamespace": False,
                "failoverVersionIncrement": 10,
                "masterClusterName": "active",
                "currentClusterName": "active",
                "clusterInformation": {
                    "active": {
                        "enabled": True,
                        "initialFailoverVersion": 1,
                        "rpcName": "frontend",
                        "rpcAddress": self.address,
                    }
                },
            },
            "publicClient": {"hostPort": self.address},
            "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "10s"},
        }
        configuration.write_text(json.dumps(document, indent=1))
        return configuration

    def _store(self, database: str) -> dict[str, object]:
        return {
            "pluginName": PLUGIN,
            "databaseName": database,
            "connectAddr": f"127.0.0.1:{self._database.port}",
            "connectProtocol": "tcp",
            "user": USER,
            "maxConns": 20,
            "maxIdleConns": 20,
            "maxConnLifetime": "1h",
        }

    def _rpc(self, service: str) -> dict[str, object]:
        http = {"httpPort": self.http_port} if service == "frontend" else {}
        own = {"grpcPort": self._grpc[service], "membershipPort": self._membership[service]}
        return {**own, **http, "bindOnLocalHost": True}


def _run(command: Sequence[str], environment: Mapping[str, str], *, check: bool = True) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if check and done.returncode:
        output = (done.stdout + done.stderr).strip()[-1500:]
        raise LocalEnvironmentError(f"{Path(command[0]).name} {' '.join(command[1:])} failed:\n{output}")
