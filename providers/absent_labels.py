"""Labels of hosts whose pull requests have none."""

from collections.abc import Mapping, Sequence

from providers.errors import ProviderRejected
from providers.models import LabelLook
from providers.ports import NO_LOOKS


class AbsentLabels:
    """Show that there are none; `Capabilities(labels=False)` keeps callers from adding any."""

    async def list(self, number: int) -> tuple[str, ...]:
        """Return no label."""
        return ()

    async def add(
        self, number: int, names: Sequence[str], looks: Mapping[str, LabelLook] = NO_LOOKS
    ) -> tuple[str, ...]:
        """Refuse to add labels."""
        raise ProviderRejected("the host's pull requests have no labels")

    async def remove(self, number: int, name: str) -> None:
        """Do nothing: the absence of a label is fine."""
