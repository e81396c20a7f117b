"""Why nothing may be written to a repository, as far as its host states it of the repository itself. Pure."""

from collections.abc import Callable

from providers.errors import ProviderMisconfigured, ProviderRejected


def prove_writable(*, called: str, name: str, archived: bool, host: str, redact: Callable[[str], str]) -> None:
    """Raise ProviderMisconfigured for a repository that is called otherwise now, ProviderRejected for an archived one.

    `called` is the full name by which it was asked for, empty where that was a number, which survives renames; `name`
    is its full name now. Reads of a renamed repository are redirected, and so are writes, which are not followed.
    `redact` makes a host's text fit to be shown.
    """
    if called and called.lower() != name.lower():
        raise ProviderMisconfigured(redact(f"`{called}` is called `{name}` now: name it so in the GitRepository"))
    if archived:
        raise ProviderRejected(redact(f"`{name}` is archived, so that {host} refuses every change: unarchive it"))
