"""Print answers: rich on a terminal, aligned columns in a pipe, or the documents themselves."""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from crds.texts.plain import one_line
from crds.texts.terminal import visible, visible_json
from worker.cli.cells import padded, width
from worker.cli.options import Output

if TYPE_CHECKING:
    from rich.console import Console, Group

COLUMN_GAP, NARROW_GAP = "   ", "  "
# Wide enough that rich never wraps what a pipe will cut by lines.
PLAIN_WIDTH = 10_000

_COMMAND = re.compile(r"`[^`]*`|(?:^|(?<=: )|(?<=then ))(?:pilotage|kubectl) .*")
"""What is copied as it is: a line break within it would end it."""
_GLUE = "\0"

# Columns of which a terminal shows less than a pipe.
SUBJECT, LINK = "TEST", "LINK"
WRAPPED = frozenset({"TITLE", "DETAIL", "MESSAGE", "RESULT", "POLICY", "BY", "OBSERVED"})
UNBROKEN = frozenset({"RESULT"})
"""Columns that begin with a name, which is never cut; why follows."""
UNREMARKABLE = {"ROUND": "1", "TRY": "1", "KIND": ""}

STYLES = {
    "Completed": "green",
    "Passed": "green",
    "Promoted": "green",
    "AlreadyContained": "green",
    "Healthy": "green",
    "Testing": "cyan",
    "Promoting": "cyan",
    "Running": "cyan",
    "Progressing": "cyan",
    "ReadyToPromote": "yellow",
    "Held": "yellow",
    "AwaitingPolicy": "yellow",
    "TestsFailed": "red",
    "PromotionFailed": "red",
    "Failed": "red",
    "TimedOut": "red",
    "Error": "red",
    "Degraded": "red",
}

ANSI = {"green": "32", "cyan": "36", "yellow": "33", "red": "31"}


def console(*, soft_wrap: bool = True) -> "Console":
    """Return the console of this moment; a redirected stream gets neither colours nor wrapping.

    Soft wrapping leaves the breaking of long lines to the terminal, so that a link stays whole when it is copied.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False, soft_wrap=soft_wrap)
    return Console(highlight=False, soft_wrap=True, width=PLAIN_WIDTH, color_system=None)


def line(text: str = "") -> None:
    """Print text for people, without markup and without what a terminal would obey."""
    print(visible(text), flush=True)


def paragraph(text: str, *, indent: str = "  ") -> None:
    """Print a sentence for people: on a terminal broken at blanks, what follows indented; a link stays whole."""
    print(_folded(visible(text), sys.stdout, indent), flush=True)


def command_line(text: str) -> None:
    """Print what holds a command to paste: a terminal continues it on its next line, and copies it as one."""
    line(text)


def _folded(text: str, stream: TextIO, indent: str = "") -> str:
    """Break the lines of a text at blanks, but in no command, on a terminal; a pipe gets them whole."""
    if not stream.isatty():
        return text
    import textwrap

    width = shutil.get_terminal_size().columns
    glued = _COMMAND.sub(lambda found: found[0].replace(" ", _GLUE), text)
    folded = "\n".join(
        textwrap.fill(one, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        for one in glued.splitlines() or [""]
    )
    return folded.replace(_GLUE, " ")


def document(text: str) -> None:
    """Print a document in which nothing is left that a terminal would obey, to the last character as it is."""
    print(text, flush=True)


def note(text: str) -> None:
    """Print one line for people to stderr, where it disturbs no pipe."""
    print(_folded(visible(text), sys.stderr), file=sys.stderr)


def styled(state: str) -> str:
    """Wrap a state in rich markup of its colour."""
    from rich.markup import escape

    style, shown = STYLES.get(state), escape(one_line(state))
    return f"[{style}]{shown}[/{style}]" if style else shown


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: coloured on a terminal, aligned text in a pipe."""
    if not sys.stdout.isatty():
        for text in aligned(columns, rows):
            line(text)
        return
    # Cut to the terminal's width, unlike the links below it, which stay whole where they are copied.
    drawn, *links = rich_table(columns, rows).renderables
    console(soft_wrap=False).print(drawn)
    for link in links:
        console().print(link)


