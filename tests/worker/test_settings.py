"""Settings: defaults, lists, and errors that name the variable and what is allowed."""

from datetime import timedelta

import pytest

from worker.settings import InvalidSettings, Settings, describe_settings, load_settings, misspelt


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _, _ in describe_settings():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("PILOTAGE_INSTALLATION", "east")


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("PILOTAGE_INSTALLATION", "west-1", "installation", "west-1"),
        ("PILOTAGE_NAMESPACES", "shop, bank,", "namespaces", ("shop", "bank")),
        # Each would be mirrored twice, and all that is listed of it found twice.
        ("PILOTAGE_NAMESPACES", "shop,bank,shop", "namespaces", ("shop", "bank")),
        ("PILOTAGE_NAMESPACES", "", "namespaces", ()),
        (
            "PILOTAGE_ALLOWED_HOSTS",
            "api.github.com,*.example.com",
            "allowed_hosts",
            ("api.github.com", "*.example.com"),
        ),
        ("PILOTAGE_ALLOW_HTTP", "true", "allow_http", True),
        ("PILOTAGE_HTTP_PORT", "0", "http_port", 0),
        ("PILOTAGE_LOG_FORMAT", "json", "log_format", "json"),
        ("PILOTAGE_TEMPORAL_UI_URL", "https://temporal.example/", "temporal_ui_url", "https://temporal.example"),
        ("KUBECONFIG", "/a:/b", "kubeconfig", "/a:/b"),
        ("PILOTAGE_KUBECONFIG", "/c", "kubeconfig", "/c"),
    ],
)
def test_a_variable_is_read(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(), field) == value


def test_timings_are_overridden_in_seconds_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_TIMINGS", '{"poll_initial": 0.5}')
    timings = load_settings().timings
    assert (timings.poll_initial, timings.poll_maximum) == (timedelta(seconds=0.5), timedelta(minutes=2))


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("PILOTAGE_LOG_FORMAT", "xml", "'console' or 'json'"),
        ("PILOTAGE_LOG_LEVEL", "loud", "'debug'"),
        ("PILOTAGE_HTTP_PORT", "eighty", "integer"),
        ("PILOTAGE_HTTP_PORT", "70000", "65535"),
        ("PILOTAGE_NAMESPACES", "shop,Bad Name!", "`Bad Name!` can be no namespace"),
        ("PILOTAGE_SYSTEM_NAMESPACE", "-x", "lower-case letters"),
        ("PILOTAGE_ALLOWED_HOSTS", "https://api.github.com", "without scheme"),
        ("PILOTAGE_ALLOW_HTTP", "perhaps", "boolean"),
        ("PILOTAGE_SCM_IN_FLIGHT", "0", "greater than or equal to 1"),
        ("PILOTAGE_TEMPORAL_UI_URL", "localhost:8233", "http://"),
        ("PILOTAGE_TIMINGS", '{"pol": 1}', "poll_initial"),
        ("PILOTAGE_TIMINGS", '{"poll_gap": -1}', "positive number of seconds"),
        ("PILOTAGE_TIMINGS", '{"poll_gap": true}', "positive number of seconds"),
        ("PILOTAGE_TIMINGS", "[]", "object of seconds"),
        ("PILOTAGE_TIMINGS", "{", "JSON"),
        ("PILOTAGE_INSTALLATION", "East Coast", "Lower-case letters"),
        ("PILOTAGE_INSTALLATION", "", "required"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(f"{variable}: ")
    assert allowed in caught.value.lines[0]


def test_all_errors_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILOTAGE_INSTALLATION")
    monkeypatch.setenv("PILOTAGE_HTTP_PORT", "x")
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert {line.partition(":")[0] for line in caught.value.lines} == {"PILOTAGE_INSTALLATION", "PILOTAGE_HTTP_PORT"}


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("PILOTAGE_LOG_LEVL", "PILOTAGE_LOG_LEVEL"),
        ("PILOTAGE_NAMESPACE", "PILOTAGE_NAMESPACES"),
        ("pilotage_http_prt", "PILOTAGE_HTTP_PORT"),
        ("PILOTAGE_XYZZY", ""),
    ],
)
def test_a_misspelt_variable_is_found_with_the_nearest_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    monkeypatch.setenv(variable, "x")
    assert [(one.variable, one.nearest) for one in misspelt()] == [(variable, nearest)]


def test_settings_and_what_kubernetes_adds_for_services_are_not_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_KUBECONFIG", "/k")
    monkeypatch.setenv("pilotage_log_level", "info")
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"):
        monkeypatch.setenv(f"PILOTAGE_WATCHER_{name}", "x")
    assert misspelt() == ()


def test_a_missing_setting_shows_the_misspelt_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PILOTAGE_INSTALLATION")
    monkeypatch.setenv("PILOTAGE_INSTALATION", "east")
    with pytest.raises(InvalidSettings, match=r"PILOTAGE_INSTALATION.*did you mean PILOTAGE_INSTALLATION\?"):
        load_settings()


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_NAMESPACES", "shop")
    assert load_settings(namespaces="bank", kubeconfig="/d").namespaces == ("bank",)
    assert load_settings(kubeconfig="/d").kubeconfig == "/d"
    assert load_settings(namespaces=None).namespaces == ("shop",)


def test_settings_are_frozen_and_every_field_is_documented() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().installation = "west"  # type: ignore[misc]
    assert len(describe_settings()) == len(Settings.model_fields)
    assert all(meaning for _, _, meaning in describe_settings())
