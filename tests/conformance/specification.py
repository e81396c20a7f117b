"""GitHub's official OpenAPI document, by which requests and answers are judged."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError

from tests.conformance.material import package

_HOST = "https://api.github.com"
_SERVED_BELOW = re.compile(r"^/github(?:/api/v3)?(?=/)")
# A parameter of the document is one segment; these may hold slashes.
_LONG = re.compile(r"^(/repos/[^/]+/[^/]+/(?:contents|git/refs?|branches|commits)/)(.+?)(/status(?:es)?)?$")
# The parameter takes a range of dates, as its description states: https://docs.github.com/en/search-github
# Refusals that any operation may give, such as 401, are in no operation's list.
# A label without a description has null there, which that of a listed pull request leaves out.
# The conclusion of a check run that goes on is null, which its type allows and its list of values leaves out.
_KNOWN = (
    re.compile(r"'>=[^']*' is not a 'date-time'"),
    re.compile(r"Unknown response http status: 4\d\d"),
    re.compile(r"conclusion: None is not one of"),
    re.compile(r"labels\.\d+\.description: None"),
)
# Documented in prose and by the Enterprise document only, and graphs have no REST shape.
_UNDOCUMENTED = re.compile(r"^/(?:graphql|api/graphql)$")


@dataclass(kw_only=True)
class _Request:
    """One request in the shape that the validator takes."""

    method: str
    path: str
    parameters: RequestParameters
    content_type: str
    body: bytes | None
    host_url: str = _HOST


@dataclass(kw_only=True)
class _Response:
    """One answer in the shape that the validator takes."""

    status_code: int
    data: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


@cache
def _document() -> OpenAPI:
    text = (package("@octokit/openapi") / "generated" / "api.github.com.json").read_text()
    document: dict[str, Any] = json.loads(text)
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                _allow_gaps(operation.get("responses"))
    _allow_gaps(document["components"]["schemas"])
    _allow_gaps(document["components"]["responses"])
    # The document itself was judged by those who publish it; to judge it again takes minutes.
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def _allow_gaps(schema: Any) -> None:
    """Let answers leave out what is read nowhere here: the stand-in is judged by what it does answer."""
    if isinstance(schema, dict):
        if isinstance(schema.get("required"), list):
            del schema["required"]
        for each in schema.values():
            _allow_gaps(each)
    elif isinstance(schema, list):
        for each in schema:
            _allow_gaps(each)


def problems(request: httpx.Request, response: httpx.Response) -> list[str]:
    """Return what of one exchange with a GitHub stand-in is not as the document declares; both bodies must be read."""
    path = _SERVED_BELOW.sub("", request.url.raw_path.decode().partition("?")[0])
    if _UNDOCUMENTED.match(path):
        return []
    if found := _LONG.match(path):
        path = found[1] + quote(found[2], safe="%") + (found[3] or "")
    asked = _Request(
        method=request.method.lower(),
        path=path,
        parameters=RequestParameters(query=dict(request.url.params), header=dict(request.headers)),
        content_type=request.headers.get("content-type", "").partition(";")[0],
        body=request.content or None,
    )
    what = f"{request.method} {path} → {response.status_code}"
    problems = []
    # What is refused need not have been well asked.
    if response.status_code < 400:
        problems += _judged(f"{what}: the request", lambda: _document().validate_request(asked))
    if response.content and response.status_code not in (304,):
        answered = _Response(
            status_code=response.status_code,
            data=response.content,
            content_type=response.headers.get("content-type", "").partition(";")[0],
        )
        problems += _judged(f"{what}: the answer", lambda: _document().validate_response(asked, answered))
    return problems


def _judged(what: str, judge: Callable[[], object]) -> list[str]:
    try:
        judge()
    except OpenAPIError as error:
        found = getattr(error, "schema_errors", ()) or getattr(error.__cause__, "schema_errors", ())
        causes = [f"{'.'.join(map(str, one.absolute_path))}: {one.message}"[:300] for one in found]
        problem = "; ".join(causes) or str(error)[:300]
        return [] if any(known.search(problem) for known in _KNOWN) else [f"{what}: {problem}"]
    return []
