"""The labels by which a pull request shows where its change is, and by which people steer it.

Names are written here with the prefix that a GitRepository has unless it declares another one (`spec.labels.prefix`);
the activity puts the declared one in its place where it calls the host.
"""

from crds.reasons.vocabulary import State

PREFIX = "pilotage/"
HOLD = f"{PREFIX}hold"
"""Stands exactly while the change is held: adding it holds, removing it releases."""
RETEST = f"{PREFIX}retest"
"""Asks for a new round of tests, and is taken off once that was accepted."""
DRIFTED = f"{PREFIX}drifted"
PLACE_PREFIX = f"{PREFIX}env/"
PROMOTED_PREFIX = "promoted/"
"""Of the label that a promotion leaves, where its policy names no other one."""


def state_label(state: State) -> str:
    """Return the label of a state, such as `pilotage/tests-failed`."""
    parts = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in state.value).lstrip("-")
    return f"{PREFIX}{parts}"


def promoted_label(environment: str) -> str:
    """Return the label that a promotion leaves, such as `promoted/prod`."""
    return f"{PROMOTED_PREFIX}{environment}"


def place_label(environment: str) -> str:
    """Return the label of the environment that a change is in, such as `pilotage/env/staging`."""
    return f"{PLACE_PREFIX}{environment}"


STATES_BY_LABEL = {state_label(state): state for state in State}
"""In the order of a change's way: of several states the earliest holds."""
