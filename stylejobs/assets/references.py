"""Who answers for an asset and where its code is, for the UI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagster import (
    AnchorBasedFilePathMapping,
    AssetsDefinition,
    AssetSpec,
    link_code_references_to_git,
    map_asset_specs,
    with_source_code_references,
)

from stylejobs.config import Settings

_ROOT = Path(__file__).parents[2]

_Asset = AssetsDefinition | AssetSpec


def described(assets: Sequence[_Asset], settings: Settings) -> Sequence[Any]:
    """``assets`` with their owner and links to their code: a file, or a place in a repository."""
    if settings.owner:
        owners = [settings.owner]
        assets = map_asset_specs(lambda spec: spec.replace_attributes(owners=owners), assets)
    referenced: Sequence[Any] = with_source_code_references(assets)
    if settings.source_url:
        repository, _, branch = settings.source_url.partition("/tree/")
        referenced = link_code_references_to_git(
            referenced,
            git_url=repository,
            git_branch=branch or "main",
            file_path_mapping=AnchorBasedFilePathMapping(
                local_file_anchor=_ROOT, file_anchor_path_in_repository=""
            ),
        )
    return referenced
