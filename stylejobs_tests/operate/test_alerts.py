"""Alerts arrive, in the form that was asked for, without secrets, and never stop anything."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import SecretStr

from stylejobs import alerts
from stylejobs.alerts import Alert, send
from stylejobs.config import AlertFormat, Settings
from stylejobs_tests.operate.receiver import receiving

ALERT = Alert(
    "A video could not be painted",
    "inbox/mosaic/<a>&b.mp4",
    "styled_frames",
    "The frames are not there.",
    "http://localhost:3000/runs/1",
)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_PAUSE_SECONDS", 0.01)


def settings(url: str, form: AlertFormat = "json") -> Settings:
    return Settings(alert_webhook=SecretStr(f"{url}/hook?sig=s3cr3t"), alert_format=form)


def posted(alert: Alert, form: AlertFormat) -> dict[str, Any]:
    with receiving() as receiver:
        assert send(settings(receiver.url, form), alert) is None
    ((_, body),) = receiver.posts
    return dict(json.loads(body))


def test_plain_json_has_every_field() -> None:
    body = posted(ALERT, "json")
    assert body == {
        "source": "stylejobs",
        "title": ALERT.title,
        "video": ALERT.video,
        "stage": ALERT.stage,
        "reason": ALERT.reason,
        "link": ALERT.link,
    }


def test_teams_gets_an_adaptive_card_with_a_link() -> None:
    (attachment,) = posted(ALERT, "teams")["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    facts = {fact["title"]: fact["value"] for fact in card["body"][1]["facts"]}
    assert facts == {"Video": ALERT.video, "Stage": ALERT.stage, "Reason": ALERT.reason}
    assert card["actions"][0]["url"] == ALERT.link


def test_slack_gets_text_in_which_names_are_no_markup() -> None:
    body = posted(ALERT, "slack")
    assert body["text"] == ALERT.title
    text = body["blocks"][0]["text"]["text"]
    assert "&lt;a&gt;&amp;b.mp4" in text
    assert f"<{ALERT.link}|Open in Dagster>" in text


@pytest.mark.parametrize(
    "leak",
    [
        "403 at https://x.blob.core.windows.net/inbox/a.mp4?sv=2024&sig=abc%2Bdef%3D&sp=r",
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=abcdef==;EndpointSuffix=y",
        "Authorization: Bearer abcdef.ghi-jkl",
        "postgresql://dagster:abcdef@db:5432/dagster",
        "password: abcdef",
        "told by http://127.0.0.1/hook?sig=s3cr3t",
    ],
)
def test_no_alert_holds_a_secret(leak: str) -> None:
    body = json.dumps(posted(Alert("t", "v", "s", leak, ""), "json"))
    assert "abc" not in body
    assert "s3cr3t" not in body
    assert "***" in body


def test_a_webhook_that_is_busy_is_tried_again_and_one_that_refuses_is_not() -> None:
    with receiving(503, 429, 200) as busy:
        assert send(settings(busy.url), ALERT) is None
    assert len(busy.posts) == 3
    with receiving(403) as refusing:
        assert send(settings(refusing.url), ALERT) == "the webhook answered 403"
    assert len(refusing.posts) == 1


def test_a_webhook_that_is_broken_or_gone_is_given_up_soon() -> None:
    with receiving(500) as broken:
        assert send(settings(broken.url), ALERT) == "the webhook answered 500"
    assert len(broken.posts) == 3
    started = time.monotonic()
    problem = send(settings(broken.url), ALERT)  # its server has ended
    assert problem is not None
    assert "cannot be reached" in problem
    assert "s3cr3t" not in problem
    assert time.monotonic() - started < 20
    assert "cannot be reached" in str(send(settings("no-scheme"), ALERT))
