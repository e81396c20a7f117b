"""How many applications a project has, so that a list is asked for only where single reads would cost more."""

import time
from dataclasses import dataclass, field

# One list costs Argo CD about as much per application as a single read; but each single read is a round trip as well.
LISTED_PER_WANTED = 4
_BELIEVED_SECONDS = 600.0


@dataclass(kw_only=True)
class ProjectSizes:
    """Remember the sizes of one server's projects as one token sees them."""

    _sizes: dict[str, tuple[float, int | None]] = field(default_factory=dict)

    def note(self, project: str, applications: int | None) -> None:
        """Keep how many applications a project has; None where a list of them cannot be read."""
        self._sizes[project] = (time.monotonic() + _BELIEVED_SECONDS, applications)

    def is_known(self, project: str) -> bool:
        """Return whether the size was noted lately."""
        return self._sizes.get(project, (0.0, None))[0] > time.monotonic()

    def favour_list(self, project: str, wanted: int) -> bool:
        """Return whether one list of the project costs less than single reads of so many of its applications."""
        applications = self._sizes[project][1]
        return applications is not None and applications <= LISTED_PER_WANTED * wanted
