"""How labels are made for which no look is given."""

from providers.models import LabelLook

_PROMOTED, _OTHER = "0e8a16", "1d76db"
_PREFIX = "promoted/"


def default_look(name: str) -> LabelLook:
    """Return the look of a label that a policy names."""
    environment = name.removeprefix(_PREFIX)
    if environment != name:
        return LabelLook(colour=_PROMOTED, description=f"Pilotage: the change was promoted to {environment}")
    return LabelLook(colour=_OTHER, description="Pilotage: a policy adds it once the change was promoted")
