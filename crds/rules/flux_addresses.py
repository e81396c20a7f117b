"""The repository that the address of a Provider names, in the forms that people clone by. Pure.

Flux takes any text for an address, and calls what it makes of it. Here a text that names no repository of its type is
refused, so that a wrong one is seen before the first event.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from urllib.parse import unquote, urlsplit

from crds.v1alpha1.flux_provider import GitProviderType

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_SCP = re.compile(rf"(?:[^@/\s:]+@)?(?:(?P<host>{_HOST})|\[(?P<address>[0-9A-Fa-f:.]+)\]):(?P<path>(?!//)\S+)")
_SCHEMES = ("https", "http", "ssh", "git+ssh")
_NAME = re.compile(r"(?!\.{1,2}$)[^\x00-\x1f\x7f/\\?#:\ufffd]+")
# `urlsplit` removes some of them without a trace, and what is left may be another repository.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")
_AZURE = "dev.azure.com"
_AZURE_SSH = frozenset({"ssh.dev.azure.com", "vs-ssh.visualstudio.com"})
_VISUAL_STUDIO = ".visualstudio.com"
_DEFAULT_COLLECTION = "DefaultCollection"
_ALIASES: Mapping[GitProviderType, Mapping[str, str]] = {
    GitProviderType.GITHUB: {
        "www.github.com": "github.com",
        "ssh.github.com": "github.com",
        "api.github.com": "github.com",
    },
    GitProviderType.GITLAB: {"altssh.gitlab.com": "gitlab.com"},
    GitProviderType.BITBUCKET: {
        "www.bitbucket.org": "bitbucket.org",
        "altssh.bitbucket.org": "bitbucket.org",
        "api.bitbucket.org": "bitbucket.org",
    },
}
"""Other names of public hosts, such as those that serve SSH on the port of HTTPS."""
_LONGEST_NUMBER = 18
"""Digits: GitLab's numbers are of 64 bits."""


class WrongAddress(ValueError):
    """An address names no repository; the text names what is expected."""


@dataclass(frozen=True, kw_only=True)
class RepositoryAddress:
    """A repository at its host."""

    scheme: str
    """`https`, or `http` where the address begins so."""
    host: str
    """Host name in lower case, or an address of IPv6 in brackets; with the port of an HTTP address."""
    base_path: str = ""
    """Path below which the host is served, such as `/git`."""
    owner: str = ""
    """Owner, group path, workspace or project."""
    name: str = ""
    organization: str = ""
    """Of Azure DevOps."""
    project_id: int | None = None
    """Of GitLab, where the address names a number."""

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}{self.base_path}"

    @property
    def full_name(self) -> str:
        """The repository as its host names it."""
        parts = (self.organization, self.owner, self.name) if self.project_id is None else (str(self.project_id),)
        return "/".join(filter(None, parts))

    def __str__(self) -> str:
        return f"{self.host}{self.base_path}/{self.full_name}"


@dataclass(frozen=True, kw_only=True)
class _Parts:
    scheme: str
    host: str
    path: tuple[str, ...]
    is_http: bool


def repository_address(kind: GitProviderType, address: str) -> RepositoryAddress:
    """Return the repository that an address names. Raises WrongAddress, without showing user names or passwords."""
    parts = _parts(address)
    # Projects of Azure DevOps alone are named with blanks.
    if kind is not GitProviderType.AZURE_DEVOPS and any(" " in part for part in parts.path):
        raise WrongAddress("has a blank in its path")
    host = _ALIASES.get(kind, {}).get(parts.host, parts.host)
    return _READERS[kind](replace(parts, host=host))


