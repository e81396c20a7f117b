"""Our own account among those that act on a pull request."""

from providers.errors import ProviderMisconfigured


def known(own: str | None) -> str:
    """Return our account's name in lower case, by which our own labels and comments are told from others'.

    Raises ProviderMisconfigured where the host does not say it: what we wrote ourselves must never be taken for a
    person's word.
    """
    if not own:
        raise ProviderMisconfigured(
            "the host does not say whose the credential is, so that labels and comments of people cannot be told from"
            " our own: give the credential the right to read its account"
        )
    return own.lower()
