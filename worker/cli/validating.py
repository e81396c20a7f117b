"""Read files and check the resources in them, without a cluster."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, SequenceNode

from crds.group import API_VERSION
from crds.rules.documents import validate_documents
from crds.texts.plain import counted
from worker.cli.exits import CliError, ExitCode
from worker.cli.yaml_documents import UnreadableYaml, documents

SUFFIXES = (".yaml", ".yml", ".json")
STANDARD_INPUT = Path("-")
_INDEX = re.compile(r"\[(\d+)\]")
FILE_LIMIT_BYTES = 16 * 1024 * 1024


class UnreadableFile(Exception):
    """Why a file cannot be read, and in which line."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True, kw_only=True)
class SourceLocation:
    """Where a document begins."""

    file: str
    line: int
    node: Any = field(default=None, repr=False, compare=False)
    """The document as YAML nodes, which know their lines."""

    def of(self, path: str) -> "SourceLocation":
        """Return where a field is written, or the innermost one around it that is there."""
        return SourceLocation(file=self.file, line=line_of(self.node, path) or self.line)


def line_of(node: Any, path: str) -> int:
    """Return the line of a field such as `spec.tests[0].parameters.X`; 0 where nothing of it is there."""
    line, rest = 0, "" if path == "." else path
    while rest:
        if isinstance(node, SequenceNode) and (found := _INDEX.match(rest)) and int(found[1]) < len(node.value):
            node = node.value[int(found[1])]
            line, rest = node.start_mark.line + 1, rest[found.end() :]
            continue
        rest = rest.removeprefix(".")
        # A key may hold dots itself: the longest one that fits is meant.
        fitting = [
            (key, value)
            for key, value in (node.value if isinstance(node, MappingNode) else ())
            if rest == str(key.value) or rest.startswith((f"{key.value}.", f"{key.value}["))
        ]
        if not fitting:
            return line
        key, node = max(fitting, key=lambda pair: len(str(pair[0].value)))
        line, rest = key.start_mark.line + 1, rest[len(str(key.value)) :]
    return line


