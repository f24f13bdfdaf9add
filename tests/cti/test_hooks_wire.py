import hashlib
import hmac
import json
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.hooks.addresses import check_host, check_url, refused
from cti.hooks.backoff import FEWEST, GIVE_UP, LONGEST, wait
from cti.hooks.wire import SKEW, News, genuine, headers, payload, sign, wants
from schemas.errors import Invalid

pytestmark = pytest.mark.unit

NEWS = News(id=7, topic="ticket.close", ref="BJ1", seq=3, body={"title": "停水"}, at=1.8e9)


def test_a_receiver_can_check_the_signature_with_any_hmac() -> None:
    body = payload(NEWS)
    sent = headers("key", NEWS, body, timestamp=1_800_000_001)
    signed = hmac.new(b"key", b"1800000001." + body, hashlib.sha256).hexdigest()
    assert sent["X-Hotline-Signature"] == f"sha256={signed}"
    assert sent["X-Hotline-Delivery"] == "7"
    assert json.loads(body) == {
        "id": 7,
        "topic": "ticket.close",
        "ref": "BJ1",
        "seq": 3,
        "at": "2027-01-15T16:00:00.000+08:00",
        "body": {"title": "停水"},
    }


@pytest.mark.parametrize(
    ("secret", "timestamp", "body", "late", "fine"),
    [
        ("key", "1800000000", b"{}", 0, True),
        ("key", "1800000000", b"{}", SKEW, True),
        ("key", "1800000000", b"{}", SKEW + 1, False),
        ("other", "1800000000", b"{}", 0, False),
        ("key", "1800000000", b"{ }", 0, False),
        ("key", "1800000001", b"{}", 0, False),
        ("key", "soon", b"{}", 0, False),
        ("key", "١٢٣", b"{}", 0, False),
        ("key", "9" * 40, b"{}", 0, False),
    ],
)
def test_only_what_was_signed_is_genuine(
    secret: str, timestamp: str, body: bytes, late: int, fine: bool
) -> None:
    signature = sign("key", 1_800_000_000, b"{}")
    assert genuine(secret, timestamp, body, signature, now=1_800_000_000 + late) is fine
    assert not genuine(secret, timestamp, body, "sha256=é", now=1_800_000_000)


@pytest.mark.parametrize(
    ("topics", "topic", "heard"),
    [
        ([], "ticket.close", True),
        (["ticket"], "ticket.close", True),
        (["ticket.close"], "ticket.close", True),
        (["alarm", "ticket.close"], "ticket.close", True),
        (["ticket.clo"], "ticket.close", False),
        (["alarm"], "ticket.close", False),
    ],
)
def test_a_hook_hears_of_the_topics_it_wants(topics: list[str], topic: str, heard: bool) -> None:
    assert wants(topics, topic) is heard


def test_waits_double_up_to_an_hour_and_end_after_three_days() -> None:
    waits: list[float] = []
    age = 0.0
    while (delay := wait(len(waits) + 1, age=age)) is not None:
        waits.append(delay)
        age += delay
    assert waits[:13] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]
    assert set(waits[13:]) == {LONGEST}
    assert GIVE_UP - LONGEST <= age <= GIVE_UP


@given(st.integers(1, 10**9), st.floats(0, 1e9))
def test_every_wait_is_between_a_second_and_an_hour_and_old_news_has_its_tries(
    tries: int, age: float
) -> None:
    delay = wait(tries, age=age)
    if tries < FEWEST:
        assert delay is not None
    if delay is None:
        assert age > GIVE_UP - LONGEST
    else:
        assert 1 <= delay <= LONGEST


@pytest.mark.parametrize(
    "url",
    [
        "https://oa.example.gov.cn/hotline?from=12345",
        "http://10.20.30.40:8080/x",
        "http://[fd12::1]/x",
        "http://192.168.1.5/",
    ],
)
def test_a_hook_may_go_to_city_systems(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://oa.example.gov.cn/",
        "file:///etc/passwd",
        "http:///x",
        "http://user@oa.example.gov.cn/",
        "http://user:word@oa.example.gov.cn/",
        "http://:word@oa.example.gov.cn/",
        "http://oa.example.gov.cn:99999/",
        "http://oa.example.gov.cn:0/",
        "http://oa.example.gov.cn/#part",
        "http://[::1",
        "http://oa.example.gov.cn/ x",
        "http://oa.example.gov.cn\\@127.0.0.1/",
        "http://宝鸡.example/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://127.0.0.1/",
        "http://127.8.9.1:8080/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://100.100.100.200/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
    ],
)
def test_a_hook_may_not_go_where_only_this_machine_or_its_cloud_can(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url)


def test_loopback_is_let_through_only_where_it_is_allowed() -> None:
    check_url("http://127.0.0.1:8080/", loopback=True)
    check_host("localhost", loopback=True)
    assert refused(ip_address("::1"), loopback=True) is None
    assert refused(ip_address("169.254.169.254"), loopback=True)
    with pytest.raises(Invalid):
        check_host("localhost")
