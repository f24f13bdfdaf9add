"""YAML and TOML that people edit: read as it stands, refused where it is not plain."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from dialplans.documents import DEEPEST, MAX_BYTES, Document, read_toml, read_yaml

pytestmark = pytest.mark.unit


class Small(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=5, pattern="^[a-z]+$")
    many: tuple[int, ...] = Field(default=(), min_length=1, max_length=3)
    inner: dict[str, float] = {}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.yaml"


def read(file: Path, content: str | bytes) -> Document:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return (read_toml if file.suffix == ".toml" else read_yaml)(file)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("110", 110),
        ("0917", "0917"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("2.50", 2.5),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ('"true"', "true"),
        ("'110'", "110"),
        ("九", "九"),
        ("9" * 30, "9" * 30),
    ],
)
def test_a_word_means_what_it_looks_like(text: str, means: object, file: Path) -> None:
    found = read(file, f"a: {text}\n")
    assert found.faults == []
    assert found.data == {"a": means}
    assert type(found.data["a"]) is type(means)


def test_everything_has_its_place(file: Path) -> None:
    found = read(file, "\ufeffa: 1\nb:\n  c: [x, {d: 2}]\n\n  e: >\n    long\n")
    assert found.data == {"a": 1, "b": {"c": ["x", {"d": 2}], "e": "long\n"}}
    places = {".".join(way): place for way, place in found.places.items()}
    assert places == {
        "": (1, 1), "a": (1, 1), "b": (2, 1), "b.c": (3, 3), "b.c.0": (3, 7), "b.c.1": (3, 10),
        "b.c.1.d": (3, 11), "b.e": (5, 3),
    }  # fmt: skip
    assert found.place(["b", "c", 1, "nowhere"]) == (3, 10)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", (1, 1), "is empty"),
        ("# nothing\n", (1, 1), "is empty"),
        ("a: 1\na: 2\n", (2, 1), "'a' stands on line 1 already"),
        ("a: &x 1\n", (1, 4), "is no YAML: anchors are not allowed"),
        ("a: *x\n", (1, 4), "is no YAML: aliases are not allowed"),
        ("a: !!str 1\n", (1, 4), "is no YAML: tags are not allowed"),
        ("a: !mine {}\n", (1, 4), "is no YAML: tags are not allowed"),
        ("[a]: 1\n", (1, 1), "a key must be a word"),
        ("a: 1\n---\nb: 2\n", (2, 1), "is no YAML: but found another document"),
        ("a: [1\n", (2, 1), "is no YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: \x07\n", (2, 4), "holds a forbidden character"),
        ('a: "\\x1b[2J"\n', (1, 4), "holds a control or invisible character"),
        ('a: "\\ud800"\n', (1, 4), "holds a control or invisible character"),
        ('"\\u202e": a\n', (1, 1), "a key holds a control or invisible character"),
        ("[" * 30 + "]" * 30, (1, DEEPEST + 2), "is nested too deep"),
        ("[" * 9000, None, "is nested too deep"),
    ],
)
def test_what_is_not_plain_is_refused(
    text: str, place: tuple[int, int] | None, reason: str, file: Path
) -> None:
    found = read(file, text)
    assert found.data is None
    assert [f.reason for f in found.faults][:1] == [reason]
    assert (found.faults[0].line, found.faults[0].column) == (place or (None, None))


@pytest.mark.parametrize("name", ["some.yaml", "some.toml"])
def test_a_file_that_is_no_text_or_not_there_is_told_as_that(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    read_it = read_toml if name.endswith("toml") else read_yaml
    assert read_it(file).faults[0].reason == "cannot be read: No such file or directory"
    assert read_it(Path("\0")).faults[0].reason == "cannot be read: bad name"
    fault = read(file, "a = 1 # ä\nb = ".encode() + b"\xff").faults[0]
    assert (fault.line, fault.column, fault.reason) == (2, 5, "is not UTF-8")
    reason = read(file, b"#" * (MAX_BYTES + 1)).faults[0].reason
    assert reason == f"is larger than {MAX_BYTES} bytes"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: abc\n", []),
        ("many: [1]\n", ["1:1: name: is missing"]),
        ("name: abc\ncolour: red\n", ["2:1: colour: is not known here"]),
        ("name: abcdef\n", ["1:1: name: is too long: 5 are allowed"]),
        ("name: A\n", ["1:1: name: must be like ^[a-z]+$, not 'A'"]),
        ("name: [a]\n", ["1:1: name: must be text"]),
        ("name: a\nmany: []\n", ["2:1: many: is empty"]),
        ("name: a\nmany: x\n", ["2:1: many: must be a list, as [a, b]"]),
        ("name: a\nmany: [1, 2, 3, 4]\n", ["2:1: many: is too long: 3 are allowed"]),
        (
            "name: a\nmany: [x]\n",
            ["2:8: many.0: must be a valid integer, unable to parse string as an integer, not 'x'"],
        ),
        ("name: a\ninner: 3\n", ["2:1: inner: must be a table of `key: value` lines"]),
        ("- a\n", ["1:1: file: must be a table of `key: value` lines"]),
        (
            "name: 1\ninner: {x: y}\n",
            [
                "1:1: name: must be text",
                "2:9: inner.x: must be a valid number, unable to parse string as a number, not 'y'",
            ],
        ),
    ],
)
def test_what_a_model_refuses_is_told_in_words_and_place(
    text: str, told: list[str], file: Path
) -> None:
    model, faults = read(file, text).model(Small)
    assert [str(f).removeprefix(f"{file}:") for f in faults] == told
    assert (model is None) == bool(told)


def test_a_document_with_faults_is_no_model(file: Path) -> None:
    document = read(file, "a: *b")
    assert document.model(Small) == (None, document.faults)


def test_toml_has_places_too(tmp_path: Path) -> None:
    text = '# a\nx = 1\n[plans.office]\n  title = "a"\n"two words" = 2\n'
    found = read(tmp_path / "some.toml", f"{text}[[days]]\nd = 1\n[[days]]\nd = 2\n")
    assert found.data["days"] == [{"d": 1}, {"d": 2}]
    assert found.place(["x"]) == (2, 1)
    assert found.place(["plans", "office", "title"]) == (4, 3)
    assert found.place(["plans", "office", "two words"]) == (5, 1)
    assert found.place(["days", 1, "d"]) == (9, 1)
    assert found.place(["days", 1, "other"]) == (8, 1)
    assert found.place(["nowhere"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a = \n", (1, 5), "is no TOML: Invalid value"),
        ("a = 1\na = 2\n", (2, 6), "is no TOML: Cannot overwrite a value"),
        ('[t]\na = ["\\u0007"]\n', (2, 1), "holds a control or invisible character"),
        ('[t]\n"\\u200b" = 1\n', (1, 1), "holds a control or invisible character"),
        ("a = " + "[" * 9000, (None, None), "is no TOML: nested too deep"),
    ],
)
def test_toml_that_is_none_is_told_with_its_place(
    text: str, place: tuple[int | None, int | None], reason: str, tmp_path: Path
) -> None:
    (fault,) = read(tmp_path / "some.toml", text).faults
    assert ((fault.line, fault.column), fault.reason) == (place, reason)


VISIBLE = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp"], max_codepoint=0xFFFF), max_size=9
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | VISIBLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(VISIBLE, inner),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.dictionaries(VISIBLE, JSON, min_size=1))
def test_json_is_yaml_and_means_the_same(data: dict[str, Any], file: Path) -> None:
    found = read(file, json.dumps(data, ensure_ascii=True))
    assert found.faults == []
    assert found.data == data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=300))
def test_no_bytes_break_a_reader(content: bytes, tmp_path: Path) -> None:
    for name in ("some.yaml", "some.toml"):
        found = read(tmp_path / name, content)
        assert (found.data is None) >= bool(found.faults)
