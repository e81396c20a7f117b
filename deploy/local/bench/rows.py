"""A row of the benchmark: what was measured, and what it is held against."""

import json
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

AT_MOST, AT_LEAST = "≤", "≥"
_FITS: Mapping[str, Callable[[float, float], bool]] = {AT_MOST: operator.le, AT_LEAST: operator.ge}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure; `detail` holds what was measured beside it, baselines included."""

    name: str
    value: float
    target: float
    bound: str = AT_MOST
    unit: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        return _FITS[self.bound](self.value, self.target)

    def line(self) -> str:
        """Return the row as one line of JSON."""
        target = f"{self.bound} {self.target:g}"
        row = {**asdict(self), "target": target, "ok": self.ok}
        del row["bound"]
        return json.dumps(row, ensure_ascii=False)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| What | Measured | Target | Met |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.value:g} {row.unit} | {row.bound} {row.target:g} {row.unit} | {'yes' if row.ok else 'no'} |"
        for row in rows
    ]
    return "\n".join(line.replace("  |", " |").replace(" |", " |") for line in lines)


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def rounded(value: float) -> float:
    """Round to three significant digits."""
    return float(f"{value:.3g}")
