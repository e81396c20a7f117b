"""Which repository a clone URL means, at any host that a stand-in plays."""

from urllib.parse import unquote, urlsplit


def names_in(url: str) -> tuple[str, ...]:
    """Return the full names that an https, ssh or scp-like URL may mean, the longest one first.

    At Azure DevOps `_git` stands before the repository's name.
    """
    _, separator, rest = url.partition("://")
    path = urlsplit(url).path if separator else url.partition(":")[2] or rest
    parts = [
        unquote(part) for part in path.removesuffix("/").removesuffix(".git").split("/") if part not in ("", "_git")
    ]
    return tuple("/".join(parts[start:]) for start in range(len(parts) - 1))
