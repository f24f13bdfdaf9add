"""Published versions: whole, shared, one of them current, whatever dies at whatever moment."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from dialplans import history, store
from dialplans.history import LIVE, Entry, Event
from dialplans.store import sounds
from dialplans.versions import Versions
from schemas.errors import Conflict, Fault, Faulty, Forbidden, NotFound

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLED_PUBLISHERS", "12"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a small folder of an admin's."""
    folder = tmp_path / "baoji"
    (folder / "flows").mkdir(parents=True)
    (folder / "audio").mkdir()
    (folder / "hotlines.csv").write_text("number\n12345\n")
    (folder / "flows" / "main.yaml").write_text("steps: {}\n")
    (folder / "audio" / "greeting.wav").write_bytes(b"RIFF" * 1000)
    return folder


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    ticks = iter(range(1000, 100_000))
    return Versions(tmp_path / "state", keep=3, clock=lambda: float(next(ticks)))


def change(source: Path, text: str) -> None:
    (source / "hotlines.csv").write_text(f"number\n{text}\n")


def publish(versions: Versions, source: Path, text: str, who: str = "ada") -> int:
    change(source, text)
    return versions.publish(source, who=who, why=f"now {text}").version


# ---- publishing


def test_the_first_version_is_a_whole_copy_and_says_who_and_why(
    versions: Versions, source: Path
) -> None:
    made = versions.publish(source, who="ada", why="first", watch=10)
    assert (made.version, made.parent, versions.current()) == (1, None, 1)
    assert versions.get(1) == made
    folder = versions.folder(1)
    assert (folder / "flows" / "main.yaml").read_text() == "steps: {}\n"
    told = json.loads((folder / "version.json").read_text())
    assert (told["who"], told["why"], told["watch"]) == ("ada", "first", 10)
    assert set(told["files"]) == {"hotlines.csv", "flows/main.yaml", "audio/greeting.wav"}
    assert versions.damage(1) == []
    assert not versions.differs(source)
    change(source, "12336")
    assert versions.differs(source)


def test_what_is_the_same_is_kept_once(versions: Versions, source: Path) -> None:
    for n in range(3):
        publish(versions, source, str(n))
    sound = [versions.folder(n) / "audio" / "greeting.wav" for n in (1, 2, 3)]
    assert len({path.stat().st_ino for path in sound}) == 1
    assert sound[0].stat().st_mode & 0o222 == 0


