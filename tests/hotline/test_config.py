"""Settings: every fault at once, with its place; the environment wins."""

from pathlib import Path

import pytest

from hotline import config
from schemas.errors import Faulty

pytestmark = pytest.mark.unit

BROKEN = """\
[site]
node = "Node One"
colour = "red"

[asterisk]
sip_port = 70000
rtp_start = 10000
rtp_end = "many"
record = "perhaps"

[trunk]
peers = ["300.1.1.1"]
host = "sip:carrier"

[ami]
ping_every = 0

[agi]
first_word = 60

[database]
url = "mysql://root@localhost/x"

[calls]
ring = 2
wrap_up = -1

[logging]
level = "LOUD"

[weather]
rain = true
"""


def test_a_broken_file_tells_every_fault_at_once_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(BROKEN)
    with pytest.raises(Faulty) as caught:
        config.load(file, {})
    found = {(fault.key, fault.line) for fault in caught.value.faults}
    assert found == {
        ("site.node", 2),
        ("site.colour", 3),
        ("asterisk.sip_port", 6),
        ("asterisk.rtp_end", 8),
        ("asterisk.record", 9),
        ("trunk.peers.0", 12),
        ("trunk.host", 13),
        ("ami.ping_every", 16),
        ("agi.first_word", 19),
        ("database.url", 22),
        ("calls.ring", 25),
        ("calls.wrap_up", 26),
        ("logging.level", 29),
        ("weather", 31),
    }
    assert all(fault.file == str(file) for fault in caught.value.faults)


def test_no_file_is_every_default(tmp_path: Path) -> None:
    found = config.load(tmp_path / "none.toml", {})
    assert found.asterisk.sip_port == 5060
    assert (found.asterisk.rtp_start, found.asterisk.rtp_end) == (10000, 10200)
    assert (found.web.port, found.agi.port, found.ami.port) == (8080, 4573, 5038)
    assert str(found.web.host) == "127.0.0.1"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text('[web]\nport = 9000\n[trunk]\npeers = ["10.0.0.1"]\n')
    env = {"HOTLINE_WEB__PORT": "9001", "HOTLINE_TRUNK__PEERS": "10.0.0.2,10.1.0.0/16"}
    found = config.load(file, env)
    assert found.web.port == 9001
    assert [str(peer) for peer in found.trunk.peers] == ["10.0.0.2/32", "10.1.0.0/16"]


def test_a_bad_variable_is_named_as_the_variable_it_is(tmp_path: Path) -> None:
    env = {"HOTLINE_WEB__PORT": "eighty", "HOTLINE_WEB__COLOUR": "red", "HOTLINE_NONSENSE": "1"}
    with pytest.raises(Faulty) as caught:
        config.load(tmp_path / "none.toml", env)
    assert {(f.file, f.key) for f in caught.value.faults} == {
        ("environment", "HOTLINE_WEB__PORT"),
        ("environment", "HOTLINE_WEB__COLOUR"),
        ("environment", "HOTLINE_NONSENSE"),
    }


def test_variables_that_are_no_settings_are_let_be(tmp_path: Path) -> None:
    env = {"HOTLINE_ASTERISK": "/opt/asterisk", "HOTLINE_CONFIG": "x", "PATH": "/bin"}
    assert config.load(tmp_path / "none.toml", env).asterisk.program is None


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text("[web]\nport = = 1\n")
    with pytest.raises(Faulty) as caught:
        config.load(file, {})
    assert [(f.line, f.key) for f in caught.value.faults] == [(2, "toml")]


def test_a_section_that_is_no_table_and_a_binary_file_are_faults_not_crashes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text("web = 5\n")
    with pytest.raises(Faulty) as caught:
        config.load(file, {"HOTLINE_WEB__PORT": "1"})
    assert caught.value.faults[0].key == "web"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Faulty):
        config.load(file, {})


def test_two_parts_cannot_have_one_port_and_a_call_needs_rtp(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text("[web]\nport = 5038\n[asterisk]\nrtp_start = 10000\nrtp_end = 10001\n")
    with pytest.raises(Faulty) as caught:
        config.load(file, {})
    assert [(f.key, f.line) for f in caught.value.faults] == [
        ("web.port", 2),
        ("asterisk.rtp_end", 5),
    ]


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = config.secret(tmp_path / "state", "ami")
    other = config.secret(tmp_path / "state", "city")
    assert len(first) >= 24
    assert first != other
    assert config.secret(tmp_path / "state", "ami") == first
    assert (tmp_path / "state" / "secrets.toml").stat().st_mode & 0o777 == 0o600
