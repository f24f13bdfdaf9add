"""The command line as a person meets it who types wrong things."""

import json
import os
import pwd
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotline import cli, example
from hotline.config import NOT_SETTINGS, Config, load

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

BROKEN_REGISTER = """\
line_no,hotline_name,number,owner_unit,unit,integration,notice,flow,seat,seat_seconds,onward,review,note
one,市长公开电话,12345,市政府办公室,zhengfuban,整合,greeting,main,,,,,
2,,12319,市城管执法局,chengguan,整合,notice-12336,integrated,,,,,
3,国土资源热线,12e36,市国土局,guotu,整合,notice-12336,integrated,,,,,
4,文化热线,12318,市文广局,Wen Guang,整合,notice-12318,integrated,,,,,
5,卫生热线,12320,市卫生局,weisheng,合并,notice-12320,integrated,,,,,
6,农业热线,12316,市农业局,nongye,整合,no-such-prompt,integrated,,,,,
7,商务热线,12312,市商务局,shangwu,整合,notice-12312,dual_run,,,,,
8,环保举报热线,12369,市环保局,huanbao,双轨运行,dual-12369,dual_run,,10,,2027-06-30,
9,消费热线,12315,市工商局,gongshang,双轨运行,dual-12315,dual_run,812315,900,,2027-06-30,
10,司法热线,12348,市司法局,sifa,双轨运行,dual-12348,dual_run,812348,10,,2027-02-30,
11,供电服务热线,95598,宝鸡供电局,gongdian,暂不整合,onward-95598,not_integrated,,,,,
12,农业热线,12316,市农业局,nongye,整合,notice-12316,integrated,,,,,
13,税务热线,12366,市国税局,guoshui,暂不整合,onward-12366,not_integrated,,,12319,,
14,质检热线,12365,市质监局,nongye,双轨运行,dual-12365,dual_run,12319,10,,2027-06-30,
"""
FAULTS = {
    (2, "line_no"), (3, "hotline_name"), (4, "number"), (5, "unit"), (6, "integration"),
    (7, "notice"), (8, "flow"), (9, "seat"), (10, "seat_seconds"), (11, "review"), (12, "onward"),
    (13, "number"), (14, "onward"), (15, "unit"), (15, "seat"),
}  # fmt: skip

