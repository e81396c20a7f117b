"""What is known of Secrets belongs to the activity that read them, not to the process."""

import asyncio
import base64
import html
import json
import logging
from collections.abc import Callable
from functools import partial
from urllib.parse import quote_plus

import pytest
import structlog

from activities.redaction import known, reading_secrets, redact
from providers.documents import TEXT_LIMIT_BYTES, text
from providers.redaction import redacted_line, variants
from worker.logs import configure_logs

OWN = "0123456789-secret-of-this-tenant"


def test_to_blank_a_part_of_everybodys_texts_by_a_secret_that_holds_it() -> None:
    with reading_secrets():
        known().remember(["Completed", "TestsFailed"])
        assert "Completed" not in redact("state Completed")
    assert redact("state Completed") == "state Completed"


def test_to_push_out_anothers_password_by_thousands_of_values() -> None:
    async def tenant(values: list[str], go: asyncio.Event) -> str:
        with reading_secrets():
            known().remember(values)
            await go.wait()
            return redact(f"host answered {values[0]}")

    async def both() -> list[str]:
        go = asyncio.Event()
        tasks = [asyncio.create_task(tenant(values, go)) for values in ([OWN], [f"value-{n:08}" for n in range(2_000)])]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(both()) == ["host answered ***", "host answered ***"]


async def test_what_a_task_of_the_activity_reads_is_known_to_the_activity() -> None:
    async def read() -> None:
        known().remember([OWN])

    with reading_secrets():
        await asyncio.gather(asyncio.create_task(read()))
        assert OWN not in redact(f"echo {OWN}")


@pytest.mark.parametrize("kept", [4, 20, len(OWN) - 1])
@pytest.mark.parametrize("limit", [TEXT_LIMIT_BYTES, 20_000])
def test_to_have_a_secret_shown_that_is_cut_before_it_is_looked_for(kept: int, limit: int) -> None:
    """A host fills an answer with blanks, so that a bound falls into the secret; the blanks are not shown."""
    refusal = f"refused:{' ' * (limit - len('refused:') - kept)}{OWN} and more"
    read = text({"message": refusal}, "message", limit_bytes=limit)
    for form in (refusal, read, f"{read}; and another"):
        assert OWN[:4] not in redacted_line(form, variants([OWN]))
    with reading_secrets():
        known().remember([OWN])
        assert OWN[:4] not in redact(read)
        assert OWN[:4] not in redact(redacted_line(read))


@pytest.mark.parametrize(
    "encode",
    [
        html.escape,
        partial(html.escape, quote=False),
        json.dumps,
        lambda text: json.dumps(text).translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&"}),
        lambda text: json.dumps(text).translate({ord(c): f"\\u{ord(c):04x}" for c in "<>&'"}),
        lambda text: json.dumps(text).replace("/", "\\/"),
        quote_plus,
        repr,
        lambda text: base64.b64encode(text.encode()).decode(),
    ],
)
def test_to_have_a_secret_shown_as_a_host_encodes_it(encode: Callable[[str], str]) -> None:
    secret = "a<b>&c'd\"e/f+g h\\i"
    assert encode(secret).strip("\"'") not in redacted_line(f"wrong: {encode(secret)}", variants([secret]))


def test_a_text_that_is_cut_elsewhere_is_kept() -> None:
    assert redacted_line(f"{OWN[:6]} is wrong…", variants([OWN])) == f"{OWN[:6]} is wrong…"


def test_to_read_headers_and_cookies_from_debug_logs(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="console", level="debug")
    for library in ("httpcore.http11", "httpx", "urllib3.connectionpool", "hpack.hpack", "kubernetes.client.rest"):
        logging.getLogger(library).debug("send_request_headers [(b'Cookie', b'session=abc')]")
    structlog.get_logger("providers").debug("SCM API call")
    logged = capsys.readouterr().err
    assert "session=abc" not in logged
    assert "SCM API call" in logged
