"""Commits and branches in a real bare repository: what a stand-in commits or merges is made by `git` itself.

A repository whose seed names a folder as `git` keeps its commits there. `follow` reads what was pushed over HTTP.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from deploy.local.sandbox.commits import Commit, CommitGraph

_NO_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's empty tree, which every repository has."""


class GitGraph(CommitGraph):
    """The commits and branches of one bare repository."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._branches = _Branches(self)
        self.branches = self._branches
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        self.git("config", "http.receivepack", "true")

    def add(
        self,
        *,
        sha: str | None = None,
        parents: Iterable[str] = (),
        message: str = "",
        author: str = "ada",
        files: Mapping[str, str | None] | None = None,
    ) -> Commit:
        """Make a commit; its name is what `git` makes of it, so that none can be asked for."""
        if sha is not None:
            raise ValueError(f"a real commit cannot be called {sha!r}")
        known = tuple(parents)
        index = {"GIT_INDEX_FILE": str(self.path / "sandbox-index")}
        self.git("read-tree", known[0] if known else _NO_TREE, environment=index)
        self.git("update-index", "--index-info", text="".join(self._entries(files or {})), environment=index)
        tree = self.git("write-tree", environment=index)
        people = {
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", author), ("EMAIL", f"{author}@example.com"))
        }
        options = [option for parent in known for option in ("-p", parent)]
        made = self.git("commit-tree", tree, *options, text=message or "Commit", environment=people)
        return self._read(made)

    def follow(self) -> Mapping[str, str]:
        """Read what was pushed; return the branches that moved."""
        listed = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads").splitlines()
        there = dict(line.rsplit(" ", 1) for line in listed)
        for sha in self.git("rev-list", "--reverse", "--topo-order", "--branches").splitlines():
            if sha not in self.commits:
                self._read(sha)
        moved = {branch: sha for branch, sha in there.items() if self.branches.get(branch) != sha}
        self._branches.read(there)
        return moved

    def git(self, *arguments: str, text: str = "", environment: Mapping[str, str] | None = None) -> str:
        """Run git on the repository and return its output."""
        command = ["git", *arguments] if arguments[0] == "init" else ["git", f"--git-dir={self.path}", *arguments]
        done = subprocess.run(
            command, input=text, env=variables(environment), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip("\n")

    def _entries(self, files: Mapping[str, str | None]) -> Iterator[str]:
        for path, content in files.items():
            if content is None:
                yield f"0 {'0' * 40}\t{path}\n"
            else:
                yield f"100644 {self.git('hash-object', '-w', '--stdin', text=content)}\t{path}\n"

    def _read(self, sha: str) -> Commit:
        parents, author, message = self.git("show", "--no-patch", "--format=%P%x00%an%x00%B", sha).split("\0", 2)
        changed = self.git("diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "-m", sha)
        paths = self.git("ls-tree", "-r", "--name-only", sha).splitlines()
        self.commits[sha] = Commit(
            sha=sha,
            parents=tuple(parents.split()),
            message=message,
            author=author,
            changed=tuple(changed.splitlines()),
            tree={path: self._content(sha, path) for path in paths},
        )
        return self.commits[sha]

    def _content(self, sha: str, path: str) -> str:
        done = subprocess.run(
            ["git", f"--git-dir={self.path}", "cat-file", "blob", f"{sha}:{path}"],
            env=variables(),
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()


class _Branches(dict[str, str]):
    """Branch -> commit; what is set here is set in the repository."""

    def __init__(self, graph: GitGraph) -> None:
        super().__init__()
        self._graph = graph

    def __setitem__(self, branch: str, sha: str) -> None:
        self._graph.git("update-ref", f"refs/heads/{branch}", sha)
        super().__setitem__(branch, sha)

    def read(self, there: Mapping[str, str]) -> None:
        """Take over what the repository has."""
        self.clear()
        self.update(there)


def variables(more: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return an environment in which git heeds no settings of this machine's owner."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **(more or {})}
