"""A text in a log for people is neither a line nor a field of its own."""

import io
import logging
import re

import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crds.texts.log_line import MARGIN, in_margin, one_record
from worker.logs import configure_logs

FORGED = "2026-01-01T00:00:00Z [error    ] the database is gone tracker=shop/web-1"
PIECES = ["\n", "\r\n", "\u2028", "\x85", "\x1b[31m", FORGED, "a=b", '"', "'", " "]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=4), max_size=8).map("".join)
BEGINS = re.compile(r"^\d{4}-\d\d-\d\dT|^    \| ")


@given(TEXTS)
def test_a_text_stays_on_one_line(text: str) -> None:
    assert len(one_record(text).splitlines()) <= 1


@given(TEXTS)
def test_each_line_of_a_traceback_has_a_margin(text: str) -> None:
    assert all(one.startswith(MARGIN) for one in in_margin(text).splitlines())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TEXTS)
def test_what_is_logged_is_one_line_and_forges_no_field(text: str) -> None:
    configure_logs(style="console", level="info")
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    structlog.get_logger("a").info(f"answered {text}", title=text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        structlog.get_logger("a").warning("failed", exc_info=True)
    lines = stream.getvalue().splitlines()
    assert all(BEGINS.match(one) for one in lines), lines
    assert sum(not one.startswith(MARGIN) for one in lines) == 2
    after = lines[0].rpartition("title=")[2]
    assert after.startswith(("'", '"')) or not re.search(r"[\s=]", after)
