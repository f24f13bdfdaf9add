"""`hotline scores …` and `hotline tickets …` as a person types them."""

import asyncio
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from typer.testing import CliRunner, Result

from hotline import cli, db
from hotline.cli_scores import scores_app
from hotline.cli_tickets import tickets_app
from hotline.config import load
from schemas.case_tables import AuditRow, ScoreRow
from schemas.errors import Conflict, Faulty, Invalid, NotFound
from schemas.times import SHANGHAI
from tests.cti.case_desk import Clock, desk

pytestmark = pytest.mark.unit

MONTH = "2026-10"
IN_MONTH = datetime(2026, 10, 13, 9, tzinfo=SHANGHAI).timestamp()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli._State, "config_file", Path("hotline.toml"))
    return tmp_path


@pytest.fixture
def site(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a site one ticket that was closed in October; return its number."""
    # the clock of the command is the machine's: by then October is long over
    monkeypatch.setattr("time.time", lambda: IN_MONTH + 90 * 86400)
    config = load(Path("hotline.toml"), {})
    config.site.state.mkdir(parents=True)

    async def fill() -> str:
        await db.upgrade(config.database_url)
        engine = db.engine(config.database_url)
        try:
            closed = await desk(engine, config.site.state / "evidence", Clock(IN_MONTH)).closed()
        finally:
            await engine.dispose()
        return closed.id

    return asyncio.run(fill())


def rows(of: Any) -> list[Any]:
    async def read() -> list[Any]:
        engine = db.engine(load(Path("hotline.toml"), {}).database_url)
        try:
            async with db.readers(engine)() as session:
                return list(await session.scalars(select(of)))
        finally:
            await engine.dispose()

    return asyncio.run(read())


def run(app: Any, *words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_month_is_shown_closed_and_taken_out(site: str, tmp_path: Path) -> None:
    shown = run(scores_app, "month", MONTH)
    assert shown.exit_code == 0, shown.exception
    assert "open: it will still change" in shown.output
    assert isinstance(run(scores_app, "recompute", MONTH).exception, Conflict)
    closed = run(
        scores_app, "month", MONTH, "--close", "--who", "root", "--xlsx", "x.xlsx", "--json"
    )
    found = json.loads(closed.output)
    assert (found["closed"], found["made_by"]) == (True, "cli:root")
    (unit,) = found["units"]
    assert (unit["unit"], unit["figures"]["closed_in_time"]["value"]) == ("zhujian", 1.0)
    (sheet,) = load_workbook(tmp_path / "x.xlsx").worksheets
    assert sheet.max_row == 3
    assert isinstance(run(scores_app, "month", MONTH, "--close").exception, Conflict)
    assert "the same as when it was closed" in run(scores_app, "recompute", MONTH).output
    assert len(rows(ScoreRow)) == 1


def test_an_evidence_pack_is_taken_checked_and_found_out(site: str, tmp_path: Path) -> None:
    taken = run(tickets_app, "evidence", site, "pack.zip", "--json")
    assert taken.exit_code == 0, taken.exception
    pack = tmp_path / "pack.zip"
    assert pack.stat().st_mode & 0o077 == 0
    checked = run(tickets_app, "verify", "pack.zip", "--json")
    said = json.loads(checked.output)
    assert (checked.exit_code, said["fine"], said["ticket"]) == (0, True, site)
    assert said["manifest_sha256"] == json.loads(taken.output)["manifest_sha256"]
    (note,) = [row for row in rows(AuditRow) if row.what == "evidence_pack"]
    assert note.detail["manifest_sha256"] == said["manifest_sha256"]
    with zipfile.ZipFile(pack, "a") as altered:
        altered.writestr("more", "x")
    found_out = run(tickets_app, "verify", "pack.zip")
    assert found_out.exit_code == 1
    assert "NOT whole" in found_out.output


@pytest.mark.parametrize(
    ("app", "words", "error"),
    [
        (scores_app, ["month", "2026-13"], Faulty),
        (scores_app, ["month", "October"], Faulty),
        (tickets_app, ["evidence", "../x", "x.zip"], Faulty),
        (tickets_app, ["evidence", "BJ20260101-000001", "x.zip"], NotFound),
        (tickets_app, ["verify", "hotline.toml"], Invalid),
        (tickets_app, ["verify", "nothing.zip"], FileNotFoundError),
    ],
)
def test_what_a_person_types_wrong_is_told(
    place: Path, app: Any, words: list[str], error: type[Exception]
) -> None:
    (place / "hotline.toml").write_text("")
    found = run(app, *words)
    assert isinstance(found.exception, error)
    assert not (place / "x.zip").exists()
    assert not list(place.glob(".x.zip*"))
