"""What `doctor` and `setup` found, one thing at a time, and how it is printed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from crds.texts.plain import counted
from worker.cli.checks import mark
from worker.cli.options import Output
from worker.cli.output import documents, line, paragraph


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one thing that an installation needs."""

    subject: str
    """Which kind of thing: `definition`, `right`, `temporal`, `queue`, `credential`, `webhook` and so on."""
    ok: bool | None
    """None: could not be looked at, or is shown for information."""
    text: str
    fix: str = ""
    """A command, or what a person has to do; empty where nothing is wrong."""


def well(subject: str, text: str) -> Finding:
    """Return that something is as it must be."""
    return Finding(subject=subject, ok=True, text=text)


def wrong(subject: str, text: str, *, fix: str) -> Finding:
    """Return that something is missing or wrong, and what fixes it."""
    return Finding(subject=subject, ok=False, text=text, fix=fix)


def unknown(subject: str, text: str, *, fix: str = "") -> Finding:
    """Return that something could not be looked at, or is of no consequence."""
    return Finding(subject=subject, ok=None, text=text, fix=fix)


def show(findings: Sequence[Finding], output: Output) -> None:
    """Print findings, each with its fix, and how many are wrong."""
    if not output.for_people:
        documents([asdict(one) for one in findings], output)
        return
    for one in findings:
        paragraph(f"{mark(one.ok)} {one.text}")
        if one.fix:
            # A command that is copied stays on one line.
            line(f"  fix: {one.fix}")
    count = sum(one.ok is False for one in findings)
    line()
    line(f"{counted(len(findings), 'check')}: {f'{count} found something wrong' if count else 'nothing is wrong'}")
