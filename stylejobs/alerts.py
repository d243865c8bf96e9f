"""Alerts to a webhook: what went wrong with which video, as Teams, Slack or plain JSON.

Knows nothing of Dagster. Whatever happens to the webhook is an answer, never an exception.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import SecretStr

from stylejobs.config import AlertFormat, Settings

_TRIES = 3
_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_LONGEST_REASON = 600
_SECRET = re.compile(
    r"(?P<name>\b(?:sig|se|skoid|AccountKey|SharedAccessKey|password|passwd|pwd|secret|token"
    r"|api[_-]?key|access[_-]?key)\s*[=:]\s*)[^\s&;,'\"]+"
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"
    r"|(?P<user>://)[^\s/@]+@",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Alert:
    """What people should know.

    Attributes:
        title: what happened, in a few words.
        video: the upload's path.
        stage: where in the work.
        link: to the page that shows more; empty if there is none.
    """

    title: str
    video: str
    stage: str
    reason: str
    link: str


def send(settings: Settings, alert: Alert) -> str | None:
    """Post ``alert`` to the webhook of the settings; return what went wrong, if anything did."""
    if settings.alert_webhook is None:
        return None
    body = json.dumps(body_of(_scrubbed(settings, alert), settings.alert_format)).encode()
    problem = "not tried"
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        try:
            request = urllib.request.Request(
                settings.alert_webhook.get_secret_value(),
                body,
                {"Content-Type": "application/json", "User-Agent": "stylejobs"},
            )
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            problem = f"the webhook answered {error.code}"
            if error.code < 500 and error.code not in (408, 429):
                break
        except Exception as error:
            problem = f"the webhook cannot be reached: {type(error).__name__}"
    return problem


def body_of(alert: Alert, form: AlertFormat) -> dict[str, Any]:
    """What is posted: an Adaptive Card for Teams, blocks for Slack, or the plain fields."""
    facts = {"Video": alert.video, "Stage": alert.stage, "Reason": alert.reason}
    if form == "teams":
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
                {"type": "TextBlock", "text": alert.title, "weight": "Bolder", "wrap": True},
                {
                    "type": "FactSet",
                    "facts": [{"title": name, "value": value} for name, value in facts.items()],
                },
            ],
            "actions": [{"type": "Action.OpenUrl", "title": "Open in Dagster", "url": alert.link}]
            if alert.link
            else [],
        }
        kind = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}
    if form == "slack":
        lines = [f"*{name}:* {_slack(value)}" for name, value in facts.items()]
        if alert.link:
            lines.append(f"<{alert.link}|Open in Dagster>")
        text = {"type": "mrkdwn", "text": "\n".join([f"*{_slack(alert.title)}*", *lines])}
        return {"text": alert.title, "blocks": [{"type": "section", "text": text}]}
    return {"source": "stylejobs", **asdict(alert)}


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _scrubbed(settings: Settings, alert: Alert) -> Alert:
    """``alert`` without anything that looks like a secret, and no longer than people read."""
    fields = {name: scrub(settings, value) for name, value in asdict(alert).items()}
    if len(fields["reason"]) > _LONGEST_REASON:
        fields["reason"] = f"{fields['reason'][:_LONGEST_REASON]}…"
    return Alert(**fields)


def scrub(settings: Settings, text: str) -> str:
    """``text`` without the settings' secrets, keys, tokens, signatures and passwords."""
    for _, value in settings:
        if isinstance(value, SecretStr) and value.get_secret_value():
            text = text.replace(value.get_secret_value(), "***")
    return _SECRET.sub(
        lambda m: f"{m['name'] or m['scheme'] or m['user']}***{'@' if m['user'] else ''}", text
    )
