"""A row of the benchmark: what was measured, and what it is held against."""

import json
import math
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

AT_MOST, AT_LEAST = "≤", "≥"
_FITS: Mapping[str, Callable[[float, float], bool]] = {AT_MOST: operator.le, AT_LEAST: operator.ge}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure; `detail` holds what was measured with it, baselines included."""

    name: str
    value: float
    target: float | None = None
    """None: a figure to look at, held against nothing."""
    bound: str = AT_MOST
    unit: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        return self.target is None or _FITS[self.bound](self.value, self.target)

    @property
    def wanted(self) -> str:
        """The target with its bound; empty without one."""
        return "" if self.target is None else f"{self.bound} {self.target:g}"

    def line(self) -> str:
        """Return the row as one line of JSON."""
        row = {**asdict(self), "target": self.wanted, "ok": self.ok}
        del row["bound"]
        return json.dumps(row, ensure_ascii=False)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| What | Measured | Target | Met |", "|---|---|---|---|"]
    for row in rows:
        met = "" if row.target is None else "yes" if row.ok else "**no**"
        cells = (row.name, _with_unit(f"{row.value:g}", row.unit), _with_unit(row.wanted, row.unit), met)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def rounded(value: float) -> float:
    """Round to three significant digits."""
    return float(f"{value:.3g}")


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return the least, the median, the 95th percentile and the greatest of what was measured."""
    ordered = sorted(values)
    late = ordered[max(0, math.ceil(0.95 * len(ordered)) - 1)]
    found = {"min": ordered[0], "p50": median(ordered), "p95": late, "max": ordered[-1]}
    return {name: rounded(value) for name, value in found.items()} | {"samples": len(ordered)}


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if text and unit else text
