"""Whatever stands in a folder, lint does not break, and what it lets pass keeps its promise."""

import itertools
import string
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplans.city import load
from dialplans.lint import lint
from ivr.flow import MOST_STEPS, begin, hear
from ivr.say import spoken
from schemas import flows
from schemas.calls import Outcome, RouteKind
from schemas.city import City
from schemas.flows import Flow
from schemas.moves import Done, Heard, Look, Situation
from schemas.times import SHANGHAI
from tests.dialplans.folders import BAOJI, copy

pytestmark = pytest.mark.unit

OWN = "[hotline-custom]\nexten => _8XX,1,Dial(PJSIP/${EXTEN}@trunk)\n same => n,Hangup()\n"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    return copy(tmp_path / "city")


NAMES = sorted(path.name for path in (BAOJI / "flows").glob("*.yaml"))
FOLDER_IS_SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)


@FOLDER_IS_SHARED
@given(data=st.data())
def test_random_bytes_in_any_file_never_break_lint(data: st.DataObject, city: Path) -> None:
    files = [f"flows/{name}" for name in NAMES] + [
        "hotlines.csv",
        "prompts.tsv",
        "phrases.tsv",
        "skills.toml",
        "calendar.toml",
        "custom/a.conf",
    ]
    name = data.draw(st.sampled_from(files))
    original = (BAOJI / name).read_bytes() if (BAOJI / name).exists() else OWN.encode()
    content = data.draw(st.binary(max_size=200) | mutated(original))
    (city / name).write_bytes(content)
    try:
        for fault in lint(city, spoken=spoken):
            assert str(fault).isprintable()
    finally:
        (city / name).write_bytes(original)


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """Cut, doubled or overwritten anywhere."""
    at, end = sorted(draw(st.tuples(*[st.integers(0, len(original))] * 2)))
    other = draw(
        st.binary(max_size=8) | st.sampled_from([b"", b"{", b"\t", b"0", original[at:end]])
    )
    return original[:at] + other + draw(st.sampled_from([original[end:], original[at:], b""]))


SCHEMA = Flow.model_json_schema()


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what this part of our JSON Schema allows, and now and then what it does not."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: of_schema(SCHEMA["$defs"][name]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if some := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of(*map(of_schema, some))
    match schema.get("type"):
        case "string":
            pattern = schema.get("pattern", r"^[^\s]{1,9}$")
            return st.sampled_from(["a", "b", "person"]) | st.from_regex(pattern, fullmatch=True)
        case "integer" | "number":
            lowest, highest = schema.get("minimum", 0), schema.get("maximum", 9)
            return st.integers(lowest, highest) | st.integers(-1, 99)
        case "array":
            return st.lists(
                of_schema(schema["items"]), min_size=schema.get("minItems", 0), max_size=3
            )
        case "object" if "properties" in schema:
            values = {name: of_schema(inner) for name, inner in schema["properties"].items()}
            needed = {name: values.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(needed, optional=values)
        case "object":
            ((pattern, inner),) = schema["patternProperties"].items()
            keys = of_schema({"type": "string", "pattern": pattern})
            return st.dictionaries(keys, of_schema(inner), max_size=3)
        case "boolean":
            return st.booleans()
        case _:
            return st.none()


@FOLDER_IS_SHARED
@given(flow=of_schema(SCHEMA))
def test_whatever_an_editor_would_accept_never_breaks_lint(
    flow: dict[str, Any], city: Path
) -> None:
    steps = {"a": {"do": "queue"}, "b": {"do": "queue"}, **flow["steps"]}
    text = yaml.safe_dump({**flow, "start": "a", "steps": steps, "flow": "unknown"})
    (city / "flows" / "unknown.yaml").write_text(text, "utf-8")
    for fault in lint(city, spoken=spoken):
        assert str(fault).isprintable()


STEPS = st.sampled_from([*"abcd", "d", "d", "person", "return"])
TEXTS = st.sampled_from([*["greeting", "dialect", "{notice}", "n-1"] * 4, "{caller}", "nothing"])
VALUES = st.sampled_from(
    [*[{"phone": "{caller}"}, {"number": "12"}] * 4, {"digits": "{entry}"}, {"date": "12"}]
)
PROMPTS = st.lists(TEXTS, min_size=1, max_size=2) | st.lists(VALUES, min_size=1, max_size=1)
KEYS = st.dictionaries(st.sampled_from([*"123456789*#" * 2, "0"]), STEPS, max_size=3)
ASKING = {
    "prompts": PROMPTS, "keys": KEYS, "retries": st.sampled_from([0, 0, 0, 1, 2, 3]),
    "wait": st.integers(0, 3), "silence": STEPS | st.none(), "otherwise": STEPS,
}  # fmt: skip
KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "say": {"prompts": PROMPTS, "next": STEPS},
    "menu": ASKING,
    "listen": ASKING | {
        "intents": st.dictionaries(
            st.sampled_from(["agent", "progress", "yes", "emergency-110", "line-40"]), STEPS
        ),
        "spoken": st.just([]) | PROMPTS, "lines": st.one_of(st.none(), st.none(), st.none(), STEPS),
    },
    "digits": {"prompts": PROMPTS, "into": st.just("entry"), "next": STEPS, "failed": STEPS},
    "queue": {"skill": st.sampled_from(["{unit}", *["skill-night"] * 5, "skill-x"])},
    "transfer": {"to": st.sampled_from([*["95598"] * 4, "110", "{onward}", "12345", "{entry}"])},
    "notice": {"prompts": PROMPTS, "keys": KEYS},
    "lookup": {"what": st.just("duty"), "cases": st.fixed_dictionaries({"away": STEPS})},
    "hours": {"schedule": st.sampled_from(["office", "night"]), "open": STEPS, "closed": STEPS},
    "message": {"prompts": PROMPTS},
    "hangup": {"prompts": PROMPTS},
    "goto": {"flow": st.sampled_from(["before_queue", *["second"] * 2, "unknown"]), "then": STEPS},
}  # fmt: skip
STEP = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.fixed_dictionaries(KINDS[kind]).map(lambda step: {"do": kind, **step})
)
STEPS_OF = st.fixed_dictionaries(dict.fromkeys("abcd", STEP))


