"""Our own account among those that act on a pull request."""

from providers.errors import ProviderMisconfigured


def known(own: str | None) -> str:
    """Return our account's name in lower case, which sets our own labels and comments apart from others'.

    Raises ProviderMisconfigured where the host does not show it: what we wrote ourselves must never be taken for a
    person's instruction.
    """
    if not own:
        raise ProviderMisconfigured(
            "the host does not show whose the credential is, so that labels and comments of people look like"
            " our own: give the credential the right to read its account"
        )
    return own.lower()