@dataclass(frozen=True, kw_only=True)
class LocatedError:
    """One error, with everything that is needed to find it."""

    place: SourceLocation
    kind: str
    name: str
    path: str
    message: str

    def to_line(self, mark: str = "") -> str:
        """Write the finding in one line, in the form that editors turn into a link."""
        # Of what is no object neither is known.
        subject = f"{self.kind}/{self.name}: " if self.kind not in ("", "?") else ""
        field = f"{self.path}: " if self.path not in ("", ".") else ""
        return f"{self.place.file}:{self.place.line}: {mark}{subject}{field}{self.message}"

    def to_document(self) -> dict[str, Any]:
        """Write the finding as JSON-ready data."""
        return {
            "file": self.place.file,
            "line": self.place.line,
            "kind": self.kind,
            "name": self.name,
            "path": self.path,
            "message": self.message,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was checked and what was found."""

    findings: tuple[LocatedError, ...]
    files: int
    resources: int
    passed_over: int
    """Documents of other API groups."""
    warnings: tuple[LocatedError, ...] = ()
    """What the hosts showed; nothing of it makes a file invalid."""

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return bool(self.findings)

    @property
    def summary(self) -> str:
        """One line on what was checked."""
        others = f"; {counted(self.passed_over, 'document')} of other kinds not checked" if self.passed_over else ""
        verdict = f"{counted(len(self.findings), 'error')}" if self.findings else "valid"
        doubts = f", {counted(len(self.warnings), 'warning')}" if self.warnings else ""
        return f"{counted(self.resources, 'resource')} in {counted(self.files, 'file')}: {verdict}{doubts}{others}"

    def to_document(self) -> dict[str, Any]:
        """Write the report as JSON-ready data."""
        return {
            "valid": not self.failed,
            "files": self.files,
            "resources": self.resources,
            "passedOver": self.passed_over,
            "errors": [finding.to_document() for finding in self.findings],
            "warnings": [finding.to_document() for finding in self.warnings],
        }


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What is in the files, each document with its place; `unreadable` is what is no document, or no text."""

    files: int
    documents: tuple[tuple[SourceLocation, Any], ...]
    unreadable: tuple[LocatedError, ...]

    def of_kind(self, kind: str) -> Iterator[tuple[SourceLocation, dict[str, Any]]]:
        """Yield the documents of one of Pilotage's kinds; each has `metadata`, and nothing else is sure."""
        for place, document in self.documents:
            if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
                continue
            if (document.get("apiVersion"), document.get("kind")) == (API_VERSION, kind):
                yield place, document


def load_files(paths: Sequence[Path]) -> Loaded:
    """Read all files once, standard input too. What cannot be read is shown and hides nothing else.

    Raises CliError for a path that is not there.
    """
    found: list[tuple[SourceLocation, Any]] = []
    unreadable: list[LocatedError] = []
    files = list(dict.fromkeys(_files(paths)))
    for file in files:
        try:
            text = _read(file)
        except UnreadableFile as error:
            unreadable.append(_no_document(file, error.line, str(error)))
            continue
        for one in documents(text):
            if isinstance(one, UnreadableYaml):
                unreadable.append(_no_document(file, one.line, f"no YAML: {one}"))
            else:
                node, document = one
                location = SourceLocation(file=str(file), line=node.start_mark.line + 1, node=node)
                found.append((location, document))
    return Loaded(files=len(files), documents=tuple(found), unreadable=tuple(unreadable))


def _no_document(file: Path, line: int, message: str) -> LocatedError:
    return LocatedError(place=SourceLocation(file=str(file), line=line), kind="", name="", path="", message=message)


def check_loaded(loaded: Loaded) -> Report:
    """Check all resources as one set; what could not be read is a finding, and may have declared what others name."""
    found = [
        LocatedError(
            place=loaded.documents[error.index][0].of(error.error.path),
            kind=error.kind,
            name=error.name,
            path=error.error.path,
            message=error.error.message,
        )
        for error in validate_documents((document for _, document in loaded.documents), complete=not loaded.unreadable)
    ]
    present = [document for _, document in loaded.documents if document is not None]
    ours = sum(1 for document in present if not isinstance(document, dict) or _is_ours(document))
    return Report(
        findings=(*loaded.unreadable, *found),
        files=loaded.files,
        resources=ours,
        passed_over=len(present) - ours,
    )


def _is_ours(document: dict[str, Any]) -> bool:
    group = str(document.get("apiVersion", API_VERSION)).partition("/")[0]
    return group == API_VERSION.partition("/")[0]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path == STANDARD_INPUT or (path.exists() and not path.is_dir()):
            yield path
        elif path.is_dir():
            found = sorted(inner for inner in path.rglob("*") if inner.suffix in SUFFIXES and inner.is_file())
            if not found:
                raise CliError(f"{path}: no YAML file in this folder", code=ExitCode.NOT_FOUND)
            yield from found
        else:
            raise CliError(f"{path}: no such file or folder", code=ExitCode.NOT_FOUND)


def _read(file: Path) -> str:
    """Return the text of a file. Raises UnreadableFile."""
    try:
        content = sys.stdin.buffer.read(FILE_LIMIT_BYTES + 1) if file == STANDARD_INPUT else _read_bytes(file)
    except OSError as error:
        raise UnreadableFile(error.strerror or str(error)) from error
    if len(content) > FILE_LIMIT_BYTES:
        raise UnreadableFile(f"larger than {FILE_LIMIT_BYTES // 1024 // 1024} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"not UTF-8 text (byte {error.start})", 1 + content.count(b"\n", 0, error.start)
        ) from error


def _read_bytes(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(FILE_LIMIT_BYTES + 1)