BROKEN_SETTINGS = """\
[site]
node = "Node One"
[asterisk]
sip_port = 70000
record = "perhaps"
[trunk]
peers = ["300.1.1.1"]
[agi]
first_word = 60
[logging]
level = "LOUD"
[weather]
rain = true
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """Its output as a program reads it."""
        return json.loads(self.out)


Type = Callable[..., Said]


@pytest.fixture
def type_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """Return what types `hotline …` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")  # narrow: no sentence may be broken by it

    def _type(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["hotline", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(int(left.value.code or 0), said.out, said.err)

    return _type


# ---- what people wrote


def test_an_unknown_command_is_named_and_help_offered(type_in: Type) -> None:
    said = type_in("answer")
    assert said.code == 2
    assert "No such command 'answer'" in said.err
    assert "hotline -h" in said.err


def test_no_command_at_all_shows_the_commands(type_in: Type) -> None:
    said = type_in()
    assert "numbers" in said.out + said.err


def test_a_broken_register_tells_every_fault_at_once_and_changes_nothing(
    type_in: Type, tmp_path: Path
) -> None:
    file = tmp_path / "broken.csv"
    file.write_text(BROKEN_REGISTER, "utf-8")
    said = type_in("numbers", "check", str(file))
    assert said.code == 2
    *faults, last = said.err.splitlines()
    places = [re.fullmatch(r"(.*?):(\d+): (\w+): .+", line) for line in faults]
    assert {(int(p[2]), p[3]) for p in places if p} >= FAULTS
    assert all(p and p[1] == str(file) for p in places), said.err
    assert last == f"{len(faults)} faults; nothing was changed"
    assert [path.name for path in tmp_path.iterdir()] == ["broken.csv"]


def test_a_broken_register_is_told_to_programs_as_json(type_in: Type, tmp_path: Path) -> None:
    file = tmp_path / "broken.csv"
    file.write_text(BROKEN_REGISTER, "utf-8")
    said = type_in("numbers", "check", str(file), "--json")
    assert said.code == 2
    assert isinstance(said.json, dict)
    assert said.json["error"] == "faulty"
    listed = said.json["details"]["faults"]
    assert {(fault["line"], fault["key"]) for fault in listed} >= FAULTS


def test_a_register_that_is_not_there_is_one_fault(type_in: Type) -> None:
    said = type_in("numbers", "check", "nowhere.csv")
    assert (said.code, said.err.splitlines()[-1]) == (2, "1 fault; nothing was changed")
    assert "nowhere.csv" in said.err


@pytest.mark.parametrize("command", ["up", "serve", "status", "doctor", "config check"])
def test_broken_settings_stop_every_command_with_every_fault(
    type_in: Type, tmp_path: Path, command: str
) -> None:
    (tmp_path / "hotline.toml").write_text(BROKEN_SETTINGS)
    said = type_in(*command.split())
    assert said.code == 2
    for place in ("2: site.node", "4: asterisk.sip_port", "5: asterisk.record", "7: trunk.peers.0",
                  "9: agi.first_word", "11: logging.level", "12: weather"):  # fmt: skip
        assert f"hotline.toml:{place}: " in said.err
    assert said.err.splitlines()[-1] == "7 faults; nothing was changed"
    assert [path.name for path in tmp_path.iterdir()] == ["hotline.toml"]


def test_a_misspelt_settings_file_does_not_mean_every_default(type_in: Type) -> None:
    said = type_in("--config", "hotlime.toml", "config", "check")
    assert (said.code, said.err.splitlines()[0]) == (2, "hotlime.toml: file: is not there")


def test_a_person_with_many_faults_hears_of_all_of_them(type_in: Type, tmp_path: Path) -> None:
    said = type_in("user", "add", "Zhang San", "--name", " ", "--role", "boss", "--extension", "1",
                   "--skills", "huanbao,taxes,x", "--phone", "fax")  # fmt: skip
    assert said.code == 2
    keys = [line.split(": ")[1] for line in said.err.splitlines()[:-1]]
    assert sorted(keys) == ["extension", "login", "name", "phone", "role", "skills"]
    assert "'taxes', 'x'; units are" in said.err
    assert "(given: 'boss')" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--role", "agent"], "an agent needs an extension"),
        (["--role", "reader"], "reader is a role of machines: make a token"),
        (["--role", "inspector", "--extension", "8001"], "opens no desk and needs no extension"),
    ],
)
def test_a_person_whose_role_and_extension_do_not_fit_is_refused(
    type_in: Type, words: list[str], reason: str
) -> None:
    said = type_in("user", "add", "zhang", "--name", "张三", *words)
    assert said.code == 2
    assert reason in said.err


def test_a_login_or_extension_that_is_taken_is_one_sentence(type_in: Type) -> None:
    add = ("user", "add", "zhang", "--name", "张三", "--extension", "8101")
    assert type_in(*add).code == 0
    said = type_in(*add)
    assert (said.code, said.err) == (1, "this login is taken\n")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--role", "nonsense"], "role: must be one of admin, agent, reader, supervisor"),
        (["--role", "agent", "--agent", "eight"], "an extension has 3 to 6 digits"),
        (["--role", "reader", "--label", "a\nb"], "a label has at most 80 visible characters"),
    ],
)
def test_a_token_that_cannot_be_is_refused(type_in: Type, words: list[str], fault: str) -> None:
    said = type_in("token", "create", *words)
    assert (said.code, said.out) == (2, "")
    assert fault in said.err


