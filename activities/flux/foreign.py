"""Flux's own Alert and Provider, as far as Pilotage reads them: v1beta2 and v1beta3 have the same of these fields."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from crds.model import Model
from crds.resource import ObjectMeta
from crds.v1alpha1.flux_provider import Timeout

Name = Annotated[str, Field(min_length=1)]


class AlertSeverity(StrEnum):
    """Which severities an Alert takes."""

    INFO = "info"
    ERROR = "error"


class Reference(Model):
    """A named object of the same namespace."""

    name: Name


class AlertSource(Model):
    """Objects whose events an Alert takes."""

    kind: Name
    name: Name
    namespace: str = ""
    match_labels: dict[str, str] = Field(default_factory=dict)


class AlertSpec(Model):
    """What an Alert takes, and what it adds."""

    provider_ref: Reference
    event_severity: AlertSeverity = AlertSeverity.INFO
    event_sources: tuple[AlertSource, ...]
    inclusion_list: tuple[str, ...] = ()
    exclusion_list: tuple[str, ...] = ()
    event_metadata: dict[str, str] = Field(default_factory=dict)
    summary: str = ""
    suspend: bool = False


class FluxAlert(Model):
    """An Alert."""

    metadata: ObjectMeta
    spec: AlertSpec


class FluxProviderSpec(Model):
    """Where a Provider posts, and with what."""

    type: Name
    address: str = ""
    """Empty where it stands in the Secret."""
    username: str = ""
    secret_ref: Reference | None = None
    cert_secret_ref: Reference | None = None
    proxy_secret_ref: Reference | None = None
    proxy: str = ""
    """Address of a proxy, in the form from before `proxySecretRef`."""
    timeout: Timeout | None = None
    suspend: bool = False
    commit_status_expr: str = ""


class FluxProvider(Model):
    """A Provider."""

    metadata: ObjectMeta
    spec: FluxProviderSpec
