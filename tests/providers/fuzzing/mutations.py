"""Change a valid answer as a hostile or broken host might: in its structure, its texts, its headers or its bytes."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.providers.fuzzing.answers import Answer

Path = tuple[str | int, ...]
_MARK = "\x02raw:"
"""Begins a text that stands for JSON which no encoder would write; not in any answer."""

_NUMBERS = (
    "0", "-0", "-1", "1", "1.5", "-1e400", "1e400", "2147483648", "-2147483649", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "9" * 400, "9" * 4300, "9" * 5000, "-" + "9" * 5000,
    "1" + "0" * 310, "NaN", "Infinity", "-Infinity", "0.1e-999999999", "1E999999999",
)  # fmt: skip
_DEEP = tuple(
    opening * depth + "1" + closing * depth
    for depth in (90, 900, 20_000)
    for opening, closing in (("[", "]"), ('{"message":', "}"), ('{"sources":[', "]}"))
)
_CROWDED = b'{"items":[%s]}' % b",".join([b'{"name":[%s]}' % b",".join([b"1"] * 1000)] * 160)
"""More values than are decoded in one go."""
_DATES = (
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-02-30T00:00:00Z", "2024-W01", "20240201T1000",
    "2024-02-01T10:00:00+99:99", "10000-01-01T00:00:00Z", "2024-02-01T10:00:00." + "1" * 500 + "Z", "0", "24:00",
)  # fmt: skip
_URLS = (
    "https://xn--/", "https://xn--a\u0000b/", "http://[", "https://[::1", "https://\u2100.example.com/", "https://a:b/",
    "https://a:99999999999/", "//", "https://" + "a" * 300 + "/", "javascript:alert(1)", "https://\ud800/", "\\\\x\\y",
    "https://user:pass@ci.example.com/queue/item/5/", "/queue/item/" + "9" * 5000 + "/", "?", "#", "../" * 200,
    "/queue/item/\u0665/", "%", "https://ci.example.com/%zz",
)  # fmt: skip
_TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\U0001f600", "\u202egnp", "\r\nX-Injected: 1", "\x1b[2J",
    "..", ".", "a/../../b", "%2e%2e", "null", "true", "-1", "9" * 5000, "\u0663", "\xb2", "\u00a0", "@", "::", "=",
    "a" * 60_000, "\u20ac" * 40_000, "\ud800" * 20_000, "eyJ-" * 10_000, "<title>" * 8000, "cookie" * 8000,
    "a:" * 30_000, "-----BEGIN " * 5000, "0 0 * * *", "@hourly", ",".join(["*"] * 20_000), "*/0 * * * *",
    "99 99 99 99 99", "9" * 5000 + "h", "0-59/" + "9" * 5000 + " * * * *", "${{", "$[[" * 5000,
    "*" * 5000, "&" * 5000, "v" + "1." * 5000, "18.2", "\ufeff",
)  # fmt: skip
_RETRIES = (
    "-1", "0", "nan", "inf", "-inf", "1e400", "9" * 5000, "1_000", "\u0663", "Sun, 06 Nov 1994 08:49:37 GMT", "x",
    "Sun, 06 Nov 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "Sun, 99 Foo 99999 99:99:99 +99999", "1,2",
    "Sun, 06 Nov " + "9" * 5000 + " 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 +" + "9" * 500, "(" * 5000, '"' * 5000,
)  # fmt: skip
_LINKS = (
    '<x>; rel="next"', "rel=next", ",", "<" * 5000, '<https://\u2100/>; rel="next"', '<x>; rel="next", ' * 300, ";;=,",
)  # fmt: skip
_HEADERS: Mapping[str, Sequence[str]] = {
    "content-type": ("text/html", "text/plain", "application/json; charset=utf-16", "\xff", "a" * 5000, ""),
    "etag": ("\xe9tag", "W/", '"' * 5000, "a" * 60_000, "\xff\xfe", " ", "a\tb"),
    "link": _LINKS,
    "retry-after": _RETRIES,
    "x-ratelimit-remaining": ("0", "", "-1"),
    "x-ratelimit-reset": _RETRIES,
    "ratelimit-reset": _RETRIES,
    "date": _RETRIES,
    "location": _URLS,
    "set-cookie": ("\xe9=1", "=", ";" * 5000, "a=" + "b" * 60_000, "a\tb=c", "JSESSIONID=\xff"),
    "x-jenkins": ("\xe9", "9" * 5000, ""),
    "x-next-page": ("2", "x", "-1", "9" * 5000),
    "x-github-enterprise-version": ("9" * 5000 + ".1", "3." + "9" * 5000, "3", "x", "3.19.1"),
    "content-length": ("-1", "x"),
}
_STATUSES = (
    200, 201, 202, 203, 204, 205, 206, 226, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 407, 408,
    409, 410, 412, 413, 415, 418, 422, 425, 429, 451, 500, 501, 502, 503, 504, 511, 520, 599, 600, 777, 999,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What goes over the wire."""

    status: int
    headers: tuple[tuple[str, bytes], ...]
    chunks: tuple[bytes, ...] = field(repr=False)
    cut: bool = False
    """The connection breaks after the last chunk."""
    changes: str = ""
    """How the answer was changed, to read in a failure."""
    body_bytes: int = 0
    """Of the body before it was compressed."""


