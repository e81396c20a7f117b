"""Structured logs of every process: one line per event, with tracker, workflow and run, without credentials."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
import temporalio.activity
import temporalio.workflow
from opentelemetry import trace

from activities.redaction import PLACEHOLDER, redact
from crds.texts.log_line import in_margin, one_record
from worker.settings import misspelt
from workflows import identity

_SECRET_KEYS = ("authorization", "password", "secret_value", "token", "api_key", "private_key", "credential", "cookie")
_SEVERAL_LINES = ("exception", "stack")
_QUIET = dict.fromkeys(
    # At `debug`, HTTP libraries write headers with credentials and cookies as they are sent.
    ("temporalio", "aiohttp", "httpx", "httpcore", "hpack", "urllib3", "kubernetes", "asyncio"),
    logging.WARNING,
)

Event = MutableMapping[str, Any]


def add_workflow_context(_logger: object, _method: str, event: Event) -> Event:
    """Name the workflow, its run and its tracker on lines written inside an activity or a workflow."""
    if temporalio.activity.in_activity():
        activity = temporalio.activity.info()
        event.setdefault("activity", activity.activity_type)
        event.setdefault("attempt", activity.attempt)
        _add_ids(event, activity.workflow_id or "", activity.workflow_run_id or "")
    elif temporalio.workflow.in_workflow():
        workflow = temporalio.workflow.info()
        _add_ids(event, workflow.workflow_id, workflow.run_id)
    return event


def add_trace_context(_logger: object, _method: str, event: Event) -> Event:
    """Name the trace and the span that a line belongs to, where one is recorded."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", f"{context.trace_id:032x}")
        event.setdefault("span_id", f"{context.span_id:016x}")
    return event


def tracker_of(workflow_id: str) -> str:
    """Read `namespace/name` of the tracker from a promotion's workflow id; empty for other workflows."""
    found = identity.tracker_of(workflow_id)
    return f"{found.namespace}/{found.name}" if found is not None else ""


def _add_ids(event: Event, workflow_id: str, run_id: str) -> None:
    event.setdefault("workflow_id", workflow_id)
    event.setdefault("run_id", run_id)
    if tracker := tracker_of(workflow_id):
        event.setdefault("tracker", tracker)


def redact_event(_logger: object, _method: str, event: Event) -> Event:
    """Cut credentials out of every value, however deep; a key that names a credential loses its value."""
    for key in list(event):
        event[key] = PLACEHOLDER if _names_secret(key) else _redacted(event[key])
    return event


def _names_secret(key: object) -> bool:
    lowered = str(key).lower()
    return any(name in lowered for name in _SECRET_KEYS)


def _redacted(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: PLACEHOLDER if _names_secret(key) else _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def _drop_temporal_extra(_logger: object, _method: str, event: Event) -> Event:
    for key in ("temporal_workflow", "temporal_activity"):
        event.pop(key, None)
    return event


def keep_on_its_line(_logger: object, _method: str, event: Event) -> Event:
    """Show every text so that it is neither a line nor a field of its own; for people, since JSON does so by itself."""
    for key, value in list(event.items()):
        if not isinstance(value, str):
            continue
        if key in _SEVERAL_LINES:
            event[key] = in_margin(value)
        elif key == "event":
            event[key] = one_record(value)
        else:
            event[key] = _Shown(repr(value)) if _could_be_fields(value) else one_record(value)
    return event


class _Shown:
    """Hold a text as it is to be written: the renderer would quote a string that has quotes once more."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _could_be_fields(value: str) -> bool:
    return any(letter.isspace() or letter in "='\"" for letter in value)


def configure_logs(*, style: Literal["console", "json"], level: str) -> None:
    """Send structlog's and the standard library's events to standard error in one format. Call once per process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _drop_temporal_extra,
        add_workflow_context,
        add_trace_context,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([] if style == "json" else [keep_on_its_line]),
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Written as they are they would be lines of their own, and some quote what they warn of.
    logging.captureWarnings(True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.configure(
        # First, since most events are below the level: what no one reads is neither redacted nor bound to a workflow.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A logger that is cached keeps the set-up that it first met, whatever is configured or captured afterwards.
        cache_logger_on_first_use=False,
    )
    # The ids are fields of their own; the SDK would append them to every message as well.
    temporalio.workflow.logger.workflow_info_on_message = False
    temporalio.activity.logger.activity_info_on_message = False


def warn_of_misspelt() -> None:
    """Name the variables that look like settings and are none: without them a process runs other than was meant."""
    for unknown in misspelt():
        structlog.get_logger(__name__).warning(str(unknown), variable=unknown.variable, nearest=unknown.nearest)
