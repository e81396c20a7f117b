"""What a selector stands for, while the Argo CD that it asks does not answer."""

from dataclasses import replace
from datetime import timedelta

from activities.models.configuration import DeploymentSpec, EnvironmentView, WriteSpec
from tests.worlds.refusals import unread
from workflows.selections import with_known

EU = DeploymentSpec(name="far/eu", component="web", wave=1, instance="far", project="shop", application="eu")
US = replace(EU, name="far/us", application="us")
NEAR = replace(EU, name="near", wave=0, instance="near", application="web")
SILENT = replace(EU, name="far", application="", failure=unread(passing=True))


def view(*deployments: DeploymentSpec) -> EnvironmentView:
    return EnvironmentView(
        name="prod", final=True, vars={}, delivery_timeout=timedelta(minutes=15), deployments=deployments
    )


def names(seen: EnvironmentView) -> list[str]:
    return [one.name for one in seen.deployments]


def test_what_was_selected_before_stays_while_its_argo_cd_does_not_answer_and_is_written_as_declared_now() -> None:
    found = with_known(view(replace(SILENT, write=WriteSpec(prune=True)), NEAR), view(NEAR, EU, US))
    assert names(found) == ["near", "far/eu", "far/us"]
    assert [one.problem for one in found.deployments] == ["", "", ""]
    assert [one.write for one in found.deployments if one.instance == "far"] == [WriteSpec(prune=True)] * 2


def test_where_nothing_was_known_the_deployment_itself_shows_why() -> None:
    for known in (None, view(NEAR, SILENT)):
        assert names(with_known(view(NEAR, SILENT), known)) == ["near", "far"]


def test_another_instance_project_or_component_selects_something_else() -> None:
    for changed in (
        replace(SILENT, instance="other"),
        replace(SILENT, project="other"),
        replace(SILENT, component="other"),
        replace(SILENT, name="fa"),
    ):
        assert names(with_known(view(changed), view(EU, US))) == [changed.name]


def test_what_a_person_must_fix_is_not_bridged() -> None:
    assert names(with_known(view(replace(SILENT, failure=unread())), view(EU, US))) == ["far"]
