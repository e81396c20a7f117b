"""What a branch misses: its files as they are at its head, and as they are to be."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from activities.delivery.file_edits import Edit, EditRefused, Held, apply, marked
from activities.delivery.yaml_edits import YamlEditError, YamlFile
from activities.failures import describe
from providers.errors import ProviderMalformed, ProviderNotFound, ProviderRejected
from providers.models import BranchCommit, FileEdit
from providers.ports import Branches
from providers.reading import in_thread

LOG = 50
"""Commits that are looked through for our key: others made fewer while a reply was lost."""
FILES = 50
"""Files of one commit."""
FILES_LIMIT_BYTES = 1024 * 1024
"""Of them together: what is read of one takes seconds of a thread."""
_AT_ONCE = 5


@dataclass(frozen=True, kw_only=True)
class CommitPlan:
    """What is to be committed on top of which head."""

    branch: str
    head: str
    changed: tuple[FileEdit, ...]
    held: tuple[Held, ...]
    """What the files hold."""
    made: BranchCommit | None
    """The commit that carries our key already."""


async def plan(branches: Branches, branch: str, where: str, edits: Sequence[Edit], key: str) -> CommitPlan:
    """Read a branch and make the edits. Raises EditRefused naming what keeps a file from being written.

    `where` names the branch for people.
    """
    log = await branches.log(branch, LOG)
    if not log:
        raise ProviderNotFound("it has no commit")
    contents = await _read(branches, where, edits, log[0].sha)
    # It takes seconds where files are large.
    held, texts = await in_thread(partial(_edited, edits, contents))
    return CommitPlan(
        branch=branch,
        head=log[0].sha,
        changed=tuple(FileEdit(path=path, content=new) for path, new in texts.items() if new != contents[path]),
        held=held,
        made=next((one for one in log if marked(one.message, key)), None),
    )


async def holds_nothing_else(branches: Branches, where: str, edits: Sequence[Edit], head: str, *, on: str) -> bool:
    """Return whether the files of a commit are those of the one that it is made on, with the edits and nothing else."""
    before, after = [await _read(branches, where, edits, revision) for revision in (on, head)]
    _, texts = await in_thread(partial(_edited, edits, before))
    return texts == after


async def _read(branches: Branches, where: str, edits: Sequence[Edit], head: str) -> dict[str, bytes]:
    """Read each file once. Raises EditRefused for one that is missing or cannot be read, naming it."""
    first = {edit.file: edit for edit in reversed(edits)}
    if len(first) > FILES:
        message = f"{len(first)} files would be written in one commit, and at most {FILES} are: divide the wave"
        raise EditRefused(next(iter(first.values())).deployment.name, message)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(path: str, edit: Edit) -> bytes:
        async with gate:
            try:
                content = await branches.read(path, head)
            except (ProviderMalformed, ProviderRejected) as error:
                raise EditRefused(edit.deployment.name, f"{path} cannot be read: {describe(error)}") from None
        if content is None:
            raise EditRefused(edit.deployment.name, f"{path} does not exist in {where}")
        return content

    read_all = await asyncio.gather(*(read(path, edit) for path, edit in first.items()))
    if (total := sum(map(len, read_all))) > FILES_LIMIT_BYTES:
        message = (
            f"the files of the commit have {total} bytes, and at most {FILES_LIMIT_BYTES} are read: divide the wave"
        )
        raise EditRefused(next(iter(first.values())).deployment.name, message)
    return dict(zip(first, read_all, strict=True))


def _edited(edits: Sequence[Edit], contents: Mapping[str, bytes]) -> tuple[tuple[Held, ...], dict[str, bytes]]:
    files = _parsed(edits, contents)
    held = apply(edits, files)
    return held, {path: file.text.encode() for path, file in sorted(files.items())}


def _parsed(edits: Sequence[Edit], contents: Mapping[str, bytes]) -> dict[str, YamlFile]:
    first = {edit.file: edit for edit in reversed(edits)}
    found: dict[str, YamlFile] = {}
    for path, content in contents.items():
        try:
            found[path] = YamlFile(content)
        except YamlEditError as error:
            raise EditRefused(first[path].deployment.name, f"{path} {error}") from None
    return found
