"""Make a pull request show what is wanted, sending only differences. Each piece may be repeated without harm."""

import hashlib
from collections.abc import Sequence

from activities.models.revisions import DesiredStatus, Mention, PresentInput, PresentResult, Shown
from providers.errors import ProviderNotFound
from providers.models import Comment, CommitStatus, Verdict
from providers.ports import ScmHost

_CUT_AT_LEAST = 20
"""A stored description shorter than this was not cut by the host."""


async def present(host: ScmHost, request: PresentInput, shown: Shown | None) -> PresentResult:
    """Show everything; what `shown` says is trusted until the host says that something of it is gone."""
    try:
        return await _Presenter(host, request, shown).run()
    except ProviderNotFound:
        if shown is None:
            raise
        return await _Presenter(host, request, None).run()


def summary_marker(marker: str) -> str:
    """Return the hidden line by which our summary comment is found again."""
    return f"<!-- pilotage:{marker} -->"


def mention_marker(marker: str, key: str) -> str:
    """Return the hidden line by which a mention is known to be posted."""
    return f"<!-- pilotage:{marker}:mention:{key} -->"


class _Presenter:
    def __init__(self, host: ScmHost, request: PresentInput, shown: Shown | None) -> None:
        self._host = host
        self._request = request
        self._shown = shown
        self._writes = 0
        self._comments: tuple[Comment, ...] | None = None

    async def run(self) -> PresentResult:
        labels = await self._show_labels() if self._host.capabilities.labels else ()
        if self._host.capabilities.commit_statuses:
            await self._show_statuses()
        comment_id, digest = await self._show_comment()
        mentions = [mention.key for mention in self._request.mentions]
        for mention in self._request.mentions:
            await self._post_once(mention)
        return PresentResult(
            writes=self._writes,
            shown=Shown(
                labels=labels,
                statuses=self._request.statuses,
                comment_id=comment_id,
                comment_digest=digest,
                mentions=tuple(dict.fromkeys([*(self._shown.mentions if self._shown else ()), *mentions])),
            ),
        )

    async def _show_labels(self) -> tuple[str, ...]:
        request, labels = self._request, self._host.labels
        wanted = tuple(dict.fromkeys(label for label in (request.state_label, *request.labels) if label))
        present_labels = self._shown.labels if self._shown else await labels.list(request.number)
        for label in present_labels:
            if label not in wanted and _stands_for_a_state(label, request):
                await labels.remove(request.number, label)
                self._writes += 1
        if missing := [label for label in wanted if label not in present_labels]:
            await labels.add(request.number, missing)
            self._writes += 1
        return wanted

    async def _show_statuses(self) -> None:
        for sha in dict.fromkeys(status.sha for status in self._request.statuses):
            wanted = [status for status in self._request.statuses if status.sha == sha]
            if self._shown is not None:
                changed = [status for status in wanted if status not in self._shown.statuses]
            else:
                newest = await self._host.commit_statuses.newest(sha)
                changed = [status for status in wanted if not _is_shown(status, newest.get(status.context))]
            for status in changed:
                await self._host.commit_statuses.set(sha, _to_commit_status(status))
                self._writes += 1

    async def _show_comment(self) -> tuple[str, str]:
        request, shown = self._request, self._shown
        if not request.comment:
            return (shown.comment_id, shown.comment_digest) if shown else ("", "")
        marker = summary_marker(request.marker)
        body = f"{request.comment.rstrip()}\n\n{marker}"
        digest = hashlib.sha256(body.encode()).hexdigest()[:16]
        if shown is not None and shown.comment_id:
            if shown.comment_digest != digest:
                await self._host.comments.update(Comment(id=shown.comment_id, body=""), body)
                self._writes += 1
            return shown.comment_id, digest
        found = _first_with(marker, await self._read_comments())
        if found is None:
            found = await self._host.comments.create(request.number, body)
            self._writes += 1
        elif found.body.strip() != body:
            await self._host.comments.update(found, body)
            self._writes += 1
        return found.id, digest

    async def _post_once(self, mention: Mention) -> None:
        if self._shown is not None and mention.key in self._shown.mentions:
            return
        marker = mention_marker(self._request.marker, mention.key)
        unknown = self._shown is None or not self._shown.comment_id
        if unknown and _first_with(marker, await self._read_comments()) is not None:
            return
        await self._host.comments.create(self._request.number, f"{mention.body.rstrip()}\n\n{marker}")
        self._writes += 1

    async def _read_comments(self) -> tuple[Comment, ...]:
        if self._comments is None:
            self._comments = await self._host.comments.list(self._request.number)
        return self._comments


def _stands_for_a_state(label: str, request: PresentInput) -> bool:
    if request.state_labels:
        return label in request.state_labels
    # Inputs from before the states were named; in those every label of the prefix was one.
    return bool(request.label_prefix) and label.startswith(request.label_prefix)


def _first_with(marker: str, comments: Sequence[Comment]) -> Comment | None:
    # A person who quotes our comment puts the marker before words of their own.
    return next((comment for comment in comments if comment.body.rstrip().endswith(marker)), None)


def _to_commit_status(status: DesiredStatus) -> CommitStatus:
    return CommitStatus(
        context=status.context, state=Verdict(status.state), description=status.description, url=status.url
    )


def _is_shown(wanted: DesiredStatus, newest: CommitStatus | None) -> bool:
    if newest is None or newest.state != Verdict(wanted.state) or newest.url != wanted.url:
        return False
    if newest.description == wanted.description:
        return True
    stem = newest.description.rstrip("….")
    return len(stem) >= _CUT_AT_LEAST and wanted.description.startswith(stem)