def test_leftovers_of_editors_and_hidden_files_are_left_out(
    versions: Versions, source: Path
) -> None:
    for name in (".git/HEAD", "flows/.main.yaml.swp", "hotlines.csv~", "__pycache__/x.pyc"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("x")
    os.mkfifo(source / "pipe")  # opening it would wait for ever
    files = versions.publish(source, who="ada", why="first").files
    assert set(files) == {"hotlines.csv", "flows/main.yaml", "audio/greeting.wav"}


def test_an_unchanged_folder_publishes_nothing(versions: Versions, source: Path) -> None:
    publish(versions, source, "1")
    before = versions.history()
    assert publish(versions, source, "1") == 1
    assert versions.history() == before
    assert versions.publish(source, who="ada", why="damaged", anew=True).version == 2


def test_a_folder_with_faults_changes_nothing_and_they_name_the_author_s_files(
    versions: Versions, source: Path
) -> None:
    publish(versions, source, "1")
    change(source, "2")

    def check(folder: Path) -> Iterable[Fault]:
        assert folder != source
        return [Fault(str(folder / "hotlines.csv"), 2, "number", "is short")]

    def raises(folder: Path) -> Iterable[Fault]:
        raise Faulty(check(folder))

    for finder in (check, raises):
        with pytest.raises(Faulty) as refused:
            versions.publish(source, who="ada", why="bad", check=finder)
        assert [f.file for f in refused.value.faults] == [str(source / "hotlines.csv")]
    assert versions.numbers() == [1]
    assert len(versions.history()) == 1
    assert [p.name for p in (versions.home / "versions").iterdir()] == ["0001"]


def test_a_folder_that_is_not_there_is_a_fault(versions: Versions, source: Path) -> None:
    with pytest.raises(Faulty, match="is not there"):
        versions.publish(source / "nowhere", who="ada", why="first")


def test_far_too_much_is_refused_before_it_fills_the_disk(
    versions: Versions, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 1000)
    with pytest.raises(Faulty, match="is it the right folder"):
        versions.publish(source, who="ada", why="first")


def test_what_was_checked_is_what_goes_live(versions: Versions, source: Path) -> None:
    def edit_meanwhile(folder: Path) -> Iterable[Fault]:
        change(source, "edited while it was checked")
        return ()

    change(source, "checked")
    versions.publish(source, who="ada", why="first", check=edit_meanwhile)
    assert (versions.folder(1) / "hotlines.csv").read_text() == "number\nchecked\n"


def test_publishers_queue_up(versions: Versions, source: Path, tmp_path: Path) -> None:
    publish(versions, source, "0")

    def one(n: int) -> None:
        own = tmp_path / f"own-{n}"
        own.mkdir()
        (own / "hotlines.csv").write_text(f"{n}\n")
        versions.publish(own, who=f"p{n}", why="at once")

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [e for e in versions.history() if e.event is Event.PUBLISHED]
    assert [e.version for e in told] == list(range(1, 10))
    assert [e.left for e in told] == [None, *range(1, 9)]
    assert versions.current() == 9


def test_the_first_start_of_two_parts_makes_one_version(versions: Versions, source: Path) -> None:
    for _ in range(2):
        made = versions.publish(source, who="system", why="first", only_first=True, anew=True)
    assert made.version == 1


# ---- going back


def test_a_rollback_leads_to_the_version_before_and_the_history_tells_it(
    versions: Versions, source: Path
) -> None:
    for text in ("1", "2", "3"):
        publish(versions, source, text)
    assert versions.roll_back(who="bo", why="worse") == 2
    assert versions.roll_back(who="bo", why="still") == 1
    with pytest.raises(Conflict, match="nothing to go back to"):
        versions.roll_back(who="bo", why="again")
    assert versions.roll_back(3, who="bo", why="it was good") == 3
    last = versions.history()[-1]
    assert (last.event, last.version, last.left, last.who) == (Event.ROLLED_BACK, 3, 1, "bo")
    assert publish(versions, source, "4") == 4
    assert versions.get(4).parent == 3
    assert versions.states() == {1: "rolled_back", 2: "rolled_back", 3: "retired", 4: "live"}


def test_going_back_to_what_is_live_or_never_was_is_refused(
    versions: Versions, source: Path
) -> None:
    publish(versions, source, "1")
    publish(versions, source, "2")
    with pytest.raises(Conflict, match="is live now"):
        versions.roll_back(2, who="bo", why="x")
    with pytest.raises(NotFound):
        versions.roll_back(7, who="bo", why="x")
    change(source, "3")
    staged = versions.publish(source, who="ada", why="x", staged=True)
    with pytest.raises(Conflict, match="never was live"):
        versions.roll_back(staged.version, who="bo", why="round the second person")


def test_the_watch_takes_back_only_what_it_watched(versions: Versions, source: Path) -> None:
    for text in ("1", "2", "3"):
        publish(versions, source, text)
    assert versions.roll_back(1, who="watch", why="harm", left=2) is None
    assert versions.current() == 3
    assert versions.roll_back(2, who="watch", why="harm", left=3) == 2


def test_a_version_that_was_refused_says_so(versions: Versions, source: Path) -> None:
    publish(versions, source, "1")
    publish(versions, source, "2")
    versions.roll_back(1, who="system", why="Asterisk", left=2, refused=True)
    assert versions.states() == {1: "live", 2: "refused"}
    assert [e.event for e in versions.history()][-2:] == [Event.REFUSED, Event.ROLLED_BACK]


# ---- two persons


def test_a_staged_version_goes_live_when_somebody_else_approves(
    versions: Versions, source: Path
) -> None:
    publish(versions, source, "1")
    change(source, "2")
    made = versions.publish(source, who="ada", why="x", staged=True)
    assert (versions.current(), versions.states()[made.version]) == (1, "staged")
    with pytest.raises(Forbidden):
        versions.approve(made.version, who="ada")
    assert versions.approve(made.version, who="bo").approved_by == "bo"
    assert versions.get(made.version).approved_by == "bo"
    assert versions.current() == made.version
    with pytest.raises(Conflict, match="does not wait"):
        versions.approve(made.version, who="bo")
    with pytest.raises(NotFound):
        versions.approve(99, who="bo")


def test_an_approval_that_would_undo_a_later_change_is_refused(
    versions: Versions, source: Path
) -> None:
    publish(versions, source, "1")
    change(source, "2")
    staged = versions.publish(source, who="ada", why="x", staged=True)
    publish(versions, source, "urgent")
    with pytest.raises(Conflict, match="publish anew"):
        versions.approve(staged.version, who="bo")


# ---- what is kept


def test_old_versions_go_but_never_those_that_are_needed(versions: Versions, source: Path) -> None:
    for n in range(1, 9):
        publish(versions, source, str(n))
    versions.set_applied(7, asterisk=True)
    versions.roll_back(7, who="bo", why="x")
    for n in range(9, 20):
        change(source, str(n))
        versions.publish(source, who="ada", why="x", staged=True)
    kept = versions.numbers()
    assert set(kept) == {6, 7, 17, 18, 19}  # current, what is left before it, the newest three
    held = {path.stat().st_ino for n in kept for path in versions.folder(n).rglob("*.csv")}
    blobs = {blob.stat().st_ino for blob in (versions.home / "store").iterdir()}
    assert held <= blobs
    assert len(blobs) == 5 + 2  # and the sound and the flow of all
    assert versions.roll_back(who="bo", why="still possible") == 6
    with pytest.raises(NotFound, match="no longer"):
        versions.roll_back(who="bo", why="too far")


def test_a_version_that_was_edited_is_found(versions: Versions, source: Path) -> None:
    publish(versions, source, "1")
    edited = versions.folder(1) / "hotlines.csv"
    edited.chmod(0o644)
    edited.write_text("edited")
    (versions.folder(1) / "new.txt").write_text("added")
    assert {Path(f.file).name for f in versions.damage(1)} == {"hotlines.csv", "new.txt"}
    # and it does not spread: the same content is written anew
    assert versions.publish(source, who="ada", why="x", anew=True).version == 2
    assert versions.damage(2) == []
    (versions.folder(1) / "version.json").write_text("{")
    with pytest.raises(Faulty):
        versions.get(1)


def test_a_file_system_without_hard_links_gets_copies(
    versions: Versions, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_link)
    publish(versions, source, "1")
    assert versions.damage(1) == []


def test_sounds_are_named_by_what_is_heard() -> None:
    files = {
        "audio/greeting.wav": "a", "audio/greeting.wav16": "b", "audio/bye.wav": "a",
        "audio/manifest.tsv": "c", "recorded/greeting.wav": "d", "hotlines.csv": "e",
    }  # fmt: skip
    named = sounds(files)
    assert set(named) == {"greeting", "bye"}
    assert named["greeting"].startswith("hotline/greeting-")
    assert len(named["greeting"].removeprefix("hotline/greeting-")) == 10
    assert sounds({**files, "hotlines.csv": "f"}) == named
    changed = sounds({**files, "audio/greeting.wav16": "x"})
    assert changed["greeting"] != named["greeting"]
    assert changed["bye"] == named["bye"]


# ---- the history


def test_a_torn_last_line_is_read_over_and_mended(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    entry = Entry(at=1.0, event=Event.PUBLISHED, version=1, who="王", why="改号")
    history.append(file, entry)
    with file.open("ab") as torn:
        torn.write(b'{"at": 2.0, "event": "publ')
    assert history.read(file) == [entry]
    second = Entry(at=3.0, event=Event.APPLIED, version=1, who="system", why="")
    history.append(file, second)
    assert history.read(file) == [entry, second]
    assert history.read(tmp_path / "none") == []


# ---- kill -9


def whole(versions: Versions) -> None:
    """Assert what must hold after any death, before and after somebody has cleared up."""
    current = versions.current()
    assert current is not None
    for number in versions.numbers():
        assert versions.damage(number) == []


def test_a_publisher_killed_at_any_moment_leaves_the_old_or_the_new_version_whole(
    tmp_path: Path, source: Path
) -> None:
    versions = Versions(tmp_path / "state", keep=5)
    chance = random.Random(12345)
    for n in range(30):
        (source / "audio" / f"p{n}.wav").write_bytes(os.urandom(200_000))
    publish(versions, source, "first")
    began = time.monotonic()
    _publish_elsewhere(versions, source, "whole", kill_after=None)
    length = time.monotonic() - began
    killed = 0
    for n in range(KILLS):
        (source / "audio" / f"p{n % 30}.wav").write_bytes(os.urandom(200_000))
        before = versions.current()
        after = chance.uniform(0.2, 1.0) * length
        killed += _publish_elsewhere(versions, source, str(n), kill_after=after)
        whole(versions)
        assert versions.current() in (before, *range((before or 0) + 1, (before or 0) + 2))
    assert killed, "none was killed in time"
    last = publish(versions, source, "after all")
    assert versions.current() == last
    whole(versions)
    left = {p.name for p in versions.home.iterdir()}
    assert left <= {
        "lock", "versions", "store", "current", "history.jsonl",
    }, left  # fmt: skip
    assert all(p.name.isdigit() for p in (versions.home / "versions").iterdir())
    # the history tells every version that ever was current, in order, once
    live = [e.version for e in versions.history() if e.event in LIVE]
    assert live == sorted(set(live))
    assert [e.left for e in versions.history()][1:] == live[:-1]


def _publish_elsewhere(
    versions: Versions, source: Path, text: str, *, kill_after: float | None
) -> bool:
    """Publish in a process of its own; tell whether it was killed before it ended."""
    change(source, text)
    script = Path(__file__).with_name("publisher.py")
    process = subprocess.Popen(
        [sys.executable, script, versions.home, source],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        process.wait(kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    assert process.returncode == 0
    return False


@pytest.mark.parametrize("step", range(1, 40))
def test_death_at_each_step_of_a_publish(
    step: int, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Die at the *step*-th change of the disk: nothing after it is done."""

    class Died(BaseException):
        pass

    versions = Versions(tmp_path / "state", keep=2)
    for n in range(4):
        publish(versions, source, str(n))
    steps = 0

    def dying(name: str) -> None:
        real = getattr(os, name)

        def act(*args: object, **more: object) -> object:
            nonlocal steps
            steps += 1
            if steps >= step:
                raise Died
            return real(*args, **more)

        monkeypatch.setattr(os, name, act)

    for name in ("rename", "replace", "link", "symlink", "fsync", "unlink", "write", "mkdir"):
        dying(name)
    change(source, "new")
    died = False
    try:
        versions.publish(source, who="ada", why="dies")
    except Died:
        died = True
    monkeypatch.undo()
    whole(versions)
    assert versions.current() in (4, 5)
    assert versions.current() == 5 or died
    content = (versions.folder(versions.current() or 0) / "hotlines.csv").read_text()
    assert content == ("number\nnew\n" if versions.current() == 5 else "number\n3\n")
    after = publish(versions, source, "later")
    assert versions.current() == after
    live = [e.version for e in versions.history() if e.event in LIVE]
    assert live == sorted(set(live))
    assert [e.left for e in versions.history()][1:] == live[:-1]
