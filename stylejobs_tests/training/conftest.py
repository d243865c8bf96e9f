"""What training needs, without its gigabytes: features of a VGG16 that was never trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylejobs.training.perceptual import VGG16Features
from stylejobs_tests.training.pictures import painting, photo


@pytest.fixture(scope="session")
def vgg(vgg_file: Path) -> VGG16Features:
    return VGG16Features(vgg_file)


@pytest.fixture(scope="session")
def photos() -> list[np.ndarray]:
    return [photo(seed) for seed in range(3)]


@pytest.fixture(scope="session")
def painting_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("paintings") / "stripes.png"
    Image.fromarray(painting()).save(file)
    return file


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.manual_seed(0)
