"""Make a pull request show what is wanted, sending only differences. Each piece may be repeated without harm."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from activities.labelling import LabelManager
from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES
from activities.models.drift import DRIFT_HEADING, DriftNotice
from activities.models.label_sync import SyncResult
from activities.models.revisions import (
    DesiredDeployment,
    DesiredStatus,
    Mention,
    PresentInput,
    PresentResult,
    Shown,
)
from activities.models.state_labels import DRIFTED, HOLD, PREFIX
from activities.models.steering import Reaction
from activities.public_texts import made_public, without_internals
from activities.state_labels import WantedLabels
from crds.v1alpha1.git_repository import Show
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderUnauthorized,
)
from providers.models import Comment, CommitStatus, DeploymentRecord, DeploymentState, StatusState
from providers.ports import ScmHost
from providers.redaction import reads_as

_MARKER_LENGTH = 512
_MARKS = {True: ("<!-- pilotage:", " -->"), False: ("[pilotage:", "]: #")}
"""What stands around a marker, by whether comments hold HTML."""
_FOLDED = re.compile(r"<details(?: open)?><summary>(.*)</summary>")
_CUT = "\n\n…"
_UNITS = "utf-16-le"

EVERYTHING = Show()


@dataclass(frozen=True, kw_only=True)
class Presented:
    """What was shown, and which parts were not."""

    result: PresentResult
    errors: tuple[tuple[str, ProviderError], ...]
    """Part and error of each; in order."""


async def present(
    host: ScmHost, request: PresentInput, shown: Shown | None, show: Show = EVERYTHING, *, prefix: str = PREFIX
) -> Presented:
    """Show what is to be shown, each part by itself: one that is refused hides no other.

    What `shown` holds is trusted, except of labels, until the host answers that something of it is gone. Raises only
    what concerns every part: a credential that is not accepted, and a request for quiet.
    """
    return await _Presenter(host, request, shown, show, prefix).run()


def summary_marker(marker: str, proof: str = "", *, html: bool = True) -> str:
    """Return the hidden line by which our summary comment is found again; the proof binds it to the comment's text.

    Where comments hold no HTML it is the definition of a link that nothing refers to, which shows nothing either.
    """
    opening, closing = _MARKS[html]
    return f"{opening}{marker} {proof}{closing}" if proof else f"{opening}{marker}{closing}"


def mention_marker(marker: str, key: str, proof: str = "", *, html: bool = True) -> str:
    """Return the hidden line by which a mention is known to be posted; the proof binds it to the comment's text."""
    return summary_marker(f"{marker}:mention:{key}", proof, html=html)


async def show_drift(
    host: ScmHost, number: int, marker: str, notice: DriftNotice, show: Show = EVERYTHING, *, prefix: str = PREFIX
) -> None:
    """Show what drifted on a pull request whose promotion is over, next to what stands there.

    Where that is unknown, the label stays as it is.
    """
    if show.labels and host.capabilities.labels:
        manager = LabelManager(host, prefix=prefix)
        if notice.drifted:
            await manager.add(number, DRIFTED)
        elif notice.drifted is not None:
            await manager.remove(number, DRIFTED)
    if show.comment:
        request = PresentInput(namespace="", repository="", number=number, marker=marker, state_label="")
        await _Presenter(host, request, None, show, prefix).replace_drift(notice.section)


