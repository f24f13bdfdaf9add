"""Logging: one line a fact, with the call id, without numbers, names, digits or transcripts."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

_CALL = re.compile(r"\bcall ([\w.-]+):")


class JsonLines(logging.Formatter):
    """One JSON object a line; the call id is a field of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line of JSON."""
        message = record.getMessage()
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "from": record.name,
            "message": message,
        }
        call = getattr(record, "call", None) or ((m := _CALL.search(message)) and m[1])
        if call:
            entry["call"] = str(call)
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up(level: str, *, json_lines: bool) -> None:
    """Send all logging to stderr in our form."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if json_lines else plain)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("panoramisk").setLevel(logging.ERROR)  # logs whole headers at INFO
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