def test_a_number_that_no_telephone_dials_is_not_probed(type_in: Type) -> None:
    for number in ("help", "12345\r\nAction: Logoff", "1" * 24, "１２３４５"):
        said = type_in("probe", number)
        assert said.code == 2
        assert "NUMBER: must be 1 to 23 digits" in said.err


# ---- what is not there


@pytest.mark.parametrize("command", [["status"], ["demo"], ["demo", "--once"], ["probe", "12345"]])
def test_what_needs_the_service_says_so_in_one_sentence(type_in: Type, command: list[str]) -> None:
    said = type_in(*command)
    assert said.code == 1
    assert said.err == "the controller does not answer; `hotline up` starts it\n"
    assert said.out == ""


def test_stopping_what_does_not_run_is_no_fault(type_in: Type) -> None:
    said = type_in("down")
    assert (said.code, said.out) == (0, "nothing is running\n")


def test_status_of_nothing_is_json_when_json_was_asked_for(type_in: Type) -> None:
    said = type_in("status", "--json")
    assert said.code == 1
    assert isinstance(said.json, dict)
    assert said.json["error"] == "unavailable"


def test_nobody_has_no_new_password(type_in: Type) -> None:
    said = type_in("user", "passwd", "nobody")
    assert (said.code, said.err) == (1, "no such user\n")


def test_a_state_folder_that_cannot_be_made_is_one_sentence(type_in: Type, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "hotline.toml").write_text('[site]\nstate = "file/state"\n')
    said = type_in("db", "upgrade")
    assert (said.code, said.err) == (1, "Not a directory: file/state\n")


def test_a_database_that_cannot_be_had_is_one_sentence_without_its_password(
    type_in: Type, tmp_path: Path
) -> None:
    url = "postgresql+asyncpg://u:hush@127.0.0.1:1/x"
    (tmp_path / "hotline.toml").write_text(f'[database]\nurl = "{url}"\n')
    said = type_in("db", "upgrade")
    assert said.code == 1
    assert len(said.err.splitlines()) == 1
    assert "database" in said.err
    assert "hush" not in said.err + type_in("config", "check").out


def test_a_database_url_that_is_none_is_a_fault_of_the_settings(
    type_in: Type, tmp_path: Path
) -> None:
    url = "postgresql+asyncpg://u:hush@host:port/x"
    (tmp_path / "hotline.toml").write_text(f'[database]\nurl = "{url}"\n')
    said = type_in("db", "upgrade")
    assert said.code == 2
    assert "hotline.toml:2: database.url: cannot be read as a URL" in said.err
    assert "hush" not in said.err