class _Presenter:
    def __init__(self, host: ScmHost, request: PresentInput, shown: Shown | None, show: Show, prefix: str) -> None:
        self._host = host
        self._prefix = prefix
        self._show = show
        self._request = request if show.internals else made_public(request)
        self._shown = shown
        self._writes = 0
        self._comments: tuple[Comment, ...] | None = None
        self._labels: tuple[str, ...] = ()
        self._labels_left = request.labels_left
        self._label_sync: SyncResult | None = None
        self._statuses: list[DesiredStatus] = []
        self._comment = ("", "")
        self._mentions: list[str] = list(shown.mentions) if shown else []
        self._deployments: list[DesiredDeployment] = []
        self._deployments_refused = shown.deployments_refused if shown else ""
        self._errors: list[tuple[str, ProviderError]] = []

    async def run(self) -> Presented:
        if self._show.labels and self._host.capabilities.labels:
            await self._try("labels", self._show_labels)
        if self._show.statuses and self._host.capabilities.commit_statuses:
            await self._try("commit statuses", self._show_statuses)
        if self._show.deployments and not self._deployments_refused:
            await self._try("deployments", self._show_deployments)
        if self._show.comment:
            await self._try("comment", self._show_comment)
            for mention in self._request.mentions:
                await self._try("mention", partial(self._post_once, mention))
            for reaction in self._request.reactions:
                await self._try("reaction", partial(self._react, reaction))
        comment_id, digest = self._comment
        shown = Shown(
            labels=self._labels,
            statuses=tuple(self._statuses),
            comment_id=comment_id,
            comment_digest=digest,
            mentions=tuple(dict.fromkeys(self._mentions)),
            deployments=tuple(self._deployments),
            deployments_refused=self._deployments_refused,
        )
        result = PresentResult(writes=self._writes, shown=shown, labels=self._label_sync, labels_left=self._labels_left)
        return Presented(result=result, errors=tuple(self._errors))

    async def _try(self, part: str, show: Callable[[Shown | None], Awaitable[None]]) -> None:
        try:
            try:
                await show(self._shown)
            except ProviderNotFound:
                if self._shown is None:
                    raise
                await show(None)
        except ProviderError as error:
            # Other parts would be refused for the same reason, and cost the host calls that it asked not to get.
            if isinstance(error, ProviderBusy | ProviderRateLimited) or error.status == 401:
                raise
            self._errors.append((part, error))

    async def _show_labels(self, shown: Shown | None) -> None:
        request = self._request
        done = await LabelManager(self._host, prefix=self._prefix).sync_to_scm(
            request.number,
            WantedLabels(
                state=request.state_label,
                place=request.place_label,
                steering_labels=tuple(one for one in request.steering_labels if one != HOLD or self._reads_labels),
                cleared=request.cleared,
                stay=request.labels,
            ),
            left=request.labels_left,
            remembered=shown.labels if shown else None,
        )
        self._writes += done.writes
        self._labels, self._labels_left, self._label_sync = done.shown, done.left, done.result

    @property
    def _reads_labels(self) -> bool:
        """Whether people steer by labels here: one that is not read would promise too much."""
        return self._host.steering is not None and self._host.steering.names_who_labels

    async def _show_statuses(self, shown: Shown | None) -> None:
        self._statuses = []
        for sha in dict.fromkeys(status.sha for status in self._request.statuses):
            wanted = [status for status in self._request.statuses if status.sha == sha]
            if shown is not None:
                changed = [status for status in wanted if status not in shown.statuses]
            else:
                newest = await self._host.commit_statuses.newest(sha)
                changed = [one for one in wanted if not self._is_shown(one, newest)]
            self._statuses += [status for status in wanted if status not in changed]
            for status in changed:
                await self._host.commit_statuses.set(sha, _to_commit_status(status))
                self._statuses.append(status)
                self._writes += 1

    def _is_shown(self, wanted: DesiredStatus, newest: Mapping[str, CommitStatus]) -> bool:
        capabilities = self._host.capabilities
        there = newest.get(capabilities.listed_context(wanted.context))
        if there is None or (there.state, there.url) != (
            StatusState(wanted.state),
            capabilities.listed_url(wanted.url),
        ):
            return False
        return reads_as(there.description, wanted.description)

    async def _show_deployments(self, shown: Shown | None) -> None:
        """Show them where the host has them; a credential without the right is reported, and fails nothing."""
        records, known = self._host.deployment_records, shown.deployments if shown else ()
        self._deployments = []
        if records is None:
            return
        for wanted in self._request.deployments:
            if wanted not in known:
                try:
                    await records.record(_to_record(wanted))
                except (ProviderUnauthorized, ProviderNotFound) as error:
                    if error.status == 401:
                        raise
                    self._deployments_refused = cut(str(error), LINE_BYTES)
                    return
                self._writes += 1
            self._deployments.append(wanted)

    async def _show_comment(self, shown: Shown | None) -> None:
        request = self._request
        if not request.comment:
            self._comment = (shown.comment_id, shown.comment_digest) if shown else ("", "")
            return
        body = self._signed(request.comment)
        digest = hashlib.sha256(body.encode()).hexdigest()[:16]
        if shown is not None and shown.comment_id:
            # One that we need not change may have been changed by others.
            there = await self._host.comments.get(shown.comment_id) if shown.comment_digest == digest else None
            if there is None or there.body.strip() != body:
                await self._host.comments.update(Comment(id=shown.comment_id, body=""), body)
                self._writes += 1
            self._comment = (shown.comment_id, digest)
            return
        found = self._summary(await self._read_comments())
        if found is None:
            found = await self._host.comments.create(request.number, body)
            self._writes += 1
        elif found.body.strip() != body:
            await self._host.comments.update(found, body)
            self._writes += 1
        self._comment = (found.id, digest)

    async def replace_drift(self, section: str) -> None:
        """Put a section at the end of our summary in place of the one there; without a summary there is nothing."""
        found = self._summary(await self._read_comments())
        if found is None:
            return
        shown = section if self._show.internals else without_internals(section)
        body = self._signed(_with_section(self._unsigned(found.body), shown))
        if body != found.body.strip():
            await self._host.comments.update(found, body)

    def _unsigned(self, body: str) -> str:
        return self._ending.sub("", body.rstrip()).rstrip()

    def _signed(self, text: str) -> str:
        text = self._fitting(text.rstrip())
        proof = self._host.comments.proof(f"{self._request.marker}\n{text}")
        return f"{text}\n\n{summary_marker(self._request.marker, proof, html=self._html)}"

    def _fitting(self, text: str) -> str:
        """Return the text as the host can show it, cut at the end of a line where it has no room for all."""
        if not self._html:
            lines = [_FOLDED.sub(r"**\1**", line) for line in text.split("\n") if line != "</details>"]
            text = "\n".join(lines).rstrip()
        # Hosts count as their languages do: some of them two for a character beyond the first plane.
        room, units = self._host.capabilities.comment_limit - _MARKER_LENGTH, text.encode(_UNITS)
        if len(units) <= 2 * room:
            return text
        whole_lines = units[: 2 * (room - len(_CUT))].decode(_UNITS, errors="ignore").rpartition("\n")[0]
        return f"{whole_lines.rstrip()}{_CUT}"

    @property
    def _html(self) -> bool:
        return self._host.capabilities.html

    @property
    def _ending(self) -> re.Pattern[str]:
        """What our summary ends with."""
        opening, closing = map(re.escape, _MARKS[self._html])
        return re.compile(rf"{opening}{re.escape(self._request.marker)}( [0-9a-f]+)?{closing}\Z")

    def _summary(self, comments: Sequence[Comment]) -> Comment | None:
        """Return our summary among the account's comments: one with a proof, else the first with our marker.

        Without a proof it was made with an earlier credential, or edited. The account alone does not decide, since
        others may make a shared account quote what they wrote. Where it is not known a proof alone does.
        """
        ending = self._ending
        marked = [comment for comment in comments if ending.search(comment.body.rstrip()[-_MARKER_LENGTH:])]
        proved = [
            comment for comment in marked if self._signed(ending.sub("", comment.body.rstrip())) == comment.body.strip()
        ]
        return next(iter([*proved, *(comment for comment in marked if comment.account_known)]), None)

    async def _post_once(self, mention: Mention, shown: Shown | None) -> None:
        if shown is not None and mention.key in shown.mentions:
            return
        unknown = shown is None or not shown.comment_id
        if not unknown or not self._is_posted(mention, await self._read_comments()):
            text = mention.body.rstrip()
            marker = self._mention_marker(mention, text)
            await self._host.comments.create(self._request.number, f"{text}\n\n{marker}")
            self._writes += 1
        self._mentions.append(mention.key)

    async def _react(self, reaction: Reaction, _shown: Shown | None) -> None:
        """Answer a comment; one that is gone needs no answer any more."""
        if self._host.steering is None:
            return
        with suppress(ProviderNotFound):
            await self._host.steering.react(reaction.comment, agreed=reaction.agreed)
            self._writes += 1

    def _mention_marker(self, mention: Mention, text: str) -> str:
        proof = self._host.comments.proof(f"{self._request.marker}:mention:{mention.key}\n{text}")
        return mention_marker(self._request.marker, mention.key, proof, html=self._html)

    def _is_posted(self, mention: Mention, comments: Sequence[Comment]) -> bool:
        """Return whether one of the comments is this mention as it was posted; what a shared account quotes is not."""
        for comment in comments:
            text = comment.body.strip().rpartition("\n\n")[0]
            marker = self._mention_marker(mention, text)
            if comment.body.strip() == f"{text}\n\n{marker}":
                return True
        return False

    async def _read_comments(self) -> tuple[Comment, ...]:
        if self._comments is None:
            self._comments = await self._host.comments.own(self._request.number)
        return self._comments


def _with_section(text: str, section: str) -> str:
    """Return a summary with another last section; nothing of others begins a line with our heading."""
    before = text.partition(f"\n\n{DRIFT_HEADING}\n")[0]
    return f"{before}\n\n{section}" if section else before


def _to_record(wanted: DesiredDeployment) -> DeploymentRecord:
    return DeploymentRecord(
        environment=wanted.environment,
        sha=wanted.sha,
        state=DeploymentState.ENDED if wanted.ended else DeploymentState(wanted.state),
        description=wanted.description,
        environment_url=wanted.environment_url,
        log_url=wanted.log_url,
    )


def _to_commit_status(status: DesiredStatus) -> CommitStatus:
    return CommitStatus(
        context=status.context, state=StatusState(status.state), description=status.description, url=status.url
    )
