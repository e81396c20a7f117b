"""Names that tenants choose are labels of metrics, and series stay as long as their process: so many are kept apart."""

NAMES_LIMIT = 200
"""Of one namespace and one kind of label; a thousand declared one after the other would be a thousand series."""
OTHER = "(other)"
"""Stands for all further names; no name of Kubernetes holds a bracket."""


class Names:
    """Know which names of each namespace have series."""

    def __init__(self) -> None:
        self._seen: dict[str, set[str]] = {}

    def label(self, namespace: str, name: str) -> str:
        """Return the name, or what stands for all names beyond the first ones of this namespace."""
        seen = self._seen.setdefault(namespace, set())
        if name not in seen:
            if len(seen) >= NAMES_LIMIT:
                return OTHER
            seen.add(name)
        return name
