"""Memory and processor time of running processes, from /proc."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What processes have used until now."""

    at: float
    cpu_seconds: Mapping[str, float]
    rss_megabytes: Mapping[str, float]

    def cores_since(self, earlier: "Usage") -> dict[str, float]:
        """Return how many cores each process used in between."""
        seconds = self.at - earlier.at
        return {
            name: round((used - earlier.cpu_seconds.get(name, 0.0)) / seconds, 3)
            for name, used in self.cpu_seconds.items()
        }


def read_usage(pids: Mapping[str, int]) -> Usage:
    """Read the usage of the named processes."""
    return Usage(
        at=time.monotonic(),
        cpu_seconds={name: _cpu_seconds(pid) for name, pid in pids.items()},
        rss_megabytes={name: round(_rss_bytes(pid) / _MEGABYTE, 1) for name, pid in pids.items()},
    )


def grouped(values: Mapping[str, float], groups: Iterable[str]) -> dict[str, float]:
    """Add up the values of `worker-1`, `worker-2` … under `worker`."""
    found = {
        group: sum(value for name, value in values.items() if name.rpartition("-")[0] == group) for group in groups
    }
    return {group: round(value, 3) for group, value in found.items()}


def _cpu_seconds(pid: int) -> float:
    # proc_pid_stat(5): after the name in parentheses, utime is field 14 and stime field 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
