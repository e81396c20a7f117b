"""The report of a chaos run: on the terminal, and as a section of docs/operate/reliability.md."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from deploy.local.environment.failures import LocalEnvironmentError
from tests.chaos.judgement import SHOWN, Verdict
from tests.chaos.run import Outcome
from tests.chaos.schedule import Point

BEGIN, END = "<!-- report: begin -->", "<!-- report: end -->"


def lines(outcome: Outcome, verdicts: list[Verdict]) -> Iterator[str]:
    """Yield the report as plain lines."""
    plan, toll, evidence = outcome.plan, outcome.toll, outcome.evidence
    yield f"seed {plan.seed}: {plan.promotions} promotions, {toll.total} SIGKILLs, {outcome.seconds:.0f} s"
    yield "  by process: " + ", ".join(f"{name} {count}" for name, count in sorted(toll.by_process.items()))
    for point in Point:
        yield f"  {point}: {toll.by_point[point]}"
    yield f"  continued as new right after the kill: {toll.continued}"
    yield f"  named moments that did not come in time, awaited again: {_by_point(toll.postponed)}"
    yield f"  named moments given up, made up for at random: {_by_point(toll.missed)}"
    yield f"  {evidence.calls} calls: " + ", ".join(f"{name} {count}" for name, count in evidence.faults.items())
    yield f"  {len(evidence.builds)} runs, {len(evidence.writes)} writes, {len(evidence.syncs)} syncs"
    if outcome.stopped_because:
        yield f"  ended early: {outcome.stopped_because}"
    for verdict in verdicts:
        yield f"{'✓' if verdict.kept else '✗'} {verdict.promise}"
        yield from (f"    {case}" for case in verdict.broken[:SHOWN])
        if len(verdict.broken) > SHOWN:
            yield f"    and {len(verdict.broken) - SHOWN} more"
    if not all(verdict.kept for verdict in verdicts):
        yield "what the logs of workers and watchers complain of, the most frequent first:"
        most = sorted(evidence.troubles.items(), key=lambda item: -item[1])[:SHOWN]
        yield from (f"    {count} times: {text}" for text, count in most or [("nothing", 0)])


def _by_point(counts: Counter[Point]) -> str:
    shown = ", ".join(f"{point} {count}" for point, count in sorted(counts.items()))
    return f"{counts.total()} ({shown})" if shown else "0"


def write_section(path: Path, outcome: Outcome, verdicts: list[Verdict], *, command: str) -> None:
    """Replace the report between the markers; a file that is not there is made. Raises LocalEnvironmentError."""
    before, after = _around(path)
    report = "\n".join(["```text", f"$ {command}", *lines(outcome, verdicts), "```"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}")


def require_place(path: Path) -> None:
    """Raise LocalEnvironmentError, before anything is run, where a report could not be written to a file."""
    _around(path)


def _around(path: Path) -> tuple[str, str]:
    if not path.exists():
        return "", "\n"
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise LocalEnvironmentError(f"{path.name} has no place for the report: {BEGIN} … {END}")
    return before, after
