"""Samples name the sandbox where it listens, whichever port it got."""

from pathlib import Path

import pytest

from deploy.local.demo.world import SAMPLES, SAMPLES_SANDBOX, samples

SETS = sorted(path.parent for path in SAMPLES.parent.glob("*/00-*.yaml"))


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_each_set_of_samples_takes_its_addresses_from_the_environment(folder: Path) -> None:
    text = samples("http://127.0.0.1:9", folder=folder)
    assert "http://127.0.0.1:9/" in text
    assert SAMPLES_SANDBOX not in text
