"""Articles, their owners, feedback and files, through REST."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cti.knowledge import feedback_http, files, http, sight, store
from cti.knowledge.spoken import Spoken
from schemas.case_tables import ArticleRow
from schemas.errors import Forbidden, HotlineError, NotFound, Unavailable
from schemas.http import WHO
from schemas.identity import Role, Who

pytestmark = pytest.mark.unit

T0 = 1_795_400_000.0
DAY = 86_400.0
Sessions = async_sessionmaker[AsyncSession]
PEOPLE = {
    "admin": Who(kind="user", id="admin", role=Role.ADMIN),
    "boss": Who(kind="user", id="boss", role=Role.SUPERVISOR),
    "agent": Who(kind="user", id="agent", role=Role.AGENT),
    "dispatcher": Who(kind="user", id="dispatcher", role=Role.DISPATCHER),
    "reader": Who(kind="token", id="reader", role=Role.READER),
    "inspector": Who(kind="user", id="inspector", role=Role.INSPECTOR),
    "renshe": Who(kind="user", id="renshe", role=Role.UNIT, unit="renshe"),
    "minzheng": Who(kind="user", id="minzheng", role=Role.UNIT, unit="minzheng"),
    "nobody": Who(kind="user", id="nobody", role=Role.UNIT, unit=None),
}
ARTICLE = {
    "title": "社保卡补办",
    "unit": "renshe",
    "body": "凭身份证办理。",
    "spoken": "请带身份证到社保卡服务网点办理。",
    "keywords": ["挂失"],
    "state": "published",
}
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


class Tone:
    """A voice for tests: writes what it was given."""

    name = "tone-1"

    def __init__(self) -> None:
        self.said: list[str] = []

    def speak(self, text: str, into: Path) -> None:
        self.said.append(text)
        if "坏" in text:
            into.write_bytes(b"half")
            raise Unavailable("语音引擎出错")
        into.write_bytes(b"RIFF" + text.encode())


class Clock:
    now = T0

    def __call__(self) -> float:
        return self.now


@web.middleware
async def door(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request[WHO] = PEOPLE[request.headers.get("X-Who", "admin")]
    try:
        return await handler(request)
    except HotlineError as error:
        body = {"error": error.code, "message": error.message}
        return web.json_response(body, status=error.status)


class Desk:
    """Somebody at the REST interface."""

    def __init__(self, client: TestClient[web.Request, web.Application], clock: Clock) -> None:
        self.client = client
        self.clock = clock

    async def __call__(
        self, who: str, method: str, path: str, body: object = None, **params: str
    ) -> tuple[int, Any]:
        data = {"json": body} if not isinstance(body, bytes | None) else {"data": body}
        async with self.client.request(
            method, f"/api/v1{path}", headers={"X-Who": who}, params=params, **data
        ) as answer:
            json = answer.content_type == "application/json"
            return answer.status, await answer.json() if json else await answer.read()

    async def article(self, **more: object) -> int:
        status, made = await self("admin", "POST", "/articles", {**ARTICLE, **more})
        assert status == 201, made
        return int(made["id"])


@pytest.fixture
def tone() -> Tone:
    return Tone()


@pytest.fixture
async def desk(sessions: Sessions, tmp_path: Path, tone: Tone) -> AsyncIterator[Desk]:
    clock = Clock()
    app = web.Application(middlewares=[door])
    spoken = Spoken(tmp_path / "spoken", tone)
    app.add_routes(http.routes(sessions, sessions, spoken=spoken, clock=clock))
    app.add_routes(feedback_http.routes(sessions, sessions, clock=clock))
    app.add_routes(files.routes(sessions, sessions, folder=tmp_path / "files", clock=clock))
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield Desk(client, clock)


async def test_who_may_write_what(desk: Desk) -> None:
    id = await desk.article()
    expected = {
        "admin": (201, 200),
        "boss": (201, 200),
        "agent": (403, 403),
        "dispatcher": (403, 403),
        "reader": (403, 403),
        "inspector": (403, 403),
        "renshe": (201, 200),
        "minzheng": (403, 403),
        "nobody": (403, 403),
    }
    found = {}
    version = 1
    for who in PEOPLE:
        made, _ = await desk(who, "POST", "/articles", ARTICLE)
        patch = {"version": version, "body": f"{who} 改的"}
        changed, now = await desk(who, "PATCH", f"/articles/{id}", patch)
        version = now["version"] if changed == 200 else version
        found[who] = made, changed
    assert found == expected
    # a unit cannot give its article away, nor take another's
    patch = {"version": version, "unit": "minzheng"}
    assert (await desk("renshe", "PATCH", f"/articles/{id}", patch))[0] == 403
    patch["unit"] = "renshe"
    other = await desk.article(unit="minzheng")
    assert (await desk("renshe", "PATCH", f"/articles/{other}", patch | {"version": 1}))[0] == 403


async def test_who_sees_what_is_not_valid(desk: Desk) -> None:
    def day(days: float) -> str:
        from schemas.times import iso

        return iso(T0 + days * DAY)

    shown = {
        "valid": await desk.article(),
        "draft": await desk.article(state="draft"),
        "old": await desk.article(valid_until=day(-1)),
        "coming": await desk.article(valid_from=day(1)),
    }
    withdrawn = await desk.article()
    await desk("admin", "PATCH", f"/articles/{withdrawn}", {"version": 1, "state": "withdrawn"})
    shown["withdrawn"] = withdrawn
    everything = set(shown)
    expected = {who: {"valid"} for who in PEOPLE} | dict.fromkeys(
        ("admin", "boss", "renshe", "inspector"), everything
    )
    for who in PEOPLE:
        seen = {
            name
            for name, id in shown.items()
            if (await desk(who, "GET", f"/articles/{id}"))[0] == 200
        }
        _, listed = await desk(who, "GET", "/articles")
        assert seen == expected[who], who
        assert {item["id"] for item in listed} == {shown[name] for name in seen}, who
    desk.clock.now = T0 + 2 * DAY
    status, coming = await desk("agent", "GET", f"/articles/{shown['coming']}")
    assert (status, coming["valid"]) == (200, True)


async def test_a_change_needs_its_version_and_nulls_take_dates_away(desk: Desk) -> None:
    id = await desk.article(valid_until="2027-01-01", review_at="2026-12-01", category="card.lost")
    status, one = await desk("admin", "PATCH", f"/articles/{id}", {"version": 1, "title": "新题目"})
    assert (status, one["version"], one["valid_until"]) == (200, 2, "2027-01-02T00:00:00.000+08:00")
    stale, said = await desk("admin", "PATCH", f"/articles/{id}", {"version": 1, "title": "旧题目"})
    assert (stale, said["error"]) == (409, "conflict")
    nulls = {"version": 2, "valid_until": None, "category": None, "title": None, "state": None}
    status, two = await desk("admin", "PATCH", f"/articles/{id}", nulls)
    assert (two["valid_until"], two["category"], two["title"]) == (None, None, "新题目")
    assert (two["review_at"], two["state"]) == ("2026-12-01T00:00:00.000+08:00", "published")


BAD: list[dict[str, object]] = [
    {"title": ""},
    {"title": "a\0b"},
    {"title": "a\ud800b"},
    {"unit": "../x"},
    {"keywords": ["k"] * 31},
    {"keywords": ["k" * 41]},
    {"body": "长" * 20_001},
    {"valid_from": 1e300},
    {"valid_from": -1},
    {"valid_until": "NaN"},
    {"valid_from": float("nan")},
    {"valid_from": "2026-12-02", "valid_until": "2026-12-01"},
    {"state": "withdrawn"},
    {"used": 99},
    {"version": 7},
    {"updated_by": "root"},
]


async def test_what_does_not_fit_is_refused(desk: Desk) -> None:
    for bad in BAD:
        status, said = await desk("admin", "POST", "/articles", {**ARTICLE, **bad})
        assert (status, said["error"]) == (422, "invalid"), bad


async def test_a_report_that_it_is_wrong_reaches_the_owner_and_shows_until_settled(
    desk: Desk,
) -> None:
    id = await desk.article()
    wrong = {"text": "网点已搬迁", "call_id": "n1-7"}
    status, told = await desk("agent", "POST", f"/articles/{id}/feedback", wrong)
    assert (status, told["unit"], told["who"], told["call_id"]) == (201, "renshe", "agent", "n1-7")
    for path in (f"/articles/{id}", "/articles"):
        _, shown = await desk("agent", "GET", path)
        assert (shown[0] if isinstance(shown, list) else shown)["wrong"] == 1
    _, [found] = await desk("agent", "GET", "/articles/search", q="社保卡")
    assert found["wrong"] == 1
    _, mine = await desk("renshe", "GET", "/knowledge/feedback")
    assert [item["id"] for item in mine] == [told["id"]]
    settle = f"/knowledge/feedback/{told['id']}/settle"
    for who in ("minzheng", "nobody", "agent", "dispatcher", "inspector", "reader"):
        assert (await desk(who, "POST", settle, {"answer": "已改"}))[0] == 404, who
        if who in ("minzheng", "nobody"):
            assert (await desk(who, "GET", "/knowledge/feedback"))[1] == []
            asked = await desk(who, "GET", "/knowledge/feedback", unit="renshe")
            assert asked == (200, [])
    status, settled = await desk("renshe", "POST", settle, {"answer": "已更新地址"})
    assert (status, settled["settled_by"], settled["answer"]) == (200, "renshe", "已更新地址")
    assert (await desk("renshe", "POST", settle, {"answer": "再来"}))[0] == 409
    assert (await desk("agent", "GET", f"/articles/{id}"))[1]["wrong"] == 0
    assert (await desk("renshe", "GET", "/knowledge/feedback"))[1] == []
    _, closed = await desk("renshe", "GET", "/knowledge/feedback", open="false")
    assert [item["id"] for item in closed] == [told["id"]]


async def test_what_was_not_found_goes_to_the_dispatchers_or_the_unit_named(desk: Desk) -> None:
    _, nowhere = await desk("agent", "POST", "/knowledge/feedback", {"query": "地铁几点停"})
    named = {"query": "婚前检查", "unit": "minzheng", "text": "问的人多"}
    _, somewhere = await desk("agent", "POST", "/knowledge/feedback", named)
    for who in ("reader", "inspector", "renshe"):
        assert (await desk(who, "POST", "/knowledge/feedback", {"query": "x"}))[0] == 403
    _, listed = await desk("dispatcher", "GET", "/knowledge/feedback", kind="not_found")
    assert [item["id"] for item in listed] == [somewhere["id"], nowhere["id"]]
    _, next_page = await desk("admin", "GET", "/knowledge/feedback", before=str(somewhere["id"]))
    assert [item["id"] for item in next_page] == [nowhere["id"]]
    settle = "/knowledge/feedback/{}/settle"
    path = settle.format(nowhere["id"])
    assert (await desk("minzheng", "POST", path, {"answer": "x"}))[0] == 404
    assert (await desk("dispatcher", "POST", path, {"answer": "已请交通局编写"}))[0] == 200
    path = settle.format(somewhere["id"])
    assert (await desk("dispatcher", "POST", path, {"answer": "x"}))[0] == 404
    assert (await desk("minzheng", "POST", path, {"answer": "已编写"}))[0] == 200


async def test_articles_due_for_review_are_listed(desk: Desk) -> None:
    due = await desk.article(review_at="2026-11-01")
    later = await desk.article(review_at="2027-11-01")
    never = await desk.article()
    gone = await desk.article(review_at="2026-11-01")
    await desk("admin", "PATCH", f"/articles/{gone}", {"version": 1, "state": "withdrawn"})
    _, listed = await desk("renshe", "GET", "/articles", due="true")
    assert [(item["id"], item["review_due"]) for item in listed] == [(due, True)]
    _, rest = await desk("renshe", "GET", "/articles", due="false", state="published")
    assert {item["id"] for item in rest} == {later, never}


async def test_lists_narrow_by_unit_and_category_and_go_on_by_id(desk: Desk) -> None:
    one = await desk.article(category="card.lost")
    two = await desk.article(unit="minzheng")
    assert [a["id"] for a in (await desk("agent", "GET", "/articles", unit="minzheng"))[1]] == [two]
    found = (await desk("agent", "GET", "/articles", category="card.lost"))[1]
    assert [a["id"] for a in found] == [one]
    assert [a["id"] for a in (await desk("agent", "GET", "/articles", limit="1"))[1]] == [two]
    found = (await desk("agent", "GET", "/articles", before=str(two)))[1]
    assert [a["id"] for a in found] == [one]


async def test_an_answer_with_an_article_is_counted_while_it_is_valid(
    desk: Desk, sessions: Sessions
) -> None:
    id = await desk.article(valid_until="2026-12-31")
    async with sessions.begin() as session:
        for _ in range(3):
            assert await store.answered_with(session, id, at=T0) == "社保卡补办"
    async with sessions.begin() as session:
        for wrong, at in ((id, T0 + 90 * DAY), (id + 1, T0), (2**31 - 1, T0)):
            with pytest.raises(NotFound):
                await store.answered_with(session, wrong, at=at)
    async with sessions() as session:
        row = (await session.scalars(select(ArticleRow))).one()
        assert (row.used, row.version) == (3, 1)  # whoever edits it meanwhile is not disturbed


async def test_what_may_be_read_out_is_spoken_once(desk: Desk, tone: Tone) -> None:
    id = await desk.article()
    _, said = await desk("agent", "GET", f"/articles/{id}/spoken")
    assert said == {"id": id, "version": 1, "text": ARTICLE["spoken"]}
    for _ in range(2):
        status, sound = await desk("agent", "GET", f"/articles/{id}/spoken.wav")
        assert (status, sound) == (200, b"RIFF" + str(ARTICLE["spoken"]).encode())
    assert tone.said == [ARTICLE["spoken"]]
    silent = await desk.article(spoken="  ")
    for path in (f"/articles/{silent}/spoken", f"/articles/{silent}/spoken.wav"):
        assert (await desk("agent", "GET", path))[0] == 404
    broken = await desk.article(spoken="坏")
    for _ in range(2):  # what was half made is not kept
        status, told = await desk("agent", "GET", f"/articles/{broken}/spoken.wav")
        assert (status, told["message"]) == (503, "语音引擎出错")


async def test_without_a_voice_the_agent_is_told_to_read(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="坐席直接朗读"):
        await Spoken(tmp_path, None).wav("您好")


async def test_attachments_are_taken_by_content_and_handed_out_as_downloads(desk: Desk) -> None:
    id = await desk.article()
    status, kept = await desk(
        "renshe", "POST", f"/articles/{id}/files", PDF, name="../../表格.exe.pdf"
    )
    assert (status, kept["name"], kept["media"]) == (201, "表格.exe.pdf", "application/pdf")
    assert (await desk("agent", "GET", f"/articles/{id}/files/{kept['id']}")) == (200, PDF)
    _, whole = await desk("agent", "GET", f"/articles/{id}")
    assert [file["id"] for file in whole["files"]] == [kept["id"]]
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    assert (await desk("admin", "POST", f"/articles/{id}/files", svg, name="a.png"))[0] == 422
    assert (await desk("admin", "POST", f"/articles/{id}/files", b"", name="a.pdf"))[0] == 422
    for who in ("agent", "minzheng", "reader"):
        assert (await desk(who, "POST", f"/articles/{id}/files", PDF, name="a.pdf"))[0] == 403
        assert (await desk(who, "DELETE", f"/articles/{id}/files/{kept['id']}"))[0] == 403
    other = await desk.article()
    assert (await desk("agent", "GET", f"/articles/{other}/files/{kept['id']}"))[0] == 404
    draft = await desk.article(state="draft")
    _, hidden = await desk("admin", "POST", f"/articles/{draft}/files", PDF, name="a.pdf")
    assert (await desk("agent", "GET", f"/articles/{draft}/files/{hidden['id']}"))[0] == 404
    assert (await desk("renshe", "DELETE", f"/articles/{id}/files/{kept['id']}"))[0] == 204
    assert (await desk("agent", "GET", f"/articles/{id}/files/{kept['id']}"))[0] == 404
    assert (await desk("agent", "GET", f"/articles/{draft}"))[0] == 404


async def test_ids_that_are_none_are_refused(desk: Desk) -> None:
    for id in ["0", "-1", str(2**31), "9" * 30, "x", "1.5"]:
        for path in (f"/articles/{id}", f"/articles/{id}/spoken", f"/articles/{id}/files/{id}"):
            assert (await desk("agent", "GET", path))[0] == 422


@pytest.mark.parametrize(
    ("state", "begin", "end", "valid"),
    [
        ("published", None, None, True),
        ("published", T0, None, True),
        ("published", T0 + 1, None, False),
        ("published", None, T0, False),
        ("published", None, T0 + 1, True),
        ("draft", None, None, False),
        ("withdrawn", None, None, False),
    ],
)
def test_an_article_is_valid_from_its_first_moment_to_before_its_last(
    state: str, begin: float | None, end: float | None, valid: bool
) -> None:
    assert sight.is_valid(state, begin, end, now=T0) is valid


@pytest.mark.parametrize(
    ("name", "unit", "settles"),
    [
        ("admin", None, True),
        ("boss", "renshe", True),
        ("dispatcher", None, True),
        ("dispatcher", "renshe", False),
        ("renshe", "renshe", True),
        ("renshe", None, False),
        ("nobody", None, False),
        ("agent", "renshe", False),
    ],
)
def test_who_settles_feedback(name: str, unit: str | None, settles: bool) -> None:
    assert sight.may_settle(PEOPLE[name], unit) is settles


def test_who_may_write_an_article_of_a_unit() -> None:
    writers = {name for name, who in PEOPLE.items() if sight.may_write(who, "renshe")}
    assert writers == {"admin", "boss", "renshe"}
    with pytest.raises(Forbidden):
        sight.require_writer(PEOPLE["minzheng"], "renshe")
    assert {name for name, who in PEOPLE.items() if sight.sees_all(who)} == {
        "admin", "boss", "inspector",
    }  # fmt: skip