def _parts(address: str) -> _Parts:
    text = address.strip()
    if _UNSEEN.search(text):
        raise WrongAddress("has a control character")
    if "://" not in text:
        return _scp(text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise WrongAddress("is no URL: its host or port cannot be read") from None
    if url.scheme not in _SCHEMES:
        raise WrongAddress(f"has the scheme `{url.scheme[:16]}`: write https, http or ssh")
    named = _host(url.hostname or "")
    if url.query or url.fragment:
        raise WrongAddress("must have neither a query nor a fragment")
    # The port of SSH is none of the API's.
    is_http = url.scheme in ("https", "http")
    host = f"{named}:{port}" if is_http and port and (url.scheme, port) not in _USUAL else named
    return _Parts(scheme=url.scheme if is_http else "https", host=host, path=_path(url.path), is_http=is_http)


_USUAL = (("https", 443), ("http", 80))


def _scp(text: str) -> _Parts:
    found = _SCP.fullmatch(text)
    if found is None:
        raise WrongAddress("is no address of a repository: write for example https://github.com/acme/web")
    host = _host(found["host"] or found["address"])
    return _Parts(scheme="https", host=host, path=_path(found["path"]), is_http=False)


def _host(named: str) -> str:
    """Return a host as an address holds it: a name in lower case, an address of IPv6 in brackets, in its short form."""
    # A zone is one of this machine.
    if ":" in named and "%" not in named:
        try:
            return f"[{IPv6Address(named)}]"
        except ValueError:
            raise WrongAddress("has no address of IPv6 in its brackets") from None
    if not re.fullmatch(_HOST, named):
        raise WrongAddress("has no host name, or none that can be called")
    return named.lower()


def _path(path: str) -> tuple[str, ...]:
    trimmed = path.strip("/").removesuffix(".git")
    parts = tuple(unquote(part) for part in trimmed.split("/")) if trimmed else ()
    if not all(_NAME.fullmatch(part) for part in parts):
        raise WrongAddress("has a path that is none of a repository")
    return parts


def _owned(parts: _Parts) -> RepositoryAddress:
    if len(parts.path) != 2:
        raise WrongAddress("must name owner and repository alone, such as https://github.com/acme/web")
    return _address(parts, owner=parts.path[0], name=parts.path[1])


def _gitea(parts: _Parts) -> RepositoryAddress:
    if len(parts.path) < 2:
        raise WrongAddress("must name owner and repository, such as https://git.example.com/acme/web")
    *base, owner, name = parts.path
    return _address(parts, base=base, owner=owner, name=name)


def _gitlab(parts: _Parts) -> RepositoryAddress:
    number = parts.path[0] if len(parts.path) == 1 else ""
    if number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER:
        return _address(parts, project_id=int(number))
    if "-" in parts.path:
        raise WrongAddress("is the address of a page: write the address of the project, such as https://gitlab.com/a/b")
    if len(parts.path) < 2:
        raise WrongAddress("must name group and project, or the project's number, such as https://gitlab.com/1234")
    return _address(parts, owner="/".join(parts.path[:-1]), name=parts.path[-1])


def _data_center(parts: _Parts) -> RepositoryAddress:
    if not parts.is_http or "scm" not in parts.path:
        raise WrongAddress("must be the HTTP address that Bitbucket shows for cloning, with /scm/ in it")
    at = len(parts.path) - 1 - parts.path[::-1].index("scm")
    rest = parts.path[at + 1 :]
    if len(rest) != 2:
        raise WrongAddress("must name project and repository after /scm/")
    return _address(parts, base=parts.path[:at], owner=rest[0], name=rest[1])


def _azure(parts: _Parts) -> RepositoryAddress:
    path = parts.path
    if parts.host in _AZURE_SSH and len(path) == 4 and path[0] == "v3":
        return RepositoryAddress(scheme="https", host=_AZURE, organization=path[1], owner=path[2], name=path[3])
    if parts.host.endswith(_VISUAL_STUDIO):
        rest = path[1:] if path[:1] == (_DEFAULT_COLLECTION,) else path
        path = (parts.host.removesuffix(_VISUAL_STUDIO), *rest)
        parts = replace(parts, scheme="https", host=_AZURE)
    hosted = parts.host == _AZURE
    if hosted and len(path) == 3 and path[1] == "_git":
        # How the host writes a repository that has the name of its project.
        path = (path[0], path[2], *path[1:])
    if len(path) < 4 or path[-2] != "_git" or (hosted and len(path) > 4):
        raise WrongAddress("must be such as https://dev.azure.com/acme/shop/_git/web")
    *base, organization, project = path[:-2]
    return _address(parts, base=base, organization=organization, owner=project, name=path[-1])


def _address(
    parts: _Parts,
    *,
    base: tuple[str, ...] | list[str] = (),
    owner: str = "",
    name: str = "",
    organization: str = "",
    project_id: int | None = None,
) -> RepositoryAddress:
    return RepositoryAddress(
        scheme=parts.scheme,
        host=parts.host,
        base_path="".join(f"/{part}" for part in base),
        owner=owner,
        name=name,
        organization=organization,
        project_id=project_id,
    )


_READERS: Mapping[GitProviderType, Callable[[_Parts], RepositoryAddress]] = {
    GitProviderType.GITHUB: _owned,
    GitProviderType.GITLAB: _gitlab,
    GitProviderType.GITEA: _gitea,
    GitProviderType.BITBUCKET: _owned,
    GitProviderType.BITBUCKET_SERVER: _data_center,
    GitProviderType.AZURE_DEVOPS: _azure,
}
