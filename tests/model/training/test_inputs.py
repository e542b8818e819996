from typing import Any

import torch

from data.batches import Examples
from data.settings import parse
from data.task import ICBHI
from model.training.inputs import network_input
from model.training.prediction import predict, random_network
from model.training.recipe import Recipe

BANDS = (1, 2, 5)


def recipe(**features: Any) -> Recipe:
    content = {
        "backbone": {"name": "ast", "variant": "tiny"},
        "smoothing": {"stage": None},
        "features": {"n_mels": 16, "target_frames": 16, "bands": BANDS, **features},
        "augment": {"frequency_width": 16, "time_width": 4},
    }
    return parse(Recipe, content, "test")


def test_filled_bands_are_zero_under_masks_too() -> None:
    batch = torch.randn(8, 20, 16, generator=torch.Generator().manual_seed(0)) + 5
    others = [band for band in range(16) if band not in BANDS]
    plain = network_input(batch, recipe())
    masked = network_input(batch, recipe(), torch.Generator().manual_seed(1))
    assert plain.shape == masked.shape == (8, *recipe().input_shape) == (8, 16, 16)
    assert not plain[:, :, others].any()
    assert not masked[:, :, others].any()
    assert not torch.equal(plain, masked)


def test_masks_do_not_know_the_bands_that_are_not_kept() -> None:
    batch = torch.randn(8, 16, 16, generator=torch.Generator().manual_seed(0))
    louder = batch.clone()
    louder[:, :, [band for band in range(16) if band not in BANDS]] += 100
    one, other = (network_input(some, recipe(), torch.Generator().manual_seed(1)) for some in (batch, louder))
    assert torch.equal(one, other)


def test_a_network_with_dropped_bands_sees_the_others_alone() -> None:
    settings = recipe(n_mels=32, bands={"ranges": [[8, 23]]}).model_dump()
    dropped = parse(Recipe, {**settings, "backbone": {"name": "cnn_tsa", "variant": "tiny"}}, "test")
    batch = torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(0))
    assert dropped.input_shape == (16, 16)
    assert torch.equal(network_input(batch, dropped), batch[:, :, 8:24])
    network = random_network(dropped, ICBHI).eval()
    examples = Examples(batch, torch.tensor([0, 1]))
    probabilities, _ = predict(network, examples, dropped, torch.device("cpu"))
    assert torch.equal(torch.from_numpy(probabilities), network(batch[:, :, 8:24]).softmax(dim=1))
