"""A PostgreSQL of its own in a directory, on a port of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.environment.binaries import find
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.ports import accepts_connections, free_port
from deploy.local.environment.processes import ProcessSpec

USER = "temporal"
_UNPRIVILEGED = 65_534
_CONNECTIONS = 200
UNSYNCED = ("-c", "fsync=off", "-c", "full_page_writes=off")
"""As the development server's database: SIGKILL takes nothing from a server that it has handed to the kernel."""
_TIMEOUT_SECONDS = 60.0


@dataclass(kw_only=True)
class Postgres:
    """Files, port and command line of one server; they stay the same over restarts."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    report: Callable[[str], None]
    synced: bool = False
    """Whether each commit waits for the disk, as in operation."""
    port: int = field(default_factory=free_port)

    def spec(self) -> ProcessSpec:
        """Make the files where there are none, and return how to start it. Raises LocalEnvironmentError."""
        data = self.directory / "postgres"
        if not (data / "PG_VERSION").exists():
            self._initialize(data)
        return ProcessSpec(
            name="postgres-1",
            command=[
                *_as_user(),
                str(find("postgres", report=self.report)),
                *("-D", str(data), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"),
                # A socket's path may be longer than the kernel takes.
                *("-c", "unix_socket_directories=", "-c", f"max_connections={_CONNECTIONS}"),
                *(() if self.synced else UNSYNCED),
            ],
            environment=self.environment,
            ready=accepts_connections(self.port),
        )

    def dump(self, database: str) -> str:
        """Return all rows of a database as SQL, bytes as hexadecimal digits. Raises LocalEnvironmentError."""
        program = find("postgres", report=self.report).resolve().parent / "pg_dump"
        return _run([str(program), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "--data-only", database], self)

    def _initialize(self, data: Path) -> None:
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(data, _UNPRIVILEGED, _UNPRIVILEGED)
        # Anybody of this machine may connect, as to every other server of a local environment.
        command = [str(find("initdb", report=self.report)), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8"]
        try:
            _run([*_as_user(), *command, "--locale=C", "--no-sync"], self)
        except LocalEnvironmentError:
            shutil.rmtree(data, ignore_errors=True)
            raise


def _run(command: Sequence[str], server: Postgres) -> str:
    done = subprocess.run(
        command,
        env=dict(server.environment),
        # Of the folders that it is called from, another user may read none.
        cwd="/",
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise LocalEnvironmentError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-1000:]}")
    return done.stdout


def _as_user() -> Sequence[str]:
    """Return what a command begins with that must not run as root: PostgreSQL refuses that."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise LocalEnvironmentError(
            "PostgreSQL does not run as root: be another user, or install setpriv (Debian: apt-get install util-linux)"
        )
    # The folders above the data may be root's alone.
    rights = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    return ("setpriv", f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups", *rights, "--")
