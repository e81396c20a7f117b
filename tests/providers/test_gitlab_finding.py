"""GitLab CI: pipelines are found by their key, and whether one could not be found is never guessed."""

import httpx
import pytest

from providers.errors import (
    ProviderRateLimited,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.gitlab_ci import starting
from providers.models import Origin
from providers.origins import digests_of
from tests.providers.hosts import FakeHost, answer, gitlab_ci
from tests.providers.pipelines import PROJECT, pipeline, show_each, traceable, variables_of


async def test_pipelines_are_found_by_name_else_by_variables_each_read_once(host: FakeHost) -> None:
    first = [pipeline(9, name="run k"), pipeline(8, name="run other"), pipeline(7, source="push", name="k")]
    host.on("GET", rf"{PROJECT}/pipelines\?.*page=1", answer(first, x_next_page="2"))
    host.on("GET", rf"{PROJECT}/pipelines\?.*page=2", answer([pipeline(6), pipeline(5)], x_next_page=""))
    host.on("GET", rf"{PROJECT}/pipelines\?name=k&.*", answer([]))
    host.on("GET", variables_of(6), answer([{"key": "OTHER", "value": "x"}, {"key": "PROMOTION_KEY", "value": "k"}]))
    host.on("GET", variables_of(5), answer([]))
    host.on("GET", variables_of(8), answer([]))
    show_each(host, 6, 9)
    http = host.http()
    assert [run.id for run in await gitlab_ci(http).find("main", "k")] == ["6", "9"]
    asked = host.paths().copy()
    assert [run.id for run in await gitlab_ci(http).find("main", "k")] == ["6", "9"]
    assert not [path for path in host.paths()[len(asked) :] if "variables" in path]
    assert await traceable(gitlab_ci(http))


async def test_a_pipeline_of_the_keys_name_is_found_on_any_ref_by_one_list(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?name=k&updated.*", answer([pipeline(9, name="k"), pipeline(7, name="k")]))
    show_each(host, 7)
    host.on("GET", f"{PROJECT}/pipelines/9", answer(pipeline(9, ref="evil")))
    found = await gitlab_ci(host.http()).find("main", "k")
    assert [(run.id, run.foreign) for run in found] == [("7", ""), ("9", "it runs `evil`, not `main`")]
    assert len(host.requests) == 3


async def test_a_host_that_does_not_search_by_name_is_not_believed(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(9), pipeline(8)]))
    host.on("GET", variables_of(9), answer([]))
    host.on("GET", variables_of(8), answer([{"key": "PROMOTION_KEY", "value": "k"}]))
    show_each(host, 8)
    assert [run.id for run in await gitlab_ci(host.http()).find("main", "k")] == ["8"]


async def test_a_long_variable_is_compared_whole(host: FakeHost) -> None:
    long = '{"region": "中"}' * 1000
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(5, name="k"), pipeline(6, name="k")]))
    show_each(host, 5, 6)
    host.on("GET", variables_of(5), answer([{"key": "CONFIG", "value": long, "variable_type": "env_var"}]))
    host.on("GET", variables_of(6), answer([{"key": "CONFIG", "value": f"{long}x", "variable_type": "env_var"}]))
    for origin in (Origin(parameters={"CONFIG": long}), Origin(digests=digests_of({"CONFIG": long}))):
        ours, theirs = await gitlab_ci(host.http()).find("main", "k", origin)
        assert (ours.foreign, theirs.foreign) == ("", "its parameters differ: `CONFIG`")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_may_not_be_read_is_no_missing_key_and_makes_runs_untraceable(
    host: FakeHost, status: int
) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(5)]))
    fixed = answer([{"key": "PROMOTION_KEY", "value": "k"}])
    show_each(host, 5)
    host.on("GET", variables_of(5), *[answer({"message": "no"}, status)] * 2, fixed)
    http = host.http()
    assert await gitlab_ci(http).find("main", "k") == ()
    assert not await traceable(gitlab_ci(http))
    # Once the rights are fixed, it is found: that it could not be read was not remembered.
    assert [run.id for run in await gitlab_ci(http).find("main", "k")] == ["5"]
    assert await traceable(gitlab_ci(http))


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (answer({}, 500), ProviderUnavailable),
        (answer({}, 429), ProviderRateLimited),
        (answer({"message": "401 Unauthorized"}, 401), ProviderUnauthorized),
        (httpx.ReadTimeout("late"), ProviderUnavailable),
    ],
)
async def test_a_key_that_cannot_be_read_now_is_asked_for_again(
    host: FakeHost, failure: httpx.Response | Exception, error: type[Exception]
) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(5)]))
    host.on("GET", variables_of(5), failure)
    with pytest.raises(error):
        await gitlab_ci(host.http()).find("main", "k")
    with pytest.raises(error):
        await traceable(gitlab_ci(host.http()))


