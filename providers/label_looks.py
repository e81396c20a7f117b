"""How labels are made for which no look is given."""

from providers.models import LabelLook

_PROMOTED, _OTHER = "0e8a16", "1d76db"


def default_look(name: str) -> LabelLook:
    """Return the look of a label that a policy names."""
    colour = _PROMOTED if name.startswith("promoted/") else _OTHER
    return LabelLook(colour=colour, description=f"Set by Pilotage: {name}")
