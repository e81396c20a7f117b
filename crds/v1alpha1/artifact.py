"""What moves: a revision of the application repository, and the image built from it."""

from typing import Annotated

from pydantic import Field

from crds.fields import ShortText
from crds.model import Model


class Artifact(Model):
    """One component's artifact."""

    component: ShortText = ""
    """Component of the repository; empty where the repository is one component."""
    revision: Annotated[str, Field(max_length=256)]
    """Commit of the application repository."""
    image: ShortText | None = None
    """Image, without tag."""
    tag: ShortText | None = None
    """Tag of the image."""
    config_revision: ShortText | None = None
    """Commit of the configuration repository that Argo CD synced. It shows only that Pilotage's write arrived."""
