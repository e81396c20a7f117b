"""Read which files a pull request changes, as far as they can be read; a longer list is stated to be incomplete."""

from collections.abc import AsyncIterable, Callable
from functools import partial

from providers.documents import required_text, text
from providers.messages import Reply, TooMuch
from providers.models import ChangedFiles
from providers.reading import read


def _is_last(_rows: int, _last: Reply) -> bool:
    return True


def _uncounted(_page: Reply) -> int:
    return 0


async def read_files(
    pages: AsyncIterable[Reply],
    paths_on: Callable[[Reply], tuple[str, ...]],
    *,
    rows_on: Callable[[Reply], int] = _uncounted,
    most: int = 0,
    is_whole: Callable[[int, Reply], bool] = _is_last,
) -> ChangedFiles:
    """Return the paths of all pages; of `most` rows, where that is given, the rest is not asked for.

    `is_whole` is given how many rows were listed and the last page, and returns whether the host left nothing out. A
    change that is too large to be read could else never be promoted: all its components count as touched instead.
    """
    paths: dict[str, None] = {}
    rows, whole = 0, True
    try:
        async for reply in pages:
            paths.update(dict.fromkeys(await read(reply, partial(paths_on, reply))))
            rows += rows_on(reply)
            whole = await read(reply, partial(is_whole, rows, reply))
            if most and rows >= most:
                whole = False
                break
    except TooMuch:
        whole = False
    return ChangedFiles(paths=tuple(paths), complete=whole)


def changed_paths(reply: Reply) -> tuple[str, ...]:
    """Read a page in GitHub's shape, which Gitea and Forgejo have alike; a rename counts with both paths."""
    return tuple(
        path
        for file in reply.documents()
        for path in (required_text(file, "filename"), text(file, "previous_filename"))
        if path
    )
