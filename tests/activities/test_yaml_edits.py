"""Single values of YAML files are changed, and nothing else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from activities.delivery.yaml_edits import BRACKETS_LIMIT, FILE_LIMIT_BYTES, YamlEditError, YamlFile
from crds.rules.yaml_paths import YamlPathError, parse_path
from crds.texts.plain import plain

KUSTOMIZATION = """# what prod runs
resources:   [base]
images:
  - name: ghcr.io/acme/web   # the shop
    newTag: "sha-1"  # written by Pilotage
  - {name: ghcr.io/acme/api, newName: mirror/api}
  # not yet tagged

  - name: 'ghcr.io/acme/job'
    newName: x

"""


def edited(text: str, path: str, value: str) -> str:
    file = YamlFile(text.encode())
    file.set(path, value)
    return file.text


def test_a_tag_is_replaced_and_every_other_byte_stays() -> None:
    file = YamlFile(KUSTOMIZATION.encode())
    assert file.set_image_tag("ghcr.io/acme/web", "sha-2") == "sha-1"
    assert file.text == KUSTOMIZATION.replace('"sha-1"', '"sha-2"')


def test_a_tag_that_was_not_there_is_added_to_its_entry() -> None:
    file = YamlFile(KUSTOMIZATION.encode())
    assert (file.set_image_tag("ghcr.io/acme/api", "1.10"), file.set_image_tag("ghcr.io/acme/job", "v2")) == ("", "")
    images = YAML(typ="safe").load(file.text)["images"]
    assert images[1] == {"name": "ghcr.io/acme/api", "newName": "mirror/api", "newTag": "1.10"}
    assert images[2] == {"name": "ghcr.io/acme/job", "newName": "x", "newTag": "v2"}
    assert file.text.count("\n") == KUSTOMIZATION.count("\n") + 1


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_line_ends_stay_as_they_are(ending: str) -> None:
    text = f"images:\r\n- name: web{ending}"
    file = YamlFile(text.encode())
    file.set_image_tag("web", "v1")
    assert YAML(typ="safe").load(file.text) == {"images": [{"name": "web", "newTag": "v1"}]}
    assert file.text.replace("\r\n", "").count("\n") == (ending == "\n") + (ending != "\r\n")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("spec.containers[1].image", "b:1"),
        ("spec.containers[name=side].image", "b:1"),
        ('metadata.labels["app.kubernetes.io/version"]', "v1"),
        ("metadata.labels.plain", "x"),
    ],
)
def test_a_path_leads_to_its_value(path: str, wanted: str) -> None:
    text = (
        "metadata: {labels: {app.kubernetes.io/version: v1, plain: x}}\n"
        "spec:\n  containers:\n  - {name: main, image: 'a:1'}\n  - name: side\n    image: b:1\n"
    )
    file = YamlFile(text.encode())
    assert file.set(path, "new") == wanted
    assert file.text.count("new") == 1
    assert len(file.text) == len(text) - len(wanted) + len("new")


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        ("a: &x {b: 1}\nc: *x\n", "a.b", "anchor"),
        ("a: &x {b: 1}\nc: *x\n", "c.b", "alias"),
        ("a: {b: &x 1}\nc: *x\n", "a.b", "anchor"),
        ("a: &x {b: 1}\nc: {<<: *x, d: 1}\n", "c.b", "has no `c.b`"),
        ("a: 1\n", "b", "has no `b`"),
        ("a: 1\n", "a.b", "has no `a.b`"),
        ("a: [1]\n", "a[1]", "has no `a[1]`"),
        ("a: [{n: x}, {n: x}]\n", "a[n=x]", "2 times"),
        ("a: 1\n---\na: 2\n", "a", "2 times"),
        ("a: {b: 1}\n", "a", "no single value"),
        ("a: |\n  x\n", "a", "block of lines"),
        ("a: [\n", "a", "no YAML"),
        ("a: 1\na: 2\n", "a", "2 times"),
        ("", "a", "has no `a`"),
        ("a: {b, c: 1}\n", "a.b", "no place for one"),
        ("? a\n:\nb: 1\n", "a", "no place for one"),
        ("a: [1, ]\nb:\n-\n- 1\n", "b[0]", "no place for one"),
    ],
)
def test_what_cannot_be_edited_gives_the_reason(text: str, path: str, why: str) -> None:
    with pytest.raises(YamlEditError, match=why.replace("[", r"\[")):
        edited(text, path, "2")


@pytest.mark.parametrize("value", ["v1", "1.10", "yes", "a: b # c", ""])
@pytest.mark.parametrize("behind", ["", " ", " # none: yet", "\n\n  # a note:", "\n  # 🚀\n"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("after", ["  b: 1\n", "c: 1\n", "---\nc: 1\n", ""])
def test_a_value_is_written_where_there_was_none(value: str, behind: str, ending: str, after: str) -> None:
    text = f"a:\n  'tag' :{behind}\n{after}".replace("\n", ending)
    before, found = (list(YAML(typ="safe", pure=True).load_all(one)) for one in (text, edited(text, "a.tag", value)))
    before[0]["a"]["tag"] = value
    assert found == before


@pytest.mark.parametrize(
    "text", ["a: {tag: , b: 1}", "a: {tag: }", '{"a": {"tag":,"b": 1}}', "a:\n  tag:", "a: {'tag':}"]
)
def test_a_value_is_written_where_there_was_none_on_one_line(text: str) -> None:
    [found] = YAML(typ="safe", pure=True).load_all(edited(text, "a.tag", "v1"))
    assert found["a"]["tag"] == "v1"
    assert found["a"].get("b", 1) == 1


def test_a_tag_is_added_in_files_of_old_machines_too() -> None:
    file = YamlFile(b"images:\r- name: web # 1\r- name: api\r")
    file.set_image_tag("web", "v1")
    assert file.text == "images:\r- name: web # 1\r  newTag: v1\r- name: api\r"
    with pytest.raises(YamlEditError, match="another line"):
        YamlFile(b"images:\n- ? name\n  : web\n").set_image_tag("web", "v1")


def test_an_anchor_elsewhere_is_no_reason_to_refuse() -> None:
    text = "defaults: &x {cpu: 1}\nweb: {<<: *x, tag: v1}\n"
    assert edited(text, "web.tag", "v2") == text.replace("v1", "v2")


def test_a_comment_between_a_key_and_its_value_is_no_reason_to_refuse() -> None:
    text = "tag: # of the image\n  v1\n\n# the end"
    assert edited(text, "tag", "v2") == text.replace("v1", "v2")


def test_lines_of_a_file_are_not_written_to_standard_error(recwarn: pytest.WarningsRecorder) -> None:
    text = "a: &x of-a-secret\nb: &x 2\nc: *x\ntag: v1\n"
    assert edited(text, "tag", "v2") == text.replace("v1", "v2")
    assert not recwarn.list


def test_a_digest_wins_over_a_tag_and_is_named() -> None:
    with pytest.raises(YamlEditError, match="digest"):
        YamlFile(b"images: [{name: web, digest: 'sha256:1'}]\n").set_image_tag("web", "v1")


def test_one_value_is_not_set_to_two() -> None:
    file = YamlFile(b"a: 1\n")
    file.set("a", "2")
    file.set("a", "2")
    with pytest.raises(YamlEditError, match="two values"):
        file.set("a", "3")
    same = YamlFile(b"a: 1\n")
    same.set("a", "1")
    with pytest.raises(YamlEditError, match="two values"):
        same.set("a", "3")


@pytest.mark.parametrize("content", [b"\xff", b"a: " + b"x" * FILE_LIMIT_BYTES, b"[" * 1000, b"a: \x00"])
def test_what_is_no_text_of_yaml_is_refused(content: bytes) -> None:
    with pytest.raises(YamlEditError):
        YamlFile(content)


def test_brackets_that_make_reading_slow_are_refused_before_they_are_read_on() -> None:
    deepest = b"a: " + b"[" * BRACKETS_LIMIT + b"1" + b"]" * BRACKETS_LIMIT + b"\n"
    assert YamlFile(deepest).text == deepest.decode()
    with pytest.raises(YamlEditError, match="nests more than 32 brackets"):
        YamlFile(b"a: " + b"[" * (BRACKETS_LIMIT + 1) + b"!unread")


@pytest.mark.parametrize("old", ["v1", '"v1"', "'v1'", "12", "~"])
@settings(max_examples=30)
@given(
    value=st.text(max_size=20) | st.sampled_from(["1.10", "0777", "12e3", "yes", "NULL", "1:30", "a: b", "#", "- x"])
)
def test_every_text_is_read_back_as_it_is(old: str, value: str) -> None:
    text = edited(f"a: {old} # c\nb: 1\n", "a", value)
    for version in ((1, 1), (1, 2)):
        yaml = YAML(typ="safe", pure=True)
        yaml.version = version
        read = yaml.load(text)
        assert (str(read["a"]), read["b"]) == (plain(value), 1)


@pytest.mark.parametrize(
    "path", ["", ".", ".a", "a.", "a..b", "a[", "a[x]", "a b[", "a]", 'a["b]', "[0]a", "a." * 60 + "a"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(YamlPathError):
        parse_path(path)
