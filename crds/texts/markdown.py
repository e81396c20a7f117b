"""Text of others inside Markdown: shown as it is written, it does nothing.

Hosts act on names, numbers and addresses wherever they find them but in code, also where the character before was
escaped: GitHub looks for mentions in what Markdown was rendered to. Text between blanks that holds one becomes code.
"""

import re
from urllib.parse import quote, urlsplit

from crds.texts.plain import one_line, plain

ELLIPSIS = "…"
TEXT_LIMIT = 1000
CELL_LIMIT = 200

# Mentions, as Bitbucket writes them also in quotes; references as GitHub and GitLab write them (#1, GH-1, !1, $1, ~bug,
# ~"a bug", %milestone, &epic, [vulnerability:1], *iteration:1); emoji; formulas; what is made a link without being
# written as one.
_ACTIVE = re.compile(
    r"""[@#$%~^]["\w]|[!&]\d|\$|gh-\d|://|www\.|\w@|\[\w+:|\*iteration:|:[a-z+-][\w+-]*:""", re.IGNORECASE
)
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_SPECIAL = re.compile(r"[\\`*_\[\]<>&~|{}]")
# A slash begins a quick action of GitLab, which acts with the rights of the account that writes the line.
_BLOCK = re.compile(r"^(?:(\d{1,9})([.)])|([-+=#:/]))")
_BARS = re.compile(r"\\*\|")
_RUNS = re.compile("`+")


def inline(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Return the text on one line of Markdown, cut to a number of characters before it is encoded.

    Pieces between single backticks stay code, as messages of ours have them. The result may begin a line.
    """
    return _encoded(text, limit, in_table=False)


def cell(text: str) -> str:
    """Return the text as a part of one cell of a table."""
    return _encoded(text, CELL_LIMIT, in_table=True)


def code(text: str) -> str:
    """Return the text on one line as code, which hosts show as it is written."""
    return _code(one_line(text), in_table=False)


def link(text: str, address: str, *, in_table: bool = False) -> str:
    """Return a link, or the text alone where the address is none of the web."""
    shown = _encoded(text, CELL_LIMIT, in_table=in_table)
    safe = web_address(address)
    return f"[{shown}]({safe})" if safe and shown else shown


def web_address(address: str) -> str:
    """Return an http(s) address with every character encoded that could end it; empty for anything else."""
    fit = plain(address).strip()
    try:
        parts = urlsplit(fit)
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host or "\n" in fit:
        return ""
    return quote(fit, safe="%/:?#@!$&+,;=~-._")


def _encoded(text: str, limit: int, *, in_table: bool) -> str:
    line = one_line(text)
    line = line if len(line) <= limit else line[: limit - 1] + ELLIPSIS
    found, end = "", 0
    for piece in _CODE.finditer(line):
        found = _joined(found, _pieces(line[end : piece.start()], in_table))
        found = _joined(found, _code(piece[1], in_table))
        end = piece.end()
    found = _joined(found, _pieces(line[end:], in_table))
    return _BLOCK.sub(lambda block: f"{block[1]}\\{block[2]}" if block[1] else f"\\{block[3]}", found)


def _pieces(text: str, in_table: bool) -> str:
    found = ""
    for piece in re.split("( )", text):
        encoded = _code(piece, in_table) if _ACTIVE.search(piece) else _SPECIAL.sub(r"\\\g<0>", piece)
        found = _joined(found, encoded)
    return found


def _code(text: str, in_table: bool) -> str:
    fence = "`" * (max((len(run) for run in _RUNS.findall(text)), default=0) + 1)
    # A blank at both ends is taken away; without one a backtick there would lengthen the fence.
    padding = " " if len(fence) > 1 or text.startswith(" ") or text.endswith(" ") else ""
    # The cells of a row are split before code is looked for, so that a backslash before the bar cannot stay.
    inner = _BARS.sub(r"\\|", text) if in_table else text
    return f"{fence}{padding}{inner}{padding}{fence}"


def _joined(before: str, after: str) -> str:
    """Keep two pieces of code apart: their backticks would become one fence."""
    return f"{before} {after}" if before.endswith("`") and after.startswith("`") else before + after
