"""Write what an installation holds as a CycloneDX document (1.6): `python sbom.py REPORT`, by the installed Python.

REPORT is what `pip install --report` wrote while it installed a lock: each distribution with the hash of the very file.
The document has no time in it: the same files make the same document. https://cyclonedx.org/docs/1.6/json/
"""

import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

_REQUIRED_NAME = re.compile(r"[A-Za-z0-9._-]+")
# PEP 508: what holds only with an extra.
_OF_AN_EXTRA = re.compile(r";.*\bextra\s*==")
PILOTAGE = "pilotage"


def document(report: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return the document of an installation of Pilotage, from pip's report of the lock."""
    installed = sorted(report["install"], key=lambda one: _normal(one["metadata"]["name"]))
    components = [_component(one) for one in installed]
    references = {_normal(one["name"]): one["bom-ref"] for one in components}
    own = f"pkg:pypi/{PILOTAGE}@{version}"
    graph = [
        {"ref": references[_normal(one["metadata"]["name"])], "dependsOn": _present(one["metadata"], references)}
        for one in installed
    ]
    body = {
        "metadata": {"component": {"type": "application", "bom-ref": own, "name": PILOTAGE, "version": version}},
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": sorted(references.values())}, *graph],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **body}


def _component(one: Mapping[str, Any]) -> dict[str, Any]:
    described, hashes = one["metadata"], one["download_info"]["archive_info"]["hashes"]
    url = f"pkg:pypi/{_normal(described['name'])}@{described['version']}"
    component = {
        "type": "library",
        "bom-ref": url,
        "name": described["name"],
        "version": described["version"],
        "purl": url,
        "hashes": [{"alg": "SHA-256", "content": hashes["sha256"]}],
    }
    if expression := described.get("license_expression"):
        component["licenses"] = [{"expression": expression}]
    elif (text := described.get("license", "")) and "\n" not in text:
        component["licenses"] = [{"license": {"name": text}}]
    return component


def _present(described: Mapping[str, Any], references: Mapping[str, str]) -> list[str]:
    """Name those that a distribution requires, of those that are there."""
    demands: Iterable[str] = described.get("requires_dist", ())
    names = {_required(text) for text in demands if not _OF_AN_EXTRA.search(text)}
    return sorted(references[name] for name in names if name in references)


def _required(text: str) -> str:
    found = _REQUIRED_NAME.match(text)
    return _normal(found[0]) if found else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    pip_report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(document(pip_report, metadata.version(PILOTAGE)), sys.stdout, indent=2)
    sys.stdout.write("\n")
