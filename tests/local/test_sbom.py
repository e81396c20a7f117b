"""The bill of materials names what was installed, by hash, and what of it needs what."""

import json
from typing import Any

from deploy.image.sbom import document


def installed(name: str, version: str, *requires: str, **described: str) -> dict[str, Any]:
    return {
        "download_info": {"archive_info": {"hashes": {"sha256": f"{len(name):064x}"}}},
        "metadata": {"name": name, "version": version, "requires_dist": list(requires), **described},
    }


REPORT: dict[str, Any] = {
    "install": [
        installed("httpx", "0.28.1", "anyio", "h2<5 ; extra == 'http2'", "Certifi", license_expression="BSD-3-Clause"),
        installed("certifi", "2026.1", license="MPL-2.0"),
        installed("anyio", "4.1", "typing_extensions>=4.5; python_version < '3.13'", license="The MIT License\n..."),
    ]
}


def test_each_distribution_is_named_with_its_hash_and_its_licence() -> None:
    components = document(REPORT, "1.2.3")["components"]
    assert [one["purl"] for one in components] == [
        "pkg:pypi/anyio@4.1",
        "pkg:pypi/certifi@2026.1",
        "pkg:pypi/httpx@0.28.1",
    ]
    assert [one["hashes"][0]["content"] for one in components] == [f"{len(one['name']):064x}" for one in components]
    assert [one.get("licenses") for one in components] == [
        None,
        [{"license": {"name": "MPL-2.0"}}],
        [{"expression": "BSD-3-Clause"}],
    ]


def test_what_a_distribution_needs_is_a_reference_to_what_is_there() -> None:
    graph = {one["ref"]: one["dependsOn"] for one in document(REPORT, "1.2.3")["dependencies"]}
    assert graph["pkg:pypi/httpx@0.28.1"] == ["pkg:pypi/anyio@4.1", "pkg:pypi/certifi@2026.1"]
    assert graph["pkg:pypi/anyio@4.1"] == []
    assert graph["pkg:pypi/pilotage@1.2.3"] == sorted(one for one in graph if "pilotage" not in one)


def test_the_same_files_make_the_same_document_and_others_another() -> None:
    again = {"install": list(reversed(REPORT["install"]))}
    assert json.dumps(document(REPORT, "1")) == json.dumps(document(again, "1"))
    assert document(REPORT, "1")["serialNumber"] != document(REPORT, "2")["serialNumber"]
