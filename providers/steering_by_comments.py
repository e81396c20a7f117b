"""Steering at hosts that do not show who labels a pull request; one that shows teams states it itself."""

from providers.models import LabelEvents, Person


class SteeringByComments:
    """Answer what is not asked of such a host: people steer by comments there."""

    names_who_labels = False
    has_teams = False

    async def label_events(self, number: int, cursor: str) -> LabelEvents:
        """Return none."""
        return LabelEvents(events=(), cursor=cursor)

    async def is_member(self, team: str, person: Person) -> bool:
        """Return False."""
        return False
