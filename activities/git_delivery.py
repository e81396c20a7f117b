"""Deliver by Git: all files of a wave in one commit, only on top of the head that they were read from.

A retry finds the commit by its key, and what is written already by the values. A branch that moved meanwhile is read
again, and the edits are made again from what it holds then.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from activities.failures import describe
from activities.git_edits import Edit, EditRefused, Held, apply, commit_message, edits_of, marked
from activities.metrics import Count, count
from activities.models.configuration import DeploymentSpec, GitWriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult, FilesWritten
from activities.ports import ReferenceMissing, Repository, ResourceOpener
from activities.reading import reference
from activities.yaml_edits import YamlEditError, YamlFile
from crds.api.ports import ApiError
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.models import Ancestry, BranchCommit, FileEdit, NewCommit
from providers.ports import Branches
from providers.reading import beside

TRIES = 5
"""How often a branch that others write to as well is read again within one attempt."""
LOG = 50
"""Commits that are looked through for our key: others made fewer while a reply was lost."""
FILES = 50
"""Files of one commit."""
_AT_ONCE = 5
_REFRESHING_SECONDS = 15.0
"""What all refreshes may take together; Argo CD finds the commit without them, only later."""
_REFUSALS = (ProviderUnauthorized, ProviderNotFound, ProviderRejected, ProviderMisconfigured, ProviderMalformed)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is to be committed on top of which head."""

    head: str
    edits: tuple[Edit, ...]
    files: Mapping[str, YamlFile]
    changed: tuple[FileEdit, ...]
    made: BranchCommit | None
    """The commit that carries our key already."""


