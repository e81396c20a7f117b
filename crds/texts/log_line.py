"""Text of others in a log for people: it stays on its line, and cannot look like a line of its own."""

from crds.texts.plain import DIRECTIONS, plain

MARGIN = "    | "
"""Before each line of a traceback or another text of several lines: no log line begins like this."""

# Everything at which a reader may begin another line; `plain` has replaced those among the control characters.
_BREAKS = {"\n": "\\n", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def one_record(text: str) -> str:
    """Return the text on one line, its line ends shown as escapes."""
    fit = DIRECTIONS.sub("", plain(text))
    for line_end, shown in _BREAKS.items():
        fit = fit.replace(line_end, shown)
    return fit


def in_margin(text: str) -> str:
    """Return a text of several lines, such as a traceback, with a margin before each."""
    return "\n".join(f"{MARGIN}{one_record(line)}" for line in plain(text).split("\n"))
