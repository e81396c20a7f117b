"""A Temporal development server with the search attributes that our workflows set."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.environment.binaries import find
from deploy.local.environment.ports import answers_http, free_port
from deploy.local.environment.processes import ProcessSpec

SEARCH_ATTRIBUTES: Mapping[str, str] = {
    "PilotageState": "Keyword",
    "PilotageNamespace": "Keyword",
    "PilotageRepository": "Keyword",
    "PilotageEnvironment": "Keyword",
    "PilotagePullRequest": "Int",
}
NAMESPACE = "default"

PROMPT: Mapping[str, str] = {
    "history.transferProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxPollRPS": "1000",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
}
"""What a development server does otherwise than a cluster. A shard hands out tasks at most 20 times a second, and
timers up to a second late: a cluster has hundreds of shards, this one has one, and every step of every workflow would
wait for the same beat. Four partitions of a queue only hand tasks to one another where one process has them all. And
each start and each signal would read the search attributes from the database, which has one connection."""

UNSYNCED = ("--sqlite-pragma=synchronous=0", "--sqlite-pragma=journal_mode=WAL")
"""SIGKILL takes nothing from a server that it has handed to the kernel; waiting for the disk doubles what each write
costs. Only a machine that stops loses the last of it. Without a write-ahead log each transaction also makes a file of
what it changes and removes it, a sixth of the server's processor time."""

FAIR: Mapping[str, str] = {"matching.enableFairness": "true"}
"""Tasks of a queue are handed out by fairness key in turn: by namespace, as our workflows set it."""

_DYNAMIC = "--dynamic-config-value="


def dynamic_values(ours: Mapping[str, str], arguments: Sequence[str]) -> dict[str, object]:
    """Return the dynamic configuration that values of ours and arguments of a development server stand for."""
    given = [one.removeprefix(_DYNAMIC).partition("=") for one in arguments if one.startswith(_DYNAMIC)]
    return {name: json.loads(value) for name, value in [*ours.items(), *((name, value) for name, _, value in given)]}


@dataclass(kw_only=True)
class TemporalServer:
    """Ports and command line of one development server; they stay the same over restarts."""

    directory: Path
    in_memory: bool
    ui: bool
    environment: Mapping[str, str] = field(repr=False)
    report: Callable[[str], None]
    arguments: Sequence[str] = ()
    stock: bool = False
    """Leave the pace of the one shard, and the order of tasks, as they come."""
    port: int = field(default_factory=free_port)
    ui_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        """The frontend's host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """The web interface's address; empty without one."""
        return f"http://127.0.0.1:{self.ui_port}" if self.ui else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its processes."""
        return ("temporal-1",)

    def dump(self) -> Mapping[str, str]:
        """Return nothing: its database is a file, which may be read as it is."""
        return {}

    def phases(self) -> Iterator[Sequence[ProcessSpec]]:
        """Yield what is to be started, one group after the other: each needs the one before to be ready."""
        yield [self._spec()]

    def _spec(self) -> ProcessSpec:
        attributes = [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
        # Without the news fetch the UI asks nothing outside this machine.
        ui = [f"--ui-port={self.ui_port}", "--ui-disable-news-fetch"] if self.ui else ["--headless"]
        database = [] if self.in_memory else [f"--db-filename={self.directory / 'temporal.sqlite'}"]
        if database and not self.stock:
            database += UNSYNCED
        ours = {} if self.stock else {**PROMPT, **FAIR}
        pace = [f"--dynamic-config-value={name}={value}" for name, value in ours.items()]
        command = [
            str(find("temporal", report=self.report)),
            *("server", "start-dev", "--ip=127.0.0.1", f"--port={self.port}", f"--http-port={self.http_port}"),
            *(f"--metrics-port={self.metrics_port}", "--log-level=warn"),
            "--dynamic-config-value=frontend.enableServerVersionCheck=false",
            *(*attributes, *ui, *database, *pace, *self.arguments),
        ]
        # The frontend listens before the attributes are registered; a workflow that starts in between fails.
        listed = f"http://127.0.0.1:{self.http_port}/api/v1/namespaces/{NAMESPACE}/search-attributes"
        probes = [answers_http(listed, containing=list(SEARCH_ATTRIBUTES)[-1])]
        probes += [answers_http(self.ui_url)] if self.ui else []
        return ProcessSpec(
            name="temporal-1",
            command=command,
            environment=self.environment,
            ready=lambda: all(probe() for probe in probes),
        )