@pytest.mark.parametrize(
    ("config", "parameters_as", "shown"),
    [
        ("workflow:\n  name: $PROMOTION_KEY\n", "Variables", True),
        ("stages: [a]\nworkflow:\n  rules:\n    - name: x\n  name: 'run ${PROMOTION_KEY}'\n", "Variables", True),
        ("workflow:\n  # a comment\n  name: >-\n    run\n    $PROMOTION_KEY\n", "Variables", True),
        ("workflow:\n  name: run # $PROMOTION_KEY\n", "Variables", False),
        ("workflow:\n  name: $PROMOTION_KEY_OF_OTHERS\n", "Variables", False),
        ("workflow:\n  name: $$PROMOTION_KEY\n", "Variables", False),
        ("job:\n  name: $PROMOTION_KEY\n", "Variables", False),
        ("workflow:\n  rules:\n    - name: $PROMOTION_KEY\n", "Variables", False),
        ("", "Variables", False),
        ("workflow:\n  name: $PROMOTION_KEY\n", "Inputs", False),
        ("spec:\n  inputs: {}\n---\nworkflow:\n  name: $[[ inputs.promotion_key ]]\n", "Inputs", True),
        ("workflow:\n  name: run $[[inputs.promotion_key]]\n", "Inputs", True),
        ("workflow:\n  name: $[[ inputs.promotion_key | truncate(0,3) ]]\n", "Inputs", False),
    ],
)
async def test_a_name_that_shows_the_key_makes_runs_traceable_whatever_else_is_hidden(
    host: FakeHost, config: str, parameters_as: str, shown: bool
) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(5, name=None)]))
    host.on("GET", variables_of(5), answer({"message": "403 Forbidden"}, 403))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web", "ci_config_path": "ci/main.yml"}))
    file = httpx.Response(200, text=config)
    host.on("GET", rf"{PROJECT}/repository/files/ci%2Fmain.yml/raw\?ref=release%2F1", file)
    assert await traceable(gitlab_ci(host.http(), parameters_as=parameters_as), "release/1") is shown


@pytest.mark.parametrize("project", [{"ci_config_path": "ci.yml@acme/ci"}, {"ci_config_path": "https://x/ci.yml"}, {}])
async def test_a_ci_file_that_cannot_be_read_shows_no_key(host: FakeHost, project: dict[str, str]) -> None:
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web", **project}))
    assert not await traceable(gitlab_ci(host.http(), parameters_as="Inputs"))
    host.on("GET", rf"{PROJECT}/repository/files/.gitlab-ci.yml/raw\?ref=main", answer({}, 500))
    if not project:
        with pytest.raises(ProviderUnavailable):
            await traceable(gitlab_ci(host.http(), parameters_as="Inputs"))


async def test_a_host_that_shows_no_names_cannot_be_trusted_to_find_by_them(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(5)]))
    host.on("GET", variables_of(5), answer({"message": "403 Forbidden"}, 403))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web"}))
    named = httpx.Response(200, text="workflow:\n  name: $PROMOTION_KEY\n")
    host.on("GET", rf"{PROJECT}/repository/files/.gitlab-ci.yml/raw\?ref=main", named)
    assert not await traceable(gitlab_ci(host.http()))


async def test_more_pipelines_than_can_be_listed_make_runs_untraceable(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/pipelines\?.*", answer([pipeline(5, source="push")], x_next_page="2"))
    assert not await traceable(gitlab_ci(host.http()))
    assert len(host.requests) == 10


def test_a_ci_file_beyond_the_limit_shows_no_key() -> None:
    shown = "workflow:\n  name: $PROMOTION_KEY\n"
    filled = shown + "#" * (starting.CONFIG_LIMIT_BYTES - len(shown))
    assert starting.shows_key(filled, starting.ParametersAs.VARIABLES)
    assert not starting.shows_key(f"{filled}#", starting.ParametersAs.VARIABLES)
