"""How our labels look: one colour and one line of explanation each."""

from collections.abc import Mapping

from activities.models.state_labels import DRIFTED, HOLD, PLACE_PREFIX, RETEST, state_label
from crds.reasons.vocabulary import State
from providers.models import LabelLook

_GREY, _BLUE, _YELLOW, _RED, _GREEN, _PURPLE = "bfbfbf", "1d76db", "fbca04", "d73a4a", "0e8a16", "8250df"

_STATES: Mapping[State, tuple[str, str]] = {
    State.PENDING: (_GREY, "Pilotage: the pull request is being read"),
    State.AWAITING_MERGE: (_GREY, "Pilotage: waits for the merge"),
    State.AWAITING_SYNC: (_BLUE, "Pilotage: merged, and not yet running in its environment"),
    State.SYNCED: (_BLUE, "Pilotage: runs in its environment"),
    State.AWAITING_POLICY: (_YELLOW, "Pilotage: no single policy decides where the change goes next"),
    State.TESTING: (_BLUE, "Pilotage: its tests run"),
    State.TESTS_FAILED: (_RED, "Pilotage: a required test failed"),
    State.READY_TO_PROMOTE: (_YELLOW, "Pilotage: waits for approval or for its turn"),
    State.HELD: (_PURPLE, "Pilotage: held by a person"),
    State.PROMOTING: (_BLUE, "Pilotage: on its way to the next environment"),
    State.PROMOTION_FAILED: (_RED, "Pilotage: the promotion failed; waits for a retry"),
    State.COMPLETED: (_GREEN, "Pilotage: arrived in the last environment"),
    State.CLOSED: (_GREY, "Pilotage: closed without a merge"),
    State.ABORTED: (_GREY, "Pilotage: ended by a person"),
}
_OTHERS: Mapping[str, tuple[str, str]] = {
    HOLD: (_PURPLE, "Pilotage: add it to hold the change, remove it to release"),
    RETEST: (_PURPLE, "Pilotage: add it to run the tests again"),
    DRIFTED: (_RED, "Pilotage: an environment does not run what was promoted"),
}


def look_of(label: str) -> LabelLook | None:
    """Return the look of one of our labels, named as with the prefix of no GitRepository; None for others."""
    if label.startswith(PLACE_PREFIX):
        place = label.removeprefix(PLACE_PREFIX)
        return LabelLook(colour=_GREEN, description=f"Pilotage: the change is in {place}")
    found = _LOOKS.get(label)
    return LabelLook(colour=found[0], description=found[1]) if found is not None else None


_LOOKS = {**{state_label(state): look for state, look in _STATES.items()}, **_OTHERS}
