"""Whether a run is ours: what is kept of its parameters compares as the parameters themselves do."""

from collections.abc import Mapping

import pytest

from providers.models import Origin, Run
from providers.origins import Facts, Ours, digests_of, judged

RUN = Run(id="1", key="k")
SHOWN: Mapping[str, object] = {
    "text": "a",
    "blanks": " a\r\nb ",
    "true": True,
    "false": False,
    "flag": "true",
    "number": 7,
    "hidden": None,
}
SENT = ("a", "b", "a\nb", "true", "TRUE", "True", "false", "no", "", "7", "7.0", "\ud800")


def foreign(origin: Origin, shown: Mapping[str, object], *, complete: bool = True) -> str:
    return judged(RUN, Facts(parameters=shown, complete=complete), Ours(origin=origin, defaults={"D": "d"})).foreign


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("sent", SENT)
def test_a_digest_compares_as_its_value_does(sent: str, name: str) -> None:
    by_value = foreign(Origin(parameters={"P": sent}), {"P": SHOWN[name], "D": "d"})
    assert foreign(Origin(digests=digests_of({"P": sent})), {"P": SHOWN[name], "D": "d"}) == by_value


def test_a_parameter_that_is_missing_or_more_is_seen_without_the_values() -> None:
    kept = Origin(digests=digests_of({"P": "a"}))
    assert foreign(kept, {"D": "d"}) == "its parameters differ: `P`"
    assert foreign(kept, {"P": "a", "Q": "b", "D": "d"}) == "its parameters differ: `Q`"
    assert foreign(kept, {"P": "a", "D": "e"}) == "its parameters differ: `D`"
    assert foreign(kept, {"P": "a", "D": "d"}) == ""


def test_nothing_kept_is_not_compared_and_nothing_sent_is() -> None:
    assert foreign(Origin(), {"P": "a", "D": "d"}) == ""
    assert foreign(Origin(digests={}), {"P": "a", "D": "d"}) == "its parameters differ: `P`"
