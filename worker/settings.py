"""Settings of every process, read once from environment variables with the prefix `PILOTAGE_`.

Temporal's own settings (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, …) are read by
`temporalio.envconfig` (worker/temporal/connect.py) and OpenTelemetry's (`OTEL_EXPORTER_OTLP_ENDPOINT`, …) by its SDK.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from activities.models.tracking import Timings
from providers.addresses import HostPattern
from worker.authorities import read_authorities
from worker.misspellings import Unknown, unknown_variables

PREFIX = "PILOTAGE_"
EXIT_CODE = 2
_SHOWN_VALUE_LENGTH = 80
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TIMING_NAMES = tuple(field.name for field in fields(Timings))


class InvalidSettings(Exception):
    """Hold one line per wrong variable: its name, its value and what is allowed."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _split(value: object) -> object:
    """Read `a, b` as two entries, each once; an empty variable is no entry at all."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def _read_timings(value: object) -> object:
    if isinstance(value, Timings):
        return value
    if not isinstance(value, Mapping):
        raise ValueError('an object of seconds by name is wanted, such as {"poll_initial": 1}')
    unknown = sorted(str(name) for name in value if name not in _TIMING_NAMES)
    if unknown:
        raise ValueError(f"unknown names {', '.join(unknown)}; allowed are {', '.join(_TIMING_NAMES)}")
    seconds: dict[str, timedelta] = {}
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= 10 * 365 * 86400:
            raise ValueError(f"{name}: a positive number of seconds is wanted")
        seconds[name] = timedelta(seconds=number)
    return Timings(**seconds)


def _check_namespace(name: str) -> str:
    if not _NAMESPACE.fullmatch(name):
        raise ValueError(
            f"`{name}` can be no namespace: at most 63 lower-case letters, digits and, inside, dashes are wanted"
        )
    return name


def _check_host(entry: str) -> str:
    HostPattern.parse(entry)
    return entry


def _check_authorities(path: str) -> str:
    read_authorities(path)
    return path


Namespace = Annotated[str, AfterValidator(_check_namespace)]
Host = Annotated[str, AfterValidator(_check_host)]
Namespaces = Annotated[tuple[Namespace, ...], NoDecode, BeforeValidator(_split)]
"""A comma-separated list."""
Hosts = Annotated[tuple[Host, ...], NoDecode, BeforeValidator(_split)]
"""The same."""


class Settings(BaseSettings):
    """Hold the settings of a process, from its environment. Frozen; it contains no credential."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        validate_by_name=True,
    )

    installation: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    """Id of this installation: part of every workflow id and task queue; two clusters must not share one.
    Lower-case letters, digits and dashes, at most 40 characters."""

    namespaces: Namespaces = ()
    """Kubernetes namespaces to work for, separated by commas; empty = all."""

    kubeconfig: str | None = Field(default=None, validation_alias=AliasChoices("PILOTAGE_KUBECONFIG", "KUBECONFIG"))
    """Path of a kubeconfig file; `KUBECONFIG` is read too. Empty = the pod's service account, else `~/.kube/config`."""

    context: str | None = None
    """Context of the kubeconfig; empty = its current one."""

    system_namespace: Namespace = "pilotage"
    """Namespace that holds the Secrets of cluster-scoped resources: the one Pilotage runs in."""

    log_format: Literal["console", "json"] = "console"
    """`console` for people, `json` for collectors: one object per line."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged; `debug` shows every call to an SCM host."""

    http_host: str = ""
    """Address on which `/healthz`, `/readyz` and `/metrics` are served, and by the receiver `/hooks/`; empty = every
    one of this machine, of IPv4 and IPv6, since probes and scrapes come from other machines."""

    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port on which `/healthz`, `/readyz` and `/metrics` are served; 0 = any free one."""

    allow_http: bool = False
    """Whether endpoints that start with `http://` may be called; false outside tests and closed networks."""

    allowed_hosts: Hosts = ()
    """Hosts that may be called, such as `api.github.com,*.example.com,git.example.com:8443`; empty = any but this
    machine, link-local and metadata addresses, and the API server of the cluster, which must be named."""

    extra_ca: Annotated[str, AfterValidator(_check_authorities)] = ""
    """File with certificate authorities in PEM that calls to hosts trust in addition to the public ones."""

    flux_alerts: bool = False
    """Whether Flux's own Providers and Alerts (notification.toolkit.fluxcd.io) are served in addition to Provider and
    CommitStatus, with Secrets that need no label, as Flux uses them. For receivers and workers alike."""

    flux_insecure_events: bool = False
    """Whether the receiver accepts events of Flux without a signature at `/` and `/flux/events`: only where a
    NetworkPolicy lets Flux's controllers alone reach it."""

    commands_unverified: bool = False
    """Whether commands are carried out although the admission policy that verifies who gave them is missing: then
    anybody who may create a PromotionCommand commands in any name."""

    scm_in_flight: Annotated[int, Field(ge=1, le=1000)] = 20
    """How many calls per (host, credential) this process has in flight, three quarters of them for one namespace at
    most; beyond that, activities wait their turn."""

    temporal_ui_url: str = ""
    """Base URL of the Temporal UI, for links in status and comments; empty = no links."""

    encryption_keys: str = ""
    """Directory of the keys that Temporal's payloads are encrypted with, such as a mounted Secret: a file for each key,
    its name being the key's id, with 32 bytes in Base64. Empty = payloads are not encrypted. The same for all processes
    and for people's commands."""

    encryption_key: str = ""
    """Id of the key that new payloads are encrypted with; older ones are read with the key that they name."""

    record_file: str = ""
    """File to which a worker appends the records of a tracker, as JSON lines, before it removes it: on a volume that
    something collects. Empty: they become events of the GitRepository, which the API server keeps for an hour."""

    timings: Annotated[Timings, BeforeValidator(_read_timings)] = Timings()
    """Overrides of a promotion's durations in seconds, as JSON: `{"poll_initial": 1}`. For tests and the demo."""

    activity_slots: Annotated[int, Field(ge=1, le=10000)] = 200
    """How many activities of one queue run at the same time in this process, three quarters of them for one namespace
    at most."""

    check_slots: Annotated[int, Field(ge=1, le=10000)] = 40
    """The same for the queue `checks`, which proves credentials and addresses."""

    observation_slots: Annotated[int, Field(ge=1, le=10000)] = 1000
    """The same for the queue `observation`, whose activities mostly wait."""

    cached_workflows: Annotated[int, Field(ge=1, le=100000)] = 1500
    """How many workflows stay in memory between their tasks, about 300 KB each: 450 MB in all."""

    clock_skew_seconds: Annotated[int, Field(ge=1, le=30)] = 10
    """How far this machine's clock may be from Temporal's; a worker that is further off does not serve, as its attempts
    would fail at once or last too long. A watcher may be off by a minute."""

    shutdown_grace_seconds: Annotated[int, Field(ge=0, le=600)] = 25
    """How long running activities may go on after SIGTERM; less than the pod's terminationGracePeriodSeconds."""

    @field_validator("temporal_ui_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("a URL that starts with http:// or https:// is wanted")
        return value.rstrip("/")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; arguments win over the environment. Raises InvalidSettings with all errors at once."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        # What is missing may be there under a misspelt name.
        raise InvalidSettings((*lines, *(str(unknown) for unknown in misspelt()))) from None
    except SettingsError as error:
        raise InvalidSettings((_explain_unreadable(error),)) from None


def variable_name(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def misspelt() -> tuple[Unknown, ...]:
    """Find the variables of this process that look like settings and are none."""
    known = tuple(variable_name(field) for field in Settings.model_fields)
    return unknown_variables(os.environ, prefix=PREFIX, known=known)


def refused(field: str, value: str, reason: str, *, variable: str = "") -> str:
    """State in one line that what a setting names cannot be used, and what is allowed."""
    return f"{variable or variable_name(field)}: `{value[:_SHOWN_VALUE_LENGTH]}`: {reason}. {_documentation(field)}"


def describe_settings() -> tuple[tuple[str, str, str], ...]:
    """Return (variable, default, meaning) of each setting, for help and reference."""
    return tuple(
        (variable_name(name), _shown_default(info), _documentation(name))
        for name, info in Settings.model_fields.items()
    )


def _shown_default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    return "" if info.default in (None, (), Timings()) else str(info.default)


def _documentation(name: str) -> str:
    return " ".join((Settings.model_fields[name].description or "").split())


def _explain(detail: Any) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    name = field if field.startswith(PREFIX) else variable_name(field)
    if detail["type"] == "missing":
        return f"{name}: required; {_documentation(field)}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    shown = str(detail["input"])[:_SHOWN_VALUE_LENGTH]
    if detail["type"] == "string_pattern_mismatch":
        # Its text would be the pattern.
        return f"{name}: `{shown}` is not allowed. {_documentation(field)}"
    return f"{name}: `{shown}` is not allowed: {message[:1].lower()}{message[1:]}"


def _explain_unreadable(error: SettingsError) -> str:
    for field in Settings.model_fields:
        if f'"{field}"' in str(error):
            return f"{variable_name(field)}: JSON is wanted. {_documentation(field)}"
    return str(error)
