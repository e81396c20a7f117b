"""Who may send webhooks: one entry per system. A new one adds its module, and a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType

from providers.documents import Document
from providers.webhooks import (
    argocd,
    azure_devops,
    bitbucket_cloud,
    bitbucket_data_center,
    gitea,
    github,
    gitlab,
    jenkins,
)
from providers.webhooks.events import Event, Headers


@dataclass(frozen=True, kw_only=True)
class Sender:
    """How the webhooks of one system are proved and read."""

    verify: Callable[[Headers, bytes, str, datetime], None]
    """Take headers, raw body, secret and the time. Raises NotProven."""
    delivery: Callable[[Headers], str]
    """Return the id by which a repeated delivery is known; empty where the system gives none."""
    read: Callable[[Headers, Document], Event]
    """Raises NotAnEvent."""


def _sender(module: ModuleType) -> Sender:
    return Sender(verify=module.verify, delivery=module.delivery, read=module.read)


SENDERS: Mapping[str, Sender] = {
    "github": _sender(github),
    "gitlab": _sender(gitlab),
    "gitea": _sender(gitea),
    "forgejo": _sender(gitea),
    "bitbucketCloud": _sender(bitbucket_cloud),
    "bitbucketDataCenter": _sender(bitbucket_data_center),
    "azureDevOps": _sender(azure_devops),
    "jenkins": _sender(jenkins),
    "argocd": _sender(argocd),
}
"""By the name of the block that declares the system."""
