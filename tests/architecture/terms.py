"""Check that code and documents use the terms of AGENTS.md: one verb for each act, and no term of its last column.

Everything that is tracked is read as text: comments, docstrings, strings and identifiers (split at `_` and at capitals)
of Python, Markdown, YAML and TOML. `python -m tests.architecture.terms` shows what is refused and fails; with paths it
reads these alone.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
AGENTS = ROOT / "AGENTS.md"
TABLE = "## Terms"
"""The section of AGENTS.md that holds the table; it names what it refuses, so that it is not read."""
READ = (".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".tpl", "Makefile")
LISTS_THEM = ("tests/architecture/terms.py", "tests/architecture/test_terms.py")
"""They must write what is refused."""
_IRREGULAR = {
    "tell": ("told", "teller"),
    "say": ("said", "sayer"),
    "speak": ("spoke", "spoken", "speaker"),
    "hear": ("heard", "hearer"),
    "see": ("saw", "seen", "seeing"),
    "take": ("took", "taken", "taking"),
}
_OTHERS_NAMES = re.compile(r"break_long_words|COMP_WORDS|Your credentials lack one or more required privilege scopes")
"""Names of the standard library and answers of vendors, which the stand-ins repeat, that hold such a term."""
_UNINFLECTED = frozenset({"afresh", "anew", "beside", "for ever", "nobody", "whoever"})
_GAP = r"(?:[\s_>*-]|#)+"
"""Between two parts of one term: also a new line of a comment or of a quotation."""


def refused() -> dict[str, str]:
    """Return what to write by each refused term, as the table of AGENTS.md has them."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in _section(AGENTS.read_text(), TABLE).splitlines()
        if line.startswith("|") and not line.startswith(("|---", "| Act "))
    ]
    return {term.strip(): row[1] for row in rows if len(row) > 2 for term in row[2].split(",") if term.strip()}


def findings(text: str, terms: Mapping[str, str]) -> list[tuple[int, str]]:
    """Return the line and the refused term for each one in a text, in order."""
    plain = re.sub(r"\\[nrt]", "  ", _OTHERS_NAMES.sub("", text))
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return [(plain.count("\n", 0, match.start()) + 1, match[0]) for match in _pattern(tuple(terms)).finditer(plain)]


def problems(paths: Iterable[str], terms: Mapping[str, str]) -> list[str]:
    """Return a line for each refused term in the files."""
    return [
        f'{path}:{line}: `{" ".join(term.split())}` is refused: AGENTS.md, "{TABLE[3:]}", has what to write'
        for path in paths
        for line, term in findings(_text(path), terms)
    ]


def tracked(under: Iterable[str] = ()) -> list[str]:
    """Return the tracked files that are read, all or those below some paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *under], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [path for path in listed.split("\0") if path.endswith(READ) and path not in LISTS_THEM]


def main(arguments: list[str]) -> int:
    """Print what is refused; 0 nothing, 1 something."""
    found = problems(tracked(arguments), refused())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


@cache
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str]:
    forms = sorted({form for term in terms for form in _forms(term)}, key=len, reverse=True)
    alternatives = "|".join(_GAP.join(re.escape(part) for part in form.split()) for form in forms)
    # An identifier's parts are set apart by `_`, which counts as a letter for `\b`.
    return re.compile(rf"(?<![A-Za-z])(?:{alternatives})(?![A-Za-z])", re.IGNORECASE)


def _forms(term: str) -> Iterator[str]:
    """Generate a term and its inflections: those of the first part, which is the verb where there are several."""
    if term in _UNINFLECTED:
        yield term
        return
    first, _, rest = term.partition(" ")
    stem = first.removesuffix("e")
    endings = (first, f"{first}s", f"{stem}ed", f"{stem}ing", *_IRREGULAR.get(first, ()))
    for form in endings:
        yield f"{form} {rest}".strip()


def _section(text: str, title: str) -> str:
    return text.partition(f"\n{title}\n")[2].partition("\n## ")[0]


def _text(path: str) -> str:
    text = (ROOT / path).read_text()
    if path != AGENTS.name:
        return text
    table = _section(text, TABLE)
    return text.replace(table, "\n" * table.count("\n"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
