"""Commit graphs: what contains what, in one repository."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SHA = re.compile(r"[0-9a-f]{40}")
_ABBREVIATED_SHA = re.compile(r"[0-9a-f]{7,39}")


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit with the whole tree that it stands for."""

    sha: str
    parents: tuple[str, ...]
    message: str
    author: str
    changed: tuple[str, ...] = ()
    tree: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How a head relates to a base; `commits` are the head's own, oldest first."""

    status: str
    ahead_by: int
    behind_by: int
    merge_base: str
    commits: tuple[Commit, ...]


class CommitGraph:
    """The commits and branches of one repository."""

    def __init__(self) -> None:
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}

    def add(
        self,
        *,
        sha: str | None = None,
        parents: Iterable[str] = (),
        message: str = "",
        author: str = "ada",
        files: Mapping[str, str | None] | None = None,
    ) -> Commit:
        """Record a commit; `files` are written over the first parent's tree (None deletes).

        Raises ValueError for an unknown parent or a malformed sha.
        """
        known = tuple(parents)
        for parent in known:
            if parent not in self.commits:
                raise ValueError(f"unknown parent {parent!r}")
        tree: Mapping[str, str] = self.commits[known[0]].tree if known else {}
        if files:
            tree = {path: text for path, text in {**tree, **files}.items() if text is not None}
        made = sha or hashlib.sha1(f"{known}|{message}|{files}|{len(self.commits)}".encode()).hexdigest()
        if not _SHA.fullmatch(made):
            raise ValueError(f"sha must be 40 lower-case hexadecimal digits, not {made!r}")
        commit = Commit(
            sha=made,
            parents=known,
            message=message or f"Commit {made[:7]}",
            author=author,
            changed=tuple(files or ()),
            tree=tree,
        )
        self.commits[made] = commit
        return commit

    def resolve(self, ref: str) -> str | None:
        """Return the full sha that a branch, a full or an abbreviated sha names."""
        for prefix in ("refs/heads/", "heads/"):
            ref = ref.removeprefix(prefix)
        if ref in self.commits:
            return ref
        if ref == "HEAD" and self.branches:
            return self.branches.get("main") or next(iter(self.branches.values()))
        if ref in self.branches:
            return self.branches[ref]
        if _ABBREVIATED_SHA.fullmatch(ref):
            matches = [sha for sha in self.commits if sha.startswith(ref)]
            return matches[0] if len(matches) == 1 else None
        return None

    def contained_in(self, sha: str) -> set[str]:
        """Return a commit and all its ancestors."""
        seen: set[str] = set()
        pending = [sha]
        while pending:
            current = pending.pop()
            if current not in seen:
                seen.add(current)
                pending.extend(self.commits[current].parents)
        return seen

    def compare(self, base: str, head: str) -> Comparison | None:
        """Compare two known commits; None when they have no common ancestor."""
        in_base, in_head = self.contained_in(base), self.contained_in(head)
        shared = in_base & in_head
        if not shared:
            return None
        ahead, behind = in_head - in_base, in_base - in_head
        if ahead and behind:
            status = "diverged"
        elif ahead:
            status = "ahead"
        else:
            status = "behind" if behind else "identical"
        in_order = tuple(commit for sha, commit in self.commits.items() if sha in ahead)
        return Comparison(
            status=status,
            ahead_by=len(ahead),
            behind_by=len(behind),
            merge_base=self._newest(shared),
            commits=in_order,
        )

    def changed_between(self, base: str, head: str) -> dict[str, str]:
        """Return path → added, modified or removed between two trees."""
        before, after = self.commits[base].tree, self.commits[head].tree
        changes = {path: "removed" for path in before if path not in after}
        for path, text in after.items():
            if path not in before:
                changes[path] = "added"
            elif before[path] != text:
                changes[path] = "modified"
        return dict(sorted(changes.items()))

    def load(self, wanted: Mapping[str, Any]) -> None:
        """Add seeded `commits` (parents first) and move seeded `branches`. Raises ValueError naming what is wrong."""
        for commit in wanted.get("commits", []):
            if commit.get("sha") not in self.commits:
                self.add(**commit)
        for branch, ref in (wanted.get("branches") or {}).items():
            sha = self.resolve(ref)
            if sha is None:
                raise ValueError(f"branch {branch!r} points to unknown commit {ref!r}")
            self.branches[branch] = sha

    def _newest(self, shas: set[str]) -> str:
        parents = {parent for sha in shas for parent in self.commits[sha].parents}
        tips = [sha for sha in self.commits if sha in shas and sha not in parents]
        return tips[-1]
