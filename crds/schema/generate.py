"""Write definitions, admission policies, roles and reference from the models.

Run as `python -m crds.schema.generate [--check]`.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from crds.schema.admission import ADMISSIONS, admission_documents
from crds.schema.definitions import custom_resource_definition
from crds.schema.reference import reference_pages
from crds.schema.roles import (
    flux_documents,
    process_rights,
    receiver_documents,
    role_documents,
    watcher_documents,
    worker_documents,
)
from crds.v1alpha1.kinds import KINDS

CRD_FOLDER = "deploy/crds"
ADMISSION_FOLDER = "deploy/manifests/admission"
ROLES_FOLDER = "deploy/manifests/roles"
CHART_FOLDER = "deploy/helm/pilotage/files"
"""A chart can include only what is in its folder: the definitions, policies and roles stand there a second time."""
REFERENCE_FOLDER = "docs/reference"
WRITTEN_BY_HAND = frozenset(f"{REFERENCE_FOLDER}/{page}.md" for page in ("cli", "metrics"))
"""Pages there that no model makes; a test holds the metrics against what is served."""
_HEADER = "# Generated from crds/v1alpha1 by `python -m crds.schema.generate`; edit the models, not this file.\n"
_POLICY_HEADER = (
    "# Generated from crds/schema/admission.py by `python -m crds.schema.generate`, where the reasons stand.\n"
)
_ROLES_HEADER = (
    "# Generated from crds/schema/roles.py by `python -m crds.schema.generate`; "
    "docs/security.md names who needs which.\n"
)
_RECEIVER_HEADER = (
    "# Generated from crds/schema/roles.py by `python -m crds.schema.generate`; "
    "docs/guides/webhooks.md describes what it is for.\n"
)
_FLUX_HEADER = (
    "# Generated from crds/schema/roles.py by `python -m crds.schema.generate`; "
    "docs/guides/flux-events.md describes what they are for.\n"
)
_WATCHER_HEADER = (
    "# Generated from crds/schema/roles.py by `python -m crds.schema.generate`; "
    "docs/operate/install.md describes what they are for.\n"
)
_WORKER_HEADER = (
    "# Generated from crds/schema/roles.py by `python -m crds.schema.generate`; "
    "docs/guides/discovery.md describes what it is for.\n"
)


def to_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Write documents as one YAML stream, in the order of their keys as given."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.explicit_start = True
    yaml.width = 4096  # no folding: folded lines end in blanks
    yaml.representer.ignore_aliases = lambda *_: True
    yaml.indent(mapping=2, sequence=4, offset=2)
    buffer = StringIO()
    yaml.dump_all([dict(document) for document in documents], buffer)
    return buffer.getvalue()


def all_definitions() -> tuple[dict[str, Any], ...]:
    """Build the CustomResourceDefinitions of all kinds."""
    return tuple(custom_resource_definition(model) for model in KINDS)


def render_crds() -> str:
    """Write all definitions and admission policies as one YAML stream, for `kubectl apply -f -`."""
    return _HEADER + to_yaml((*all_definitions(), *admission_documents()))


def generated_files() -> dict[str, str]:
    """Build the text of every generated file, by its path from the root of the repository."""
    files = {
        f"{CRD_FOLDER}/{model.definition.crd_name}.yaml": _HEADER + to_yaml([custom_resource_definition(model)])
        for model in KINDS
    }
    files |= {
        f"{ADMISSION_FOLDER}/{admission.plural}.yaml": _POLICY_HEADER + to_yaml(admission.documents())
        for admission in ADMISSIONS
    }
    files[f"{ROLES_FOLDER}/people.yaml"] = _ROLES_HEADER + to_yaml(role_documents())
    files[f"{ROLES_FOLDER}/receiver.yaml"] = _RECEIVER_HEADER + to_yaml(receiver_documents())
    files[f"{ROLES_FOLDER}/flux.yaml"] = _FLUX_HEADER + to_yaml(flux_documents())
    files[f"{ROLES_FOLDER}/worker.yaml"] = _WORKER_HEADER + to_yaml(worker_documents())
    files[f"{ROLES_FOLDER}/watcher.yaml"] = _WATCHER_HEADER + to_yaml(watcher_documents())
    files |= {
        path.replace(folder, f"{CHART_FOLDER}/{PurePosixPath(folder).name}", 1): text
        for path, text in files.items()
        for folder in (CRD_FOLDER, ADMISSION_FOLDER)
        if path.startswith(folder)
    }
    files[f"{CHART_FOLDER}/rights/people.yaml"] = _ROLES_HEADER + to_yaml(
        [{one["metadata"]["name"]: one["rules"] for one in role_documents()}]
    )
    files[f"{CHART_FOLDER}/rights/processes.yaml"] = _WATCHER_HEADER + to_yaml([process_rights()])
    files |= {f"{REFERENCE_FOLDER}/{name}": text for name, text in reference_pages().items()}
    return files


def stale_files(root: Path) -> tuple[str, ...]:
    """Name the generated files that are missing, differ, or are left over from a removed kind."""
    wanted = generated_files()
    stale = [path for path, text in wanted.items() if not _holds(root / path, text)]
    present = [
        path.relative_to(root).as_posix()
        for folder, pattern in (
            (CRD_FOLDER, "*.yaml"),
            (ADMISSION_FOLDER, "*.yaml"),
            (ROLES_FOLDER, "*.yaml"),
            (CHART_FOLDER, "crds/*.yaml"),
            (CHART_FOLDER, "admission/*.yaml"),
            (CHART_FOLDER, "rights/*.yaml"),
            (REFERENCE_FOLDER, "*.md"),
        )
        for path in sorted((root / folder).glob(pattern))
    ]
    return tuple(stale + [path for path in present if path not in wanted and path not in WRITTEN_BY_HAND])


def write_files(root: Path) -> tuple[str, ...]:
    """Bring the generated files up to date; returns those that were written or removed."""
    changed = stale_files(root)
    wanted = generated_files()
    for name in changed:
        path = root / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit code 1 means that `--check` found stale files."""
    parser = argparse.ArgumentParser(prog="python -m crds.schema.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a generated file is stale")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="repository root")
    options = parser.parse_args(arguments)
    if not options.check:
        for name in write_files(options.root):
            sys.stdout.write(f"{name}\n")
        return 0
    stale = stale_files(options.root)
    for name in stale:
        sys.stderr.write(f"stale: {name} (run `python -m crds.schema.generate`)\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
