"""A shop made of the samples of one story and of the seed that belongs to them."""

import json
import re
from typing import Any

from ruamel.yaml import YAML

from deploy.local.demo.world import SAMPLES, SAMPLES_SANDBOX
from deploy.local.environment.assembly import LocalEnvironment
from tests.e2e.cluster import Cluster, Document
from tests.e2e.shop import Shop

SEED = SAMPLES.parent / "shop.seed.json"
PREVIOUS_SHA = "0b5e55ed00000000000000000000000000000411"
MERGE_SHA = "5eed5eed00000000000000000000000000000412"


class StoryShop(Shop):
    """A shop whose names in samples and seed are its own; only the Argo CD project is shared."""

    def __init__(self, folder: str, name: str, environment: LocalEnvironment, cluster: Cluster) -> None:
        super().__init__(name, environment, cluster)
        self.namespace = name
        self.documents = [
            document
            for path in sorted((SAMPLES.parent / folder).glob("*.yaml"))
            for document in YAML(typ="safe").load_all(
                self._own_names(path.read_text()).replace(SAMPLES_SANDBOX, environment.sandbox_url)
            )
            if document
        ]
        self.seed: dict[str, Any] = json.loads(self._own_names(SEED.read_text()))

    def _own_names(self, text: str) -> str:
        return re.sub(r'(?<!project: )(?<!"project": ")\bshop\b', self.name, text)

    def begin(self) -> "StoryShop":
        """Seed the stand-ins as `seed` is now, and apply every sample."""
        self.sandbox.post("/_seed", self.seed)
        self.apply_all()
        return self

    def app(self, name: str) -> Document:
        """Return the seed of an application, to be changed before `begin`."""
        return dict.__getitem__(self.seed["argocd"]["apps"], f"{self.name}-{name}")

    def changes(self, *files: str) -> "StoryShop":
        """Declare which files the pull request changes."""
        [pull] = self.seed["github"]["repos"][f"acme/{self.name}"]["pulls"]
        pull["files"] = list(files)
        return self

    def live(self, name: str) -> Document:
        """Return what an application is and runs now."""
        return dict(self.sandbox.state()["argocd"][f"{self.name}-{name}"])

    def written(self) -> list[str]:
        """Return the applications whose write Argo CD accepted, in order."""
        return [
            entry["path"].rpartition("/")[2].removeprefix(f"{self.name}-")
            for entry in self.journal("argocd")
            if entry["method"] == "PATCH" and entry["accepted"]
        ]

    def condition(self, environment: str, kind: str) -> Document:
        """Return a condition of an Environment; an empty one where there is none yet."""
        return self.conditions("Environment", environment).get(kind, {})