def listed(
    columns: Sequence[str] | None, rows: Sequence[Sequence[str]], *, widths: Sequence[int] = (), whole: bool = False
) -> list[int]:
    """Print a list as kubectl does, cut to the width of a terminal; return the widths, for rows that follow.

    A `whole` list is not cut: the terminal continues its lines on the next one.
    """
    from worker.cli.rows import lines_of

    terminal = sys.stdout.isatty()
    grid = [[one_line(cell) or "-" for cell in row] for row in rows]
    head = [list(columns)] if columns is not None else []
    fit = list(widths) or [max(width(row[index]) for row in [*head, *grid]) for index in range(len((head or grid)[0]))]
    limit = shutil.get_terminal_size().columns if terminal and not whole else None
    gap = NARROW_GAP if terminal else COLUMN_GAP
    for cells, text in zip([*head, *grid], lines_of([*head, *grid], fit, gap=gap, limit=limit), strict=True):
        print(_coloured(visible(text), cells) if terminal else visible(text), flush=True)
    return fit


def _coloured(text: str, cells: Sequence[str]) -> str:
    """Colour the state in a line that is safe to print, unless NO_COLOR or a terminal without colours forbids it.

    https://no-color.org
    """
    style = next((STYLES[cell] for cell in cells if cell in STYLES), "")
    state = next((cell for cell in cells if cell in STYLES), "")
    if not style or os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return text
    return text.replace(f" {state}", f" \x1b[{ANSI[style]}m{state}\x1b[0m", 1)


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Group":
    """Build a rich table that fits a narrow terminal: links stand below it, columns without news are left out."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    shown = [
        index for index, column in enumerate(columns) if column != LINK and not _is_unremarkable(column, index, rows)
    ]
    built = Table(box=None, pad_edge=False, padding=(0, len(NARROW_GAP), 0, 0))
    for index in shown:
        wraps = columns[index] in WRAPPED
        names = [row[index].partition(" ")[0] for row in rows] if columns[index] in UNBROKEN else []
        width = max(map(len, names), default=None)
        built.add_column(columns[index], no_wrap=not wraps, overflow="fold" if wraps else "ellipsis", min_width=width)
    for row in rows:
        built.add_row(*(styled(row[index]) for index in shown))
    if LINK not in columns:
        return Group(built)
    named = [(row[columns.index(SUBJECT)], row[columns.index(LINK)]) for row in rows]
    return Group(built, *(f"{escape(one_line(name))}: {escape(one_line(url))}" for name, url in named if url))


def _is_unremarkable(column: str, index: int, rows: Sequence[Sequence[str]]) -> bool:
    return column in UNREMARKABLE and all(row[index] in ("", UNREMARKABLE[column]) for row in rows)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a table as kubectl does; an empty cell shows as `-`."""
    grid = [list(columns), *([one_line(cell) or "-" for cell in row] for row in rows)]
    widths = [max(width(row[index]) for row in grid) for index in range(len(columns))]
    return [
        COLUMN_GAP.join(padded(cell, room) for cell, room in zip(row, widths, strict=True)).rstrip() for row in grid
    ]


def documents(value: Any, output: Output) -> None:
    """Print JSON-ready data: one document, or a list of them."""
    shown = _without_managed_fields(value)
    match output.form:
        case "name":
            for text in [name_line(one) for one in _each(shown)]:
                line(text)
        case "jsonpath":
            from worker.cli.jsonpath import read_template

            # A tab is what scripts cut at; `visible` makes blanks of it.
            text = read_template(output.template).render(shown)
            print("\t".join(visible(cell) for cell in text.split("\t")), end="", flush=True)
        case "yaml":
            from worker.cli.yaml_text import to_yaml

            document(to_yaml(shown).rstrip())
        case _:
            document(visible_json(shown))


def name_line(one: Any) -> str:
    """Name a document as `kubectl get -o name` does. Raises CliError with USAGE for what is no object."""
    if not isinstance(one, dict) or not one.get("kind") or not one.get("metadata", {}).get("name"):
        from worker.cli.exits import CliError, ExitCode

        raise CliError("`-o name` names objects, and this answer is none", code=ExitCode.USAGE, advice="use -o json")
    group = str(one.get("apiVersion", "")).rpartition("/")[0].partition("/")[0]
    kind = str(one.get("kind", "")).lower()
    return f"{kind}{f'.{group}' if group else ''}/{one.get('metadata', {}).get('name', '')}"


def _each(value: Any) -> list[Any]:
    if isinstance(value, dict):
        items = value.get("items") if value.get("kind") == "List" else None
        return list(items) if isinstance(items, list) else [value]
    return list(value)


def _without_managed_fields(value: Any) -> Any:
    """Leave out what kubectl leaves out: which writer owns which field."""
    if isinstance(value, dict) and value.get("kind") == "List":
        return {**value, "items": [_without_managed_fields(one) for one in value["items"]]}
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return value
    kept = {key: one for key, one in metadata.items() if key != "managedFields"}
    return {**value, "metadata": kept}


def as_list(items: Sequence[Any]) -> dict[str, Any]:
    """Wrap documents as kubectl's `-o json` does."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}
