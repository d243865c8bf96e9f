"""What a person does and sees in the Dagster UI, in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from stylejobs.media.verify import compare
from stylejobs_tests.live.conftest import ROOT, SHARDS, Live
from stylejobs_tests.patience import SECONDS, one_at_a_time, until

pytestmark = one_at_a_time
SCREENSHOTS = ROOT / "screenshots"
_MILLISECONDS = 1000 * SECONDS
# As root, and on a network that is closed.
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def page() -> Iterator[Page]:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        message = "No Chromium: the UI is NOT tested. Install the package `chromium`."
        if os.environ.get("STYLEJOBS_REQUIRE_BROWSER"):
            pytest.fail(message)
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(_FLAGS))
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(_MILLISECONDS)
        expect.set_options(timeout=_MILLISECONDS)
        yield page
        chromium.close()


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.mark.timeout(900)
def test_a_failed_shard_is_seen_and_healed_and_the_painted_video_is_seen_in_the_browser(
    live: Live, page: Page, clip: Callable[[str], Path]
) -> None:
    video = live.drop(clip("large.mp4"), "beach.mp4")
    place = live.studio.workplace(video)
    recipe = live.studio.recipe(video.style)
    in_the_way = live.studio.store.root / place.styled(recipe.version, 0)
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where a folder should be")

    # The graph tells the story while the video is in work.
    page.goto(f"{live.url}/asset-groups")
    for group in ("inbox", "work", "painted"):
        expect(page.get_by_text(group, exact=True).last).to_be_visible()

    # One of the shards fails.
    page.goto(f"{live.url}/assets/styled_frames?view=partitions")
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    expect(page.get_by_text(f"Materialized ({SHARDS - 1})")).to_be_visible()
    shoot(page, "failed_shard")
    in_the_way.unlink()
    until(lambda: live.webhook.posts, "the alert")
    (alert,) = (json.loads(body) for _, body in live.webhook.posts)
    assert (alert["video"], alert["stage"]) == (video.upload_path, "styled_frames")

    # It is launched again: only what failed.
    page.get_by_role("button", name="Materialize").first.click()
    only_failed = page.get_by_text("Backfill only failed and missing")
    expect(only_failed).to_be_visible()
    for button in page.get_by_role("button", name="All", exact=True).all():
        button.click()
    only_failed.click()
    page.wait_for_timeout(500)  # until the box shows its mark
    shoot(page, "only_failed")
    page.get_by_role("button", name="Launch").last.click()
    expect(only_failed).to_be_hidden()
    page.goto(f"{live.url}/assets/styled_frames?view=partitions")
    expect(page.get_by_text(f"Materialized ({SHARDS})")).to_be_visible()
    automatic = ("dagster/sensor_name", "dagster/from_automation_condition")
    healing = [r["tags"] for r in live.runs() if not any(tag in r["tags"] for tag in automatic)]
    assert [tags.get("stylejobs/upload") for tags in healing] == [video.upload_path]

    # The final video follows by itself, and shows what it looks like.
    page.goto(f"{live.url}/assets/final_video?view=partitions&partition={video.key}")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    page.reload()  # the partition's figures do not refresh by themselves
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image/jpeg']")
    expect(picture).to_be_visible()
    assert picture.evaluate("i => i.complete && i.naturalWidth") > 300
    shoot(page, "before_and_after")
    page.keyboard.press("Escape")
    page.get_by_text("[Show Markdown]").nth(1).click()
    moving = page.locator("img[src^='data:image/webp']")
    expect(moving).to_be_visible()
    assert moving.evaluate("i => i.complete && i.naturalWidth") == 320
    assert compare(clip("large.mp4"), live.painted(video)) == []

    # Its asset says in words and a picture how it all hangs together.
    page.goto(f"{live.url}/assets/upload?view=overview")
    flow = page.locator("img[src^='data:image/svg']")
    expect(flow).to_be_visible()
    assert flow.evaluate("i => i.complete && i.naturalWidth") > 300
    page.set_viewport_size({"width": 1700, "height": 900})
    page.goto(f"{live.url}/assets/final_video?view=lineage&lineageScope=upstream&lineageDepth=5")
    for asset in ("upload", "recipe", "manifest", "audio", "frames", "styled_frames"):
        expect(page.get_by_text(asset, exact=True).last).to_be_visible()
    page.wait_for_timeout(3000)  # until the nodes have their figures
    shoot(page, "graph")
