"""Match changed files with the paths of components."""

import re
from collections.abc import Iterable
from functools import lru_cache

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_MEANINGS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # A folder means everything below it.
    whole = pattern.removeprefix("./").lstrip("/")
    whole = whole + "**" if whole.endswith("/") else whole
    return re.compile("".join(_MEANINGS.get(part) or re.escape(part) for part in _TOKEN.findall(whole)))


def matches(pattern: str, path: str) -> bool:
    """Tell whether a glob matches a file: `*` and `?` within a folder, `**` across any number of them."""
    return _compiled(pattern).fullmatch(path) is not None


def any_matches(patterns: Iterable[str], paths: Iterable[str]) -> bool:
    """Tell whether any of the files is matched by any of the globs."""
    files = tuple(paths)
    return any(matches(pattern, path) for pattern in patterns for path in files)