def a_flow(name: str, steps: dict[str, Any]) -> str:
    """Return a flow document; steps that nothing leads to are left out, as an admin would."""
    seen: set[str] = set()
    todo = ["a"]
    while todo:
        step = todo.pop()
        if step in steps and step not in seen:
            seen.add(step)
            todo += _targets(steps[step])
    kept = {step: steps[step] for step in sorted(seen)}
    flow = {"flow": name, "title": "试", "start": "a", "steps": kept}
    return yaml.safe_dump(flow, allow_unicode=True, sort_keys=False)


def _targets(step: dict[str, Any]) -> Iterator[str]:
    for key, value in step.items():
        if key in ("next", "silence", "otherwise", "failed", "then", "open", "closed", "lines"):
            yield str(value)
        elif key in ("keys", "intents", "cases"):
            yield from value.values()


ANSWERS = st.builds(
    Heard,
    key=st.none() | st.sampled_from([*"0123456789*#"]),
    digits=st.none() | st.text(string.digits, max_size=21),
    intent=st.none()
    | st.sampled_from(
        ["", "agent", "progress", "yes", "no", "emergency-110", "line-40", "line-41", "line-2"]
    ),
    sure=st.booleans(),
    word=st.none() | st.sampled_from(["away", "free", "busy", "known", "on", "open"]),
    found=st.just({"agent": "8001", "ticket": "BJ20260101-000001"}),
    failed=st.none() | st.just("prompt"),
)


def test_a_folder_that_passes_leads_every_caller_to_a_person_or_a_notice_they_chose(
    city: Path,
) -> None:
    """Whatever is written: lint does not break, and what it lets pass does what it promises."""
    passed = 0

    @settings(deadline=None, max_examples=80)
    @given(first=STEPS_OF, second=STEPS_OF, data=st.data())
    def one(first: dict[str, Any], second: dict[str, Any], data: st.DataObject) -> None:
        nonlocal passed
        text = a_flow("unknown", first)
        (city / "flows" / "unknown.yaml").write_text(text, "utf-8")
        (city / "flows" / "second.yaml").unlink(missing_ok=True)
        if "flow: second" in text:
            (city / "flows" / "second.yaml").write_text(a_flow("second", second), "utf-8")
        if lint(city, spoken=spoken):
            return
        passed += 1
        hour = data.draw(st.integers(0, 23))
        situation = Situation(
            number=None,
            caller="13900000000",
            at=datetime(2026, 6, 1, hour, tzinfo=SHANGHAI),
            speech=data.draw(st.booleans()),
        )
        drive(load(city), situation, data.draw(st.just([]) | st.lists(ANSWERS, max_size=8)))

    one()
    assert passed > 10


def drive(city: City, situation: Situation, answers: Sequence[Heard]) -> None:
    """Let a caller answer so, then fall silent; only who chose something last is hung up on."""
    place, move = begin(city, situation)
    chose = False
    for answer in itertools.chain(answers, itertools.repeat(Heard())):
        assert not any("there is no" in why or "circles" in why for _, why in place.troubles)
        if isinstance(move, Done):
            break
        if isinstance(move, Look):
            answer = Heard(word=answer.word, found=answer.found)
        step, failures, values = place.now, place.failures, place.values
        place, move = hear(place, answer)
        match step:
            case flows.Asking():
                silent = answer.key is None and answer.intent is None
                chose = not silent and place.failures == failures
            case flows.Digits():
                chose = place.values != values
            case flows.Notice() | flows.Say():
                chose |= answer.key is not None
        chose &= place.failures == failures
    assert isinstance(move, Done)
    assert place.taken <= MOST_STEPS
    if move.route.kind is RouteKind.HANGUP:
        assert chose
        assert move.route.outcome in {
            Outcome.SELF_SERVICE, Outcome.OUT_OF_SCOPE, Outcome.CALLBACK_PROMISED,
        }  # fmt: skip
    else:
        assert move.route.queue  # also behind a transfer or a message that fails
