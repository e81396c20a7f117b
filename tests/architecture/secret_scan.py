"""Find credentials in the tree: `python -m tests.architecture.secret_scan`; exit code 1 where one is found.

Shapes are those of real credentials, with their real lengths, so that the short stand-ins of tests need no exception.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SHAPES: dict[str, re.Pattern[str]] = {
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})"),
    "GitLab token": re.compile(r"\bgl(?:pat|ptt|dt|soat|rt)-[A-Za-z0-9_-]{20,}"),
    "Atlassian token": re.compile(r"\bAT(?:ATT3|CTT3|BB)[A-Za-z0-9_=-]{24,}"),
    "Azure DevOps token": re.compile(r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b"),
    "Entra client secret": re.compile(r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    "Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=\s]{40,}"),
    "JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"),
    "address with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'<>{}$]+:[A-Za-z0-9+/_.-]{24,}@"),
}


def tracked(root: Path = ROOT) -> Iterator[Path]:
    """Yield the files that Git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    yield from (root / name for name in listed.decode().split("\0") if name)


def findings(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, what it looks like) of each credential in a text; the credential itself is not repeated."""
    for shape, pattern in _SHAPES.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, shape


def main() -> int:
    """Scan the tree; return the exit code."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: looks like a {shape}"
        for path in tracked()
        if path.is_file()
        for line, shape in findings(path.read_bytes().decode(errors="replace"))
    ]
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