# A list repeated three hundred times, and then what holds it once more, would take longer than all that reads it.
_RESTRUCTURED_BYTES = 64 * 1024


def sent(answer: Answer) -> Sent:
    """Return the answer as it is."""
    body = answer.encoded()
    headers = _encoded(answer.all_headers)
    return Sent(status=answer.status, headers=headers, chunks=(body,), body_bytes=len(body))


def mutated(answer: Answer, random: Random) -> Sent:
    """Return the answer changed in one to three ways."""
    changes: list[str] = []
    status, headers, body, cut = answer.status, dict(answer.all_headers), answer.encoded(), False
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        way = random.choices(("structure", "header", "status", "bytes"), (12, 4, 3, 2))[0]
        if way == "structure":
            if len(body) > _RESTRUCTURED_BYTES:
                continue
            # Bytes that an earlier way nested too deep, or ended before their end, are left as they are.
            with suppress(RecursionError):
                body = _restructured(body, answer.lines, random, changes)
        elif way == "header":
            name = random.choice(tuple(_HEADERS))
            headers[name] = random.choice(_HEADERS[name])
            changes.append(f"header {name}: {headers[name][:40]!r}")
        elif way == "status":
            status = random.choice(_STATUSES)
            if status >= 300 and random.random() < 0.5:
                headers["location"] = random.choice(_URLS)
            changes.append(f"status {status}")
        else:
            body, cut = _damaged(body, random, changes)
    coded, coding = _compressed(body, random, changes)
    if coding:
        headers["content-encoding"] = coding
    size = random.choice((1 << 20, 1 << 20, 4096, 97)) if len(coded) < 50_000 else 1 << 16
    chunks = tuple(coded[at : at + size] for at in range(0, len(coded), size))
    return Sent(
        status=status,
        headers=_encoded(headers),
        chunks=chunks,
        cut=cut,
        changes="; ".join(changes),
        body_bytes=len(body),
    )


def _encoded(headers: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode("utf-8", "replace")) for name, value in headers.items())


def _restructured(body: bytes, lines: bool, random: Random, changes: list[str]) -> bytes:
    """Change the JSON in one place; a body that is none gets a text of ours somewhere."""
    try:
        values = [json.loads(line) for line in body.splitlines()] if lines else [json.loads(body)]
    except (ValueError, RecursionError):
        at, text = random.randint(0, len(body)), random.choice(_TEXTS)
        changes.append(f"text at {at}: {text[:40]!r}")
        return body[:at] + text.encode("utf-8", "replace") + body[at:]
    if not values:
        return body
    index = random.randrange(len(values))
    values[index] = _changed(values[index], random, changes)
    if random.random() < 0.1:
        values[index : index + 1] = [values[index]] * 3 if lines else [{"items": values[index]}]
        changes.append("repeated or wrapped")
    return b"\n".join(_dumped(value, random, changes) for value in values)


def _changed(value: object, random: Random, changes: list[str]) -> object:
    paths = list(_paths(value))
    path = random.choice(paths)
    found = _follow(value, path)
    ways: list[Callable[[], object]] = [lambda: _replacement(found, random)] * 6
    if isinstance(found, list):
        ways += [
            list,
            lambda: found * random.choice((2, 50, 300)),
            lambda: [*found, _odd(random)],
            lambda: [found],
        ]
    if isinstance(found, dict):
        ways += [dict, lambda: {**found, "a\ud800": _odd(random)}, lambda: [found], lambda: list(found)]
    if path and random.random() < 0.15:
        changes.append(f"no {path}")
        return _without(value, path)
    if random.random() < 0.1:
        other = _follow(value, random.choice(paths))
        changes.append(f"{path} is what stands elsewhere")
        return _with(value, path, other)
    made = random.choice(ways)()
    changes.append(f"{path} = {str(made)[:60]!r}")
    return _with(value, path, made)


