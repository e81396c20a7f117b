"""What delivery by Git changes in which file, and which revision a file holds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from activities.delivery.yaml_edits import YamlEditError, YamlFile
from activities.models.configuration import DeploymentSpec, GitEditSpec
from activities.models.tracking import Artifact
from activities.running import revision_of_tag
from activities.targets import taken
from crds.rules.git_writes import file_error
from crds.rules.substitution import SubstitutionError, Variable, escape, parse, render
from crds.rules.yaml_paths import YamlPathError
from crds.texts.plain import one_line, short_revision

TRAILER = "Pilotage-Key"
"""Names the key of a commit in its last paragraph, as git's trailers are named."""
_READ_CHARACTERS = 1024
"""Of a value that is looked through for its revision: an image with its tag is shorter."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One value that is to be written for one deployment, all variables replaced."""

    deployment: DeploymentSpec
    artifact: Artifact
    file: str
    image: str
    yaml_path: str
    value: str
    recognised_by: str
    """Template over the revision, by which what stands there is recognised; empty where it leads to none."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What stood at one place, and the revision that it means, as far as one is recognised."""

    edit: Edit
    value: str
    revision: str | None


class EditRefused(Exception):
    """Why nothing can be written for a deployment until a person fixes something."""

    def __init__(self, deployment: str, message: str) -> None:
        super().__init__(message)
        self.deployment = deployment


def edits_of(
    deployments: Sequence[DeploymentSpec], artifacts: Sequence[Artifact], variables: Mapping[str, str]
) -> tuple[Edit, ...]:
    """Return all edits with their variables replaced. Raises EditRefused for the first that cannot be made."""
    found: list[Edit] = []
    for deployment in deployments:
        if deployment.taken_by:
            raise EditRefused(deployment.name, taken(deployment))
        artifact = next((one for one in artifacts if one.component == deployment.component), None)
        git = deployment.write.git if deployment.write else None
        if artifact is None or git is None:
            raise EditRefused(deployment.name, "nothing of it is promoted to files of a repository")
        values = {**variables, **_own_variables(deployment, artifact)}
        found += [_edit(deployment, artifact, one, values) for one in git.edits]
    return tuple(found)


def apply(edits: Iterable[Edit], files: Mapping[str, YamlFile]) -> tuple[Held, ...]:
    """Set every value in the parsed files, and return what stood there. Raises EditRefused naming file and path."""
    found: list[Held] = []
    for edit in edits:
        file = files[edit.file]
        try:
            value = file.set_image_tag(edit.image, edit.value) if edit.image else file.set(edit.yaml_path, edit.value)
        except (YamlEditError, YamlPathError) as error:
            raise EditRefused(edit.deployment.name, f"{edit.file} {error}") from None
        revision = revision_of_tag(edit.recognised_by, value, limit=_READ_CHARACTERS)
        found.append(Held(edit=edit, value=value, revision=revision))
    return tuple(found)


def marked(message: str, key: str) -> bool:
    """Return whether a commit's message names the key in its last paragraph."""
    return f"{TRAILER}: {key}" in (line.strip() for line in message.strip().rpartition("\n\n")[2].splitlines())


def commit_message(edits: Sequence[Edit], variables: Mapping[str, str], key: str) -> str:
    """Return the message of the commit; it holds no text that the author of a pull request chose."""
    moved = ", ".join(
        dict.fromkeys(f"{one.artifact.component} {short_revision(one.artifact.revision)}" for one in edits)
    )
    subject = f"Deploy {moved} to {variables.get('targetEnvironment', '')}"
    url = variables.get("pullRequest.url", "")
    names = ", ".join(dict.fromkeys(one.deployment.name for one in edits))
    lines = (_cut(one_line(subject), 120), _cut(one_line(names), 1000), one_line(url), f"{TRAILER}: {key}")
    return "\n\n".join(line for line in lines if line)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _own_variables(deployment: DeploymentSpec, artifact: Artifact) -> dict[str, str]:
    return {
        # One that a selector stands for is named `deployment/application`.
        "deployment.name": deployment.name.partition("/")[0],
        "component.name": deployment.component,
        "revision": artifact.revision,
        "artifact.image": artifact.image or "",
        "artifact.tag": artifact.tag or "",
    }


def _edit(deployment: DeploymentSpec, artifact: Artifact, edit: GitEditSpec, values: Mapping[str, str]) -> Edit:
    template = "${artifact.tag}" if edit.image else edit.value
    try:
        file = render(edit.file, values)
        made = Edit(
            deployment=deployment,
            artifact=artifact,
            file=file,
            image=edit.image,
            yaml_path=render(edit.yaml_path, values),
            value=render(template, values),
            recognised_by=_recognised_by(template, deployment),
        )
    except SubstitutionError as error:
        raise EditRefused(deployment.name, str(error)) from None
    if (problem := file_error(file)) is not None:
        raise EditRefused(deployment.name, f"`{file}` {problem}")
    if not made.value or (made.artifact.tag is None and "${artifact.tag}" in template):
        raise EditRefused(deployment.name, f"{file} needs an image tag, and the artifact has none")
    return made


def _recognised_by(template: str, deployment: DeploymentSpec) -> str:
    """Return the template that a value was made by, with the tag's own template in it."""
    parts: list[str] = []
    for part in parse(template):
        if not isinstance(part, Variable):
            parts.append(escape(part))
        elif part.name == "artifact.tag":
            parts.append(deployment.tag or "")
        elif part.name == "artifact.image" and deployment.image:
            parts.append(escape(deployment.image))
        else:
            parts.append(f"${{{part.name}}}")
    return "".join(parts)
