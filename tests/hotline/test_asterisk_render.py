"""What Asterisk reads, byte by byte, and that nothing can slip a line into it."""

import os
import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline import places
from hotline.asterisk.parts import MODULES
from hotline.asterisk.render import (
    AgentPhone,
    CarrierPhone,
    City,
    Directories,
    Secrets,
    ha1,
    most_calls,
    render,
    render_agents,
    render_city,
)
from schemas import config
from schemas.errors import Faulty
from schemas.numbers import Integration, Number, Register

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[1] / "golden" / "asterisk"
HOME = Directories(PurePosixPath("/srv/hotline/main"))
SECRETS = Secrets(ami="not-a-real-secret-1")
AGENTS = [AgentPhone(extension=e, ha1=ha1(e, f"pass-{e}")) for e in ("8002", "8001")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    site: config.Site = field(default_factory=config.Site)
    asterisk: config.Asterisk = field(default_factory=config.Asterisk)
    trunk: config.Trunk = field(default_factory=config.Trunk)
    ami: config.Ami = field(default_factory=config.Ami)
    agi: config.Agi = field(default_factory=config.Agi)
    speech: config.Speech = field(default_factory=config.Speech)
    calls: config.Calls = field(default_factory=config.Calls)


def number(digits: str, unit: str, integration: Integration, **more: object) -> Number:
    return Number(
        number=digits, line_no=1, hotline="热线", owner_unit="单位", unit=unit,
        integration=integration, notice="greeting", flow="main", **more,  # type: ignore[arg-type]
    )  # fmt: skip


REGISTER = Register(
    {
        n.number: n
        for n in (
            number("12345", "gov", Integration.INTEGRATED),
            number("12336", "land", Integration.INTEGRATED),
            number("12369", "env", Integration.DUAL_RUN, seat="3260001", seat_seconds=10),
            number("95598", "power", Integration.NOT_INTEGRATED, onward="95598"),
        )
    }
)


def rendered(settings: Setting | None = None, **more: object) -> dict[str, str]:
    usual: dict[str, object] = {"agents": AGENTS, "secrets": SECRETS, "directories": HOME}
    return render(settings or Setting(), REGISTER, **{**usual, **more})  # type: ignore[arg-type]


def compare(files: dict[str, str], folder: Path) -> None:
    """Compare with the golden files; HOTLINE_GOLDEN=write accepts what is rendered now."""
    if os.environ.get("HOTLINE_GOLDEN") == "write":
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    assert {p.name for p in folder.iterdir()} == set(files)
    for name, text in files.items():
        assert text == (folder / name).read_text(), name


def test_the_exchange_is_rendered_as_the_golden_files_show() -> None:
    compare(rendered(version=(22, 10, 1)), GOLDEN / "exchange")


def test_the_city_is_rendered_as_the_golden_files_show() -> None:
    city = City(
        hotline="127.0.0.1:5060",
        secret="not-a-real-secret-2",
        phones=(CarrierPhone(extension="8001", password="pass-8001"),),
    )
    compare(render_city(city, HOME), GOLDEN / "city")


def test_the_roster_alone_gives_the_same_files_as_everything() -> None:
    everything = rendered()
    alone = render_agents(Setting(), AGENTS)
    assert alone.items() <= everything.items()
    assert set(alone) == {"pjsip_agents.conf", "queues_agents.conf", "extensions_agents.conf"}


def test_no_password_of_an_agent_is_in_any_file() -> None:
    assert not any("pass-8001" in text for text in rendered().values())


def test_every_unit_and_every_owners_seat_has_a_queue() -> None:
    queues = re.findall(r"^\[([\w-]+)\]\(\w+,\w+\)", rendered()["queues.conf"], re.MULTILINE)
    assert queues == ["citizens", "unit-env", "unit-gov", "unit-land", "seat-12369"]


@pytest.mark.parametrize(
    ("version", "word"),
    [
        ((20, 6, 0), "yes"),
        ((20, 19, 0), "prio"),
        ((22, 8), "yes"),
        ((22, 9), "prio"),
        ((23,), "prio"),
    ],
)
def test_fairness_across_queues_speaks_the_words_of_the_version(
    version: tuple[int, ...], word: str
) -> None:
    assert f"force_longest_waiting_caller = {word}\n" in rendered(version=version)["queues.conf"]


def test_only_modules_that_are_there_are_loaded() -> None:
    text = rendered(available={"res_pjsip", "app_queue"})["modules.conf"]
    assert re.findall(r"^load => (.*)", text, re.MULTILINE) == ["res_pjsip.so", "app_queue.so"]


def test_speech_is_loaded_before_what_needs_it() -> None:
    assert MODULES.index("res_speech") < MODULES.index("res_agi")


def test_the_trunk_takes_digits_only_and_no_wildcard() -> None:
    text = rendered()["extensions.conf"]
    door = text[text.index("[from-trunk]") : text.index("[hotline-caller]")]
    patterns = re.findall(r"^exten => ([^,]+),", door, re.MULTILINE)
    assert {p for p in patterns if not re.fullmatch(r"_\+?X{1,24}", p)} == {"s"}


def test_callers_are_limited_so_that_talks_still_find_rtp_ports() -> None:
    small = Setting(asterisk=config.Asterisk(rtp_start=10000, rtp_end=10200))
    assert most_calls(small) == 75
    large = Setting(asterisk=config.Asterisk(rtp_start=10000, rtp_end=20000))
    assert most_calls(large) == 3750


def test_an_exchange_on_every_address_tells_no_media_address_of_its_own() -> None:
    open_to_all = Setting(asterisk=config.Asterisk(sip_host=IPv4Address("0.0.0.0")))
    assert "media_address" not in rendered(open_to_all)["pjsip.conf"]
    told = Setting(asterisk=config.Asterisk(media_address=IPv4Address("10.1.2.3")))
    assert "\nmedia_address = 10.1.2.3\n" in rendered(told)["pjsip.conf"]


def test_the_admins_own_contexts_are_included() -> None:
    files = rendered(custom={"night.conf": "[night]\n"})
    assert files["custom/night.conf"] == "[night]\n"
    assert "#include custom/night.conf\n" in files["extensions.conf"]


@pytest.mark.parametrize(
    "bad",
    [
        {"agents": [AgentPhone(extension="80\n01", ha1="0" * 32)]},
        {"agents": [AgentPhone(extension="8001", ha1="x")]},
        {"agents": [AGENTS[0], AGENTS[0]]},
        {"secrets": Secrets(ami="a;b-c-d-e-f")},
        {"secrets": Secrets(ami="short")},
        {"custom": {"../evil.conf": ""}},
        {"directories": Directories(PurePosixPath("/srv/a\nb"))},
    ],
)
def test_what_cannot_stand_in_a_configuration_file_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(Faulty):
        rendered(**bad)


@given(st.text(min_size=1, max_size=30))
def test_no_seat_of_the_register_can_add_a_line(seat: str) -> None:
    was = REGISTER.numbers["12369"]
    register = Register({**REGISTER.numbers, "12369": replace(was, seat=seat)})
    try:
        files = render(Setting(), register, agents=AGENTS, secrets=SECRETS, directories=HOME)
    except Faulty:
        return
    assert re.fullmatch(r"[0-9+]+", seat)
    assert files["extensions.conf"].count("\n") == rendered()["extensions.conf"].count("\n")


def test_the_templates_are_where_places_says() -> None:
    assert (places.asterisk_config() / "pjsip.conf.j2").is_file()
    assert (places.dialplan_templates() / "extensions.conf.j2").is_file()
    assert places.dialplan(config.Site()).name == "baoji"
    assert places.dialplan(config.Site(dialplan_dir=Path("mine"))) == Path("mine")
