"""Run logs as one JSON object a line, for log stores: see ``deploy/json-logs.yaml``."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any


class JsonFormatter(logging.Formatter):
    """Gives time, level and message, and whose run, step and upload they are of."""

    def format(self, record: logging.LogRecord) -> str:
        about: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        tags = about.get("job_tags") or {}
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "message": about.get("orig_message") or record.getMessage(),
            "run": about.get("run_id"),
            "job": about.get("job_name"),
            "step": about.get("step_key"),
            "upload": tags.get("stylejobs/upload"),
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in fields.items() if value})
