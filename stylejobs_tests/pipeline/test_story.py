"""What the UI says of the pipeline before anything runs."""

from __future__ import annotations

from dagster import AssetsDefinition, AssetSpec
from dagster._core.definitions.metadata.source_code import CodeReferencesMetadataSet

from stylejobs import assets
from stylejobs.assets.references import described
from stylejobs.assets.reports import opened_at, shown
from stylejobs.config import Settings
from stylejobs.definitions import defs

ALL = [getattr(assets, name) for name in assets.__all__]


def specs(settings: Settings) -> dict[str, AssetSpec]:
    found = {}
    for each in described(ALL, settings):
        for spec in each.specs if isinstance(each, AssetsDefinition) else [each]:
            found[spec.key.to_user_string()] = spec
    return found


def test_groups_are_the_folders_of_the_store() -> None:
    groups = {name: spec.group_name for name, spec in specs(Settings()).items()}
    assert groups == {
        "upload": "inbox",
        "recipe": "inbox",
        "manifest": "work",
        "audio": "work",
        "frames": "work",
        "styled_frames": "work",
        "final_video": "painted",
        "style": "styles",
        "style_scores": "styles",
        "cleared_work": "upkeep",
        "swept_work": "upkeep",
    }


def test_everything_is_described_and_the_first_asset_has_the_picture() -> None:
    for spec in specs(Settings()).values():
        assert spec.description
        assert spec.kinds
    assert "data:image/svg+xml;base64," in str(specs(Settings())["upload"].description)
    for job in defs.resolve_all_job_defs():
        assert job.name.startswith("__") or job.description
    for sensor in defs.sensors or ():
        assert sensor.name == "automation" or sensor.description


def test_jobs_have_the_names_that_people_look_for() -> None:
    names = {job.name for job in defs.resolve_all_job_defs()}
    painting = {"paint_one_video", "repaint_with_another_style", "repaint_with_new_weights"}
    assert painting | {"clean_up", "clean_up_one_video"} <= names


def test_assets_name_their_owner_and_link_to_their_lines_in_the_repository() -> None:
    settings = Settings(owner="team:film", source_url="https://github.com/you/stylejobs/tree/trunk")
    found = specs(settings)
    assert {tuple(spec.owners) for spec in found.values()} == {("team:film",)}
    references = CodeReferencesMetadataSet.extract(found["final_video"].metadata).code_references
    assert references
    url = references.code_references[0].url  # type: ignore[union-attr]
    assert url.startswith(
        "https://github.com/you/stylejobs/tree/trunk/stylejobs/assets/final_video.py#L"
    )


def test_a_result_is_a_link_where_people_can_open_it_and_else_a_path() -> None:
    files = ["painted/tiny/a b.mp4"]
    web = Settings(painted_url="https://films.example/")
    assert opened_at(web, files)["watch"].url == "https://films.example/tiny/a%20b.mp4"
    here = Settings(store="/media/store")
    assert opened_at(here, files)["watch"].path == "/media/store/painted/tiny/a b.mp4"
    assert opened_at(Settings(store="https://a.blob.core.windows.net"), files) == {}
    assert shown({"preview": "![x](y)"})["preview"].md_str == "![x](y)"