def test_an_exchange_that_is_not_installed_says_what_to_do(
    type_in: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTLINE_ASTERISK", str(tmp_path / "none"))
    for command in (["render"], ["run"], ["console", "core show version"]):
        said = type_in("asterisk", *command)
        assert (said.code, len(said.err.splitlines())) == (1, 1)
        assert "HOTLINE_ASTERISK" in said.err


def test_parts_that_run_alone_need_ports_that_everybody_knows(
    type_in: Type, tmp_path: Path
) -> None:
    (tmp_path / "hotline.toml").write_text("[ami]\nport = 0\n[asterisk]\nsip_port = 0\n")
    said = type_in("asterisk", "render")
    assert said.code == 2
    assert "ami.port: is 0" in said.err
    assert "asterisk.sip_port: is 0" in said.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder another account's")
def test_root_is_kept_from_the_state_of_a_service_that_has_its_own_account(
    type_in: Type, tmp_path: Path
) -> None:
    state = tmp_path / ".local"
    state.mkdir()
    account = pwd.getpwnam("daemon")
    os.chown(state, account.pw_uid, account.pw_gid)
    said = type_in("user", "list")
    assert (said.code, list(state.iterdir())) == (1, [])
    assert said.err == ".local is the service's: type `sudo -u daemon hotline …`\n"


# ---- what is right


def test_reports_are_json_when_json_was_asked_for(type_in: Type) -> None:
    assert type_in("numbers", "check", "--json").json == {
        "numbers": 52,
        "lines": 47,
        "by_class": {"integrated": 23, "dual_run": 22, "not_integrated": 7},
    }
    assert isinstance(type_in("prompts", "check", "--json").json, list)
    assert isinstance(type_in("doctor", "--json").json, list)
    assert isinstance(type_in("config", "check", "--json").json, dict)
    added = type_in("user", "add", "li", "--name", "李四", "--extension", "8102", "--json").json
    assert isinstance(added, dict)
    assert len(added["password"]) >= 12
    people = type_in("user", "list", "--json").json
    assert isinstance(people, list)
    assert [person["login"] for person in people] == ["li"]
    assert "password" not in people[0]


def test_a_token_stands_alone_on_the_last_line_and_is_kept_nowhere(
    type_in: Type, tmp_path: Path
) -> None:
    for role in ("reader", "agent", "admin"):
        said = type_in("token", "create", "--role", role)
        assert said.code == 0
        token = said.out.splitlines()[-1]
        assert re.fullmatch(r"hl_[\w-]{43}", token)
    rows = sqlite3.connect(tmp_path / ".local" / "hotline.db")
    assert rows.execute("SELECT count(*) FROM tokens").fetchone() == (3,)
    rows.close()
    assert token.encode() not in b"".join(p.read_bytes() for p in tmp_path.rglob("*.db*"))


def test_a_new_password_is_printed_once_and_is_another_one(type_in: Type) -> None:
    added = type_in("user", "add", "li", "--name", "李四", "--extension", "8102", "--json").json
    assert isinstance(added, dict)
    said = type_in("user", "passwd", "li")
    assert said.code == 0
    assert said.out.strip() != added["password"]


def test_the_command_can_be_run_as_a_module_and_tells_its_version(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "hotline.cli", "--version"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert re.fullmatch(r"hotline \d+\.\d+\.\d+\n", said.stdout)


# ---- files that must not go stale


def test_the_example_of_the_settings_is_as_the_settings_are() -> None:
    file = ROOT / "hotline.toml.example"
    assert file.read_text("utf-8") == example.text(), (
        "stale: hotline config example > hotline.toml.example"
    )


def test_the_example_names_every_setting_and_every_default_is_true(tmp_path: Path) -> None:
    text = example.text()
    assert tomllib.loads(text) == {name: {} for name in Config.model_fields}
    lines = [re.sub(r"^#(?=\w+ = )", "", line) for line in text.splitlines()]
    everything = tomllib.loads("\n".join(lines))
    assert {name: set(keys) for name, keys in everything.items()} == {
        name: set(type(getattr(Config(), name)).model_fields) for name in Config.model_fields
    }
    file = tmp_path / "hotline.toml"
    file.write_text("\n".join(line for line in lines if not line.endswith("# not set")), "utf-8")
    assert load(file, {}) == Config()


def test_every_variable_that_we_read_is_no_misspelt_setting() -> None:
    sources = [p for room in ("hotline", "bench", "tests") for p in (ROOT / room).rglob("*.py")]
    read = {
        name
        for path in sources
        for name in re.findall(r'environ(?:\.get\(|\[)"(HOTLINE_\w+)"', path.read_text("utf-8"))
    }
    assert "HOTLINE_ASTERISK" in read
    assert read <= NOT_SETTINGS


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_lists_every_command_and_no_other(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    cells = re.findall(r"^\| (`hotline .*?) \|", text, re.MULTILINE)
    listed = {words for cell in cells for words in re.findall(r"`hotline ([a-z -]*[a-z])", cell)}
    commands = {
        f"{group.name} {command.name}"
        for group in cli.app.registered_groups
        for command in (group.typer_instance or cli.app).registered_commands
    }
    plain = {
        command.name or command.callback.__name__
        for command in cli.app.registered_commands
        if command.callback
    }
    assert listed == commands | plain


def test_the_settings_for_production_are_settings() -> None:
    found = load(ROOT / "deploy" / "hotline.toml", {})
    assert found.site.state.is_absolute()
