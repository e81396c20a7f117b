"""Settings that only prove wrong in use: the process names the variable and what is allowed, and ends with 2."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.temporal.connect import TemporalMisconfigured, connect

ROOT = Path(__file__).parents[2]
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
users: [{name: none, user: {token: x}}]
"""
NOT_OURS = ("TEMPORAL_", "PILOTAGE_", "KUBE", "OTEL_")


@pytest.fixture
def occupied() -> Iterator[str]:
    """A port of the loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def run(process: str, tmp_path: Path, **variables: str) -> tuple[int, str]:
    """Run a process that finds all but what a test gives it in order, and no Temporal; return its code and its log."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)},
        "PILOTAGE_INSTALLATION": "process",
        "PILOTAGE_HTTP_HOST": "127.0.0.1",
        "PILOTAGE_HTTP_PORT": "0",
        "PILOTAGE_KUBECONFIG": str(kubeconfig),
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-m", "worker", process],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("process", "variable", "text", "allowed"),
    [
        ("worker", "PILOTAGE_LOG_FORMAT", "xml", "'console' or 'json'"),
        ("watcher", "PILOTAGE_NAMESPACES", "Bad Name!", "lower-case letters"),
        ("watcher", "PILOTAGE_KUBECONFIG", "/nonexistent", "Path of a kubeconfig file"),
        ("watcher", "PILOTAGE_CONTEXT", "nope", "Context of the kubeconfig"),
        ("worker", "PILOTAGE_HTTP_HOST", "no-such-host.invalid", "Address on which"),
        ("watcher", "PILOTAGE_HTTP_HOST", "no-such-host.invalid", "Address on which"),
        ("worker", "TEMPORAL_PROFILE", "nope", "leave it empty"),
        ("watcher", "TEMPORAL_PROFILE", "nope", "leave it empty"),
        ("worker", "TEMPORAL_ADDRESS", "no address", "host:port is wanted"),
        ("receiver", "TEMPORAL_ADDRESS", "https://temporal.example.com:7233", "host:port is wanted"),
        ("receiver", "PILOTAGE_INSTALLATION", "Bad Name", "Lower-case letters, digits and dashes"),
        ("receiver", "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http:// or https://"),
        ("worker", "PILOTAGE_RECORD_FILE", "/nonexistent/records.jsonl", "no such file or directory"),
        ("worker", "PILOTAGE_EXTRA_CA", "/nonexistent/ca.crt", "the file cannot be read"),
    ],
)
def test_a_wrong_setting_ends_a_process_with_2_and_is_named(
    process: str, variable: str, text: str, allowed: str, tmp_path: Path
) -> None:
    code, log = run(process, tmp_path, **{variable: text})
    assert (code, variable in log, allowed in log) == (2, True, True), log


@pytest.mark.parametrize("process", ["worker", "watcher"])
def test_an_occupied_port_ends_a_process_with_2_and_is_named(process: str, tmp_path: Path, occupied: str) -> None:
    code, log = run(process, tmp_path, PILOTAGE_HTTP_PORT=occupied)
    assert (code, "PILOTAGE_HTTP_PORT" in log, occupied in log) == (2, True, True), log
    assert "already in use" in log


def test_a_setting_without_an_effect_is_warned_of(tmp_path: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    half = {"TEMPORAL_DEPLOYMENT_NAME": "pilotage", "TEMPORAL_ADDRESS": "no address"}
    _, log = run("worker", tmp_path, **variables, **half)
    assert "OTEL_EXPORTER_OTLP_PROTOCOL has no effect: spans are sent by http/protobuf" in log
    assert "TEMPORAL_WORKER_BUILD_ID is not set: workers have no version" in log


def test_a_misspelt_setting_is_warned_of_with_the_name_that_is_meant(tmp_path: Path) -> None:
    code, log = run("worker", tmp_path, PILOTAGE_LOG_LEVL="debug", TEMPORAL_ADDRESS="no address")
    assert (code, "TEMPORAL_ADDRESS" in log) == (2, True), log
    assert "PILOTAGE_LOG_LEVL: no such setting, ignored; did you mean PILOTAGE_LOG_LEVEL?" in log


@pytest.mark.parametrize(
    ("variables", "advice"),
    [
        (
            {"TEMPORAL_PROFILE": "nope", "TEMPORAL_CONFIG_FILE": "profiles.toml"},
            r"^TEMPORAL_PROFILE: .*allowed are east",
        ),
        ({"TEMPORAL_CONFIG_FILE": "broken.toml"}, r"^TEMPORAL_CONFIG_FILE: "),
        ({"TEMPORAL_CONFIG_FILE": "absent.toml"}, r"^TEMPORAL_CONFIG_FILE: there is no file .*absent\.toml$"),
        ({"TEMPORAL_ADDRESS": "temporal.example.com"}, r"^TEMPORAL_ADDRESS: `temporal.example.com` is not allowed"),
        (
            {"TEMPORAL_UI_URL": "https://ui", "TEMPORAL_TLS_CLIENT_CERT_PATH": "profiles.toml"},
            r"^TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH: both are needed",
        ),
        ({"TEMPORAL_CONFIG_FILE": "profiles.toml", "TEMPORAL_PROFILE": "east"}, r"^TEMPORAL_ADDRESS \(`address` of"),
        ({"TEMPORAL_TLS_CLIENT_CERT_PATH": "/nonexistent"}, r"^TEMPORAL_TLS_CLIENT_CERT_PATH: a file"),
        ({"TEMPORAL_TLS_CLIENT_CERT_DATA": "s3cr3t"}, r"^TEMPORAL_TLS_CLIENT_CERT_DATA: "),
    ],
)
async def test_temporal_s_own_variables_are_named_and_their_secrets_are_not_shown(
    variables: dict[str, str], advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "profiles.toml").write_text('[profile.east]\naddress = "no address"\napi_key = "s3cr3t"\n')
    (tmp_path / "broken.toml").write_text('api_key = "s3cr3t" [[[\n')
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value.endswith(".toml") else value)
    with pytest.raises(TemporalMisconfigured, match=advice) as caught:
        await connect()
    assert "s3cr3t" not in str(caught.value)
