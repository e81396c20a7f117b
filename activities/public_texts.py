"""What a pull request may show where the repository does not ask for internals: texts without what is of the cluster.

Everybody reads a public pull request, and what hosts answer names machines. Host names, addresses, names of Secrets and
kinds of our own errors are left out of every text; the status of the tracker and `pilotage why` have them. Links to the
runs of tests stay, since people open them; the Temporal UI is linked only with internals.
"""

import re
from dataclasses import replace

from activities.models.revisions import DesiredDeployment, DesiredStatus, Mention, PresentInput

HOST = "a host"
SECRET = "a Secret"  # noqa: S105 what stands for its name
_LINK = re.compile(r"(\]\([^)\s]*\))")
_ADDRESS = re.compile(r"https?://[^\s`)\]|>]+")
_TOKEN = re.compile(r"[\w.:/@-]+")
_LABEL = re.compile(r"[A-Za-z0-9-]+")
_HEX = re.compile(r"[0-9A-Fa-f:]+")
_PORTS = frozenset({"80", "443", "3000", "5000", "6443", "8000", "8080", "8443", "9000", "9090"})
"""With these a name of one label is a host's; `web:1412` is an image."""
_FILES = frozenset(
    {"conf", "env", "git", "go", "groovy", "ini", "java", "js", "json", "lock", "lua", "md", "mod", "py"}
)
_FILES |= frozenset({"rb", "rs", "sh", "sum", "tf", "toml", "tpl", "ts", "txt", "xml", "yaml", "yml"})
"""Endings of files: `e2e.yml` is a workflow, and no host."""
_SECRET = re.compile(r"\bSecrets?(?:/| `| (?=[\w.-]+/))[\w./-]+`?")
_ERROR = re.compile(r"\bProvider[A-Z][A-Za-z]+(?:: )?")


def without_internals(text: str) -> str:
    """Return a text, plain or Markdown, without hosts, Secrets and kinds of errors; targets of links stay."""
    parts = _LINK.split(text)
    return "".join(part if place % 2 else _cleaned(part) for place, part in enumerate(parts))


def made_public(request: PresentInput) -> PresentInput:
    """Return a presentation as everybody may read it."""
    return replace(
        request,
        comment=without_internals(_without_ui(request.comment, request.ui_url)),
        mentions=tuple(Mention(key=one.key, body=without_internals(one.body)) for one in request.mentions),
        statuses=tuple(_status(one, request.ui_url) for one in request.statuses),
        deployments=tuple(_deployment(one, request.ui_url) for one in request.deployments),
    )


def _status(one: DesiredStatus, ui_url: str) -> DesiredStatus:
    url = "" if one.url == ui_url else one.url
    return replace(one, description=without_internals(one.description), url=url)


def _deployment(one: DesiredDeployment, ui_url: str) -> DesiredDeployment:
    return replace(one, log_url="" if one.log_url == ui_url else one.log_url)


def _without_ui(comment: str, ui_url: str) -> str:
    if not ui_url:
        return comment
    kept = [line for line in comment.split("\n") if not (line.startswith("[") and line.endswith(f"]({ui_url})"))]
    return "\n".join(kept)


def _cleaned(text: str) -> str:
    text = _SECRET.sub(SECRET, text)
    text = _ERROR.sub("", text)
    text = _ADDRESS.sub(HOST, text)
    return _TOKEN.sub(lambda found: _without_host(found[0]), text)


def _without_host(token: str) -> str:
    """Return what stands for a term: a host, whatever ends the sentence behind it, or the term as it is."""
    bare = token.rstrip(".:-")
    return HOST + token[len(bare) :] if _is_host(bare) else token


def _is_host(term: str) -> bool:
    name, _, port = term.partition(":")
    if _HEX.fullmatch(term) and (term.count(":") > 2 or "::" in term):
        return True
    labels = name.split(".")
    if (port and not port.isdecimal()) or not all(map(_LABEL.fullmatch, labels)):
        return False
    if len(labels) == 1:
        return not name.isdecimal() and (port in _PORTS or (name == "localhost" and bool(port)))
    if all(map(str.isdecimal, labels)):
        return len(labels) == 4
    last = labels[-1].lower()
    return last.isalpha() and len(last) > 1 and last not in _FILES
