"""Texts as hosts keep them: with line ends of their own, and some without the blanks at the end. Pure."""


def is_kept(shown: str, wanted: str) -> bool:
    """Return whether a text that a host shows is the one that it was sent."""
    return _plain(shown) == _plain(wanted)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
