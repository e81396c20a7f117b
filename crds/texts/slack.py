"""Text of others inside a message of Slack: shown as it is written, it calls no one.

Slack acts on `<…>` alone: links, `<!channel>` and `<@U…>`.
Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from crds.texts.markdown import web_address
from crds.texts.plain import one_line

ELLIPSIS = "…"
TEXT_LIMIT = 1000
_CONTROL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def inline(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Return the text on one line, cut to a number of characters before it is encoded."""
    line = one_line(text)
    line = line if len(line) <= limit else line[: limit - 1] + ELLIPSIS
    return "".join(_CONTROL.get(one, one) for one in line)


def link(text: str, address: str, *, limit: int = TEXT_LIMIT) -> str:
    """Return a link, or the text alone where the address is none of the web."""
    # A bar ends the address, and a second one is a part of the text.
    shown, safe = inline(text, limit=limit), web_address(address)
    return f"<{inline(safe, limit=len(safe))}|{shown}>" if safe and shown else shown