def _replacement(found: object, random: Random) -> object:
    if isinstance(found, str) and random.random() < 0.6:
        return random.choice(random.choice((_TEXTS, _TEXTS, _DATES, _URLS, _RETRIES)))
    if isinstance(found, int) and random.random() < 0.6:
        return _MARK + random.choice(_NUMBERS)
    return _odd(random)


def _odd(random: Random) -> object:
    return random.choice((
        None, True, False, "", [], {}, [[]], [None], [{}], {"": None}, 0.5, random.choice(_TEXTS),
        _MARK + random.choice(_NUMBERS), _MARK + random.choice(_NUMBERS), _MARK + random.choice(_DEEP),
        _MARK + '{"a":1,"a":[]}', [random.choice(_TEXTS)] * 3,
    ))  # fmt: skip


def _paths(value: object, at: Path = ()) -> Sequence[Path]:
    found: list[Path] = [at]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:4]):
            found += _paths(inner, (*at, index))
    return found


def _follow(value: object, path: Path) -> object:
    for step in path:
        value = value[step]  # type: ignore[index]
    return value


def _with(value: object, path: Path, made: object) -> object:
    if not path:
        return made
    if isinstance(value, dict):
        return {**value, path[0]: _with(value[path[0]], path[1:], made)}
    assert isinstance(value, list)
    return [_with(inner, path[1:], made) if index == path[0] else inner for index, inner in enumerate(value)]


def _without(value: object, path: Path) -> object:
    if isinstance(value, dict):
        if len(path) == 1:
            return {key: inner for key, inner in value.items() if key != path[0]}
        return {**value, path[0]: _without(value[path[0]], path[1:])}
    assert isinstance(value, list)
    return [
        _without(inner, path[1:]) if len(path) > 1 and index == path[0] else inner
        for index, inner in enumerate(value)
        if len(path) > 1 or index != path[0]
    ]


def _dumped(value: object, random: Random, changes: list[str]) -> bytes:
    """Write the JSON, with what no encoder writes put in, and now and then each key of an object twice."""
    text = json.dumps(value)
    head, *marked = text.split(json.dumps(_MARK)[:-1])
    parts = [head]
    for part in marked:
        raw, _, rest = part.partition('"')
        if raw.startswith("{") or "\\" in raw:
            # Objects hold quotation marks, which were escaped.
            end = _end_of_text(part)
            raw, rest = json.loads(f'"{part[:end]}"'), part[end + 1 :]
        parts += [raw, rest]
    text = "".join(parts)
    if random.random() < 0.05 and text.startswith("{"):
        changes.append("keys twice")
        text = f"{text[:-1]},{text[1:]}" if len(text) > 2 else text
    return text.encode()


def _end_of_text(part: str) -> int:
    at = 0
    while part[at] != '"':
        at += 2 if part[at] == "\\" else 1
    return at


def _damaged(body: bytes, random: Random, changes: list[str]) -> tuple[bytes, bool]:
    at = random.randint(0, len(body))
    way = random.choice(("empty", "short", "cut", "flipped", "bom", "utf-16", "behind", "html", "spaces", "crowded"))
    changes.append(f"bytes: {way}")
    flipped = body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
    made = {
        "empty": b"", "short": body[:at], "cut": body[:at], "flipped": flipped, "bom": b"\xef\xbb\xbf" + body,
        "utf-16": body.decode("utf-8", "replace").encode("utf-16"), "behind": body + b"\nnull", "spaces": b" \n" * 5000,
        "crowded": _CROWDED, "html": b"<html><title" + b"<title>" * 9000,
    }  # fmt: skip
    return made[way], way == "cut"


def _compressed(body: bytes, random: Random, changes: list[str]) -> tuple[bytes, str]:
    way = random.choices(
        ("plain", "gzip", "members", "short", "behind", "twice", "none", "odd"), (40, 4, 1, 1, 1, 1, 1, 1)
    )[0]
    if way == "plain":
        return body, ""
    changes.append(f"coding: {way}")
    half = len(body) // 2
    packed = gzip.compress(body, 1)
    made = {
        "gzip": (packed, "gzip"), "members": (gzip.compress(body[:half], 1) + gzip.compress(body[half:], 1), "x-gzip"),
        "short": (packed[: random.randint(0, len(packed))], "gzip"), "behind": (packed + b"\0\0garbage", "gzip"),
        "twice": (gzip.compress(packed, 1), "gzip, gzip"), "none": (body, "gzip"), "odd": (body, "br"),
    }  # fmt: skip
    return made[way]