class GitDelivery:
    """Write files of named repositories."""

    def __init__(self, connections: ResourceOpener) -> None:
        self._connections = connections

    async def deliver(self, request: DeliverFilesInput) -> DeliverFilesResult:
        """Write the files; one deployment that cannot be written keeps all of them from being written."""
        git = _git_of(request.deployments)
        try:
            result = await self._written(request, git)
        except EditRefused as refused:
            return _answer(request, _refused(str(refused)), only=refused.deployment)
        except _REFUSALS as error:
            where = f"branch {git.branch} of GitRepository {git.repository}"
            return _answer(request, _refused(f"{where} cannot be written: {describe(error)}"))
        if result.stands:
            await self._refresh(request)
        return _answer(request, result)

    async def _written(self, request: DeliverFilesInput, git: GitWriteSpec) -> WriteResult:
        edits = edits_of(request.deployments, request.artifacts, request.variables)
        repository = await self._connections.repository(request.namespace, git.repository)
        branches = repository.host.branches
        if branches is None:
            return _refused(f"GitRepository {git.repository} is at a host where this version writes no files")
        for _ in range(TRIES):
            plan, held = await self._planned(branches, request, git, edits)
            await self._check_held(request, held)
            if not plan.changed:
                return _stands(plan, git)
            if plan.made is not None:
                made = plan.made.sha[:12]
                return _refused(f"commit {made} of {git.branch}, which wrote it, was set back since by another one")
            commit = NewCommit(
                branch=git.branch,
                expected_head=plan.head,
                message=commit_message(edits, request.variables, request.key),
                edits=plan.changed,
            )
            with suppress(ProviderConflict):
                made = await branches.commit(commit)
                return WriteResult(outcome=WriteOutcome.DONE, message=f"commit {made[:12]} of {git.branch}")
        message = f"{git.branch} of GitRepository {git.repository} moved {TRIES} times while it was to be written"
        return WriteResult(outcome=WriteOutcome.BUSY, message=message)

    async def _planned(
        self, branches: Branches, request: DeliverFilesInput, git: GitWriteSpec, edits: tuple[Edit, ...]
    ) -> tuple[_Plan, tuple[Held, ...]]:
        log = await branches.log(git.branch, LOG)
        if not log:
            raise ProviderNotFound("it has no commit")
        contents = await _read(branches, git, edits, log[0].sha)
        # It takes seconds where files are large.
        files, held, changed = await beside(partial(_edited, edits, contents))
        plan = _Plan(
            head=log[0].sha,
            edits=edits,
            files=files,
            changed=tuple(
                FileEdit(path=path, content=new) for path, new in sorted(changed.items()) if new != contents[path]
            ),
            made=next((one for one in log if marked(one.message, request.key)), None),
        )
        return plan, held

    async def _check_held(self, request: DeliverFilesInput, held: Iterable[Held]) -> None:
        """Refuse to write over what the artifact does not contain. Raises EditRefused."""
        repository: Repository | None = None
        known: dict[tuple[str, str], bool] = {}
        for one in held:
            revision, wanted = one.revision, one.edit.artifact.revision
            # A tag may carry an abbreviated hash.
            if revision is None or any(full.startswith(revision) for full in (wanted, *request.allowed)):
                continue
            if (revision, wanted) not in known:
                repository = repository or await self._connections.repository(request.namespace, request.repository)
                found = await repository.host.revisions.compare(revision, wanted)
                known[revision, wanted] = found in (Ancestry.AHEAD, Ancestry.IDENTICAL)
            if not known[revision, wanted]:
                message = f"{one.edit.file} holds `{one.value}`, which {wanted[:12]} does not contain: "
                message += "promote from what stands there, or set it back, then `retry`"
                raise EditRefused(one.edit.deployment.name, message)

    async def _refresh(self, request: DeliverFilesInput) -> None:
        """Have Argo CD look at the branch now rather than at its next poll."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def refresh(one: DeploymentSpec) -> None:
            async with gate:
                with suppress(ProviderError, ReferenceMissing, ApiError):
                    port = await self._connections.deployments(request.namespace, one.instance)
                    await port.get(reference(one), refresh=True)

        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESHING_SECONDS):
                await asyncio.gather(*map(refresh, request.deployments))


def _git_of(deployments: Sequence[DeploymentSpec]) -> GitWriteSpec:
    found = [one.write.git for one in deployments if one.write is not None and one.write.git is not None]
    if len(found) != len(deployments) or len({(one.repository, one.branch) for one in found}) != 1:
        raise ProviderMisconfigured("the deployments of one commit must be written to one branch")
    return found[0]


async def _read(branches: Branches, git: GitWriteSpec, edits: Sequence[Edit], head: str) -> dict[str, bytes]:
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
            where = f"branch {git.branch} of GitRepository {git.repository}"
            raise EditRefused(edit.deployment.name, f"{path} does not exist in {where}")
        return content

    read_all = await asyncio.gather(*(read(path, edit) for path, edit in first.items()))
    return dict(zip(first, read_all, strict=True))


def _edited(
    edits: Sequence[Edit], contents: Mapping[str, bytes]
) -> tuple[dict[str, YamlFile], tuple[Held, ...], dict[str, bytes]]:
    files = _parsed(edits, contents)
    held = apply(edits, files)
    return files, held, {path: file.text.encode() for path, file in files.items()}


def _parsed(edits: Sequence[Edit], contents: Mapping[str, bytes]) -> dict[str, YamlFile]:
    first = {edit.file: edit for edit in reversed(edits)}
    found: dict[str, YamlFile] = {}
    for path, content in contents.items():
        try:
            found[path] = YamlFile(content)
        except YamlEditError as error:
            raise EditRefused(first[path].deployment.name, f"{path} {error}") from None
    return found


def _stands(plan: _Plan, git: GitWriteSpec) -> WriteResult:
    if plan.made is not None:
        return WriteResult(outcome=WriteOutcome.DONE, message=f"commit {plan.made.sha[:12]} of {git.branch}")
    return WriteResult(outcome=WriteOutcome.ALREADY, message=f"{git.branch} holds it already")


def _refused(message: str) -> WriteResult:
    return WriteResult(outcome=WriteOutcome.REFUSED, message=message)


def _answer(request: DeliverFilesInput, result: WriteResult, *, only: str = "") -> DeliverFilesResult:
    """Give each deployment its result; beside the `only` one that is refused the others wait."""
    waits = WriteResult(outcome=WriteOutcome.BUSY, message=f"nothing is written, since {only} cannot be")
    written = []
    for one in request.deployments:
        own = result if only in ("", one.name) else waits
        outcome = own.outcome.value
        count(Count.DELIVERIES, namespace=request.namespace, instance=one.instance, operation="commit", outcome=outcome)
        written.append(FilesWritten(deployment=one.name, result=own))
    return DeliverFilesResult(written=tuple(written))
