from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import day_of, iso, midnight, read

pytestmark = pytest.mark.unit


@given(st.integers(-60_000_000_000, 250_000_000_000))
def test_a_time_that_is_written_is_read_again(milliseconds: int) -> None:
    assert read(iso(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-3)


@given(st.dates(date(1970, 1, 2), date(9000, 1, 1)))
def test_a_day_begins_at_its_midnight_and_ends_a_day_later(day: date) -> None:
    assert day_of(midnight(day)) == day
    assert read(day.isoformat()) == midnight(day)
    assert read(day.isoformat(), end=True) == midnight(day) + 86400


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(read(text), float)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12345", "2026-11-23T25:00"])
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        read(text)
