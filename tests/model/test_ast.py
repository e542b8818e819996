"""AST against golden/ast_sam: ast_tiny, ast_tiny_checkpoint and ast_tiny_expected."""

from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from model.ast import AST, fit_positions
from model.patch_mix import Mix, segment
from model.pretrained import load_pretrained
from model.variants import AST_VARIANTS
from tests.goldens import Golden, facts

LENGTHS = (498, 798, 1024, 1200)


@pytest.fixture(scope="module")
def meta() -> dict[str, Any]:
    return facts("ast_sam/ast_tiny")


@pytest.fixture(scope="module")
def expected() -> Golden:
    return Golden("ast_sam/ast_tiny_expected")


@pytest.fixture(scope="module")
def golden_ast(tmp_path_factory: pytest.TempPathFactory, meta: dict[str, Any]) -> AST:
    config = meta["config"]
    model = AST(config["hidden"], config["layers"], config["heads"], config["mlp_hidden"], config["classes"])
    checkpoint = tmp_path_factory.mktemp("ast") / "ast_tiny.safetensors"
    save_file(dict(Golden("ast_sam/ast_tiny_checkpoint")), checkpoint)
    load_pretrained(model, str(checkpoint), head=True)
    return model.eval()


def golden_input(frames: int) -> Tensor:
    b, t, f = (torch.arange(n, dtype=torch.float64) for n in (2, frames, 128))
    b, t, f = b[:, None, None], t[None, :, None], f[None, None, :]
    return 0.5 * torch.sin(0.013 * t * (1 + 0.05 * f) + 0.7 * b) + 0.2 * torch.cos(0.11 * f - 0.3 * b)


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
@pytest.mark.parametrize("training", [False, True])
def test_every_length_matches_the_golden_outputs(
    golden_ast: AST,
    expected: Golden,
    frames: int,
    dtype: torch.dtype,
    tolerance: float,
    training: bool,
) -> None:
    golden_ast.to(dtype).train(training)
    x = golden_input(frames).to(dtype)
    with torch.set_grad_enabled(training):
        tokens = golden_ast.tokens(golden_ast.stem(x))
        measured = {
            "pooled": golden_ast.forward_grid(golden_ast.stem(x)),
            "token_mean": tokens.mean(dim=1),
            "tokens_first3_last2": torch.cat([tokens[:, :3], tokens[:, -2:]], dim=1),
            "logits": golden_ast(x),
        }
    for name, value in measured.items():
        expected.check(f"T{frames}/{name}", value, atol=tolerance)


@pytest.mark.parametrize("frames", [798, 1024])
def test_features_are_the_golden_mean_of_all_tokens_where_the_recipe_says_so(
    golden_ast: AST, meta: dict[str, Any], expected: Golden, frames: int
) -> None:
    config = meta["config"]
    sizes = config["hidden"], config["layers"], config["heads"], config["mlp_hidden"], config["classes"]
    model = AST(*sizes, pooling="token_mean").double().eval()
    weights = golden_ast.double().state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    features = model.forward_grid(model.stem(golden_input(frames)))
    expected.check(f"T{frames}/token_mean", features, atol=1e-9)
    assert torch.equal(model.classify(features), model.mlp_head[1](features))


def test_dropout_is_of_the_classifiers_input_alone_and_in_training_alone() -> None:
    torch.manual_seed(0)
    size = AST_VARIANTS["tiny"]
    model = AST(size.dim, size.depth, size.heads, size.mlp_dim, dropout=0.5)
    x = torch.randn(2, 32, 32)
    grid = model.stem(x)
    assert torch.equal(model.forward_grid(grid), model.forward_grid(grid))
    features = torch.randn(1, size.dim).expand(400, -1)
    assert len(model.classify(features).unique(dim=0)) == 400
    torch.testing.assert_close(
        model.classify(features).mean(dim=0), model.eval().classify(features)[0], atol=0.1, rtol=0
    )
    assert torch.equal(model(x), model(x))


def test_positions_are_cropped_around_the_middle_of_the_table(golden_ast: AST, meta: dict[str, Any]) -> None:
    rows, columns = meta["config"]["pretrain_grid"]
    frequency, time = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    table = torch.stack([frequency.flatten(), time.flatten()], dim=1).double()
    table = torch.cat([torch.full((2, 2), -1.0).double(), table])[None]
    for frames, table_facts in meta["position_table"].items():
        grid = golden_ast.grid(int(frames), 128)
        assert grid == (table_facts["freq_patches"], table_facts["time_patches"])
        fitted = fit_positions(table, grid)[0]
        assert len(fitted) == table_facts["tokens"]
        assert (fitted[:2] == -1).all()
        first_row = fitted[2 : 2 + grid[1], 1]
        if table_facts["interpolated"]:
            assert (first_row.diff() > 0).sum() > 0.9 * len(first_row)
            assert (first_row.min(), first_row.max()) == (0, columns - 1)
        else:
            assert first_row.tolist() == list(
                range(table_facts["time_crop_start"], table_facts["time_crop_stop"])
            )
        assert fitted[2 :: grid[1], 0].tolist() == list(range(rows))


def test_fewer_mel_bands_take_the_middle_rows_of_the_table() -> None:
    rows = torch.arange(12).repeat_interleave(101).double()
    table = torch.cat([torch.zeros(2), rows])[None, :, None]
    assert fit_positions(table, (5, 101))[0, 2::101, 0].tolist() == [4, 5, 6, 7, 8]


def test_a_swapped_table_shows_tokens_twelve_positions_in_time_over_and_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frequency, time = torch.meshgrid(torch.arange(12), torch.arange(101), indexing="ij")
    table = torch.stack([frequency.flatten(), time.flatten()], dim=1).float()
    model = AST(2, 0, 1, 2, position_layout="swapped")
    monkeypatch.setattr(model, "norm", torch.nn.Identity())
    with torch.no_grad():
        model.pos_embed.copy_(torch.cat([torch.full((2, 2), -1.0), table])[None])
        for special in (model.cls_token, model.dist_token):
            special.zero_()
        grid = model.grid(798, 128)
        positions = model.tokens(torch.zeros(1, 2, *grid))[0]
    assert (positions[:2] == -1).all()
    assert positions[2:, 1].round(decimals=4).tolist() == [44 + token % 12 for token in range(12 * 79)]
    # The row of a token is nearly right: it climbs evenly with the token's number, and is clamped at both ends.
    rows = ((torch.arange(12 * 79) // 12 + 0.5) * 12 / 79 - 0.5).clamp(0, 11)
    torch.testing.assert_close(positions[2:, 0], rows, atol=1e-4, rtol=0)


def test_a_mix_of_patches_moves_only_the_mixed_sample() -> None:
    torch.manual_seed(0)
    size = AST_VARIANTS["tiny"]
    model = AST(size.dim, size.depth, size.heads, size.mlp_dim).eval()
    x = torch.randn(3, 98, 128)
    grid = model.grid(98, 128)
    assert grid == (12, 9)
    mix = Mix("time", torch.tensor([1, 0, 2]), segment("time", grid, 0, 4))
    stem = model.stem(x)
    clean, mixed = model.forward_grid(stem), model.forward_grid(mix(stem))
    assert clean.shape == mixed.shape == (3, model.feature_dim)
    assert not torch.allclose(clean[:2], mixed[:2])
    torch.testing.assert_close(clean[2], mixed[2])


def test_features_and_their_classification_make_the_logits() -> None:
    size = AST_VARIANTS["tiny"]
    model = AST(size.dim, size.depth, size.heads, size.mlp_dim, num_classes=4).eval()
    x = torch.randn(2, 64, 32)
    torch.testing.assert_close(model(x), model.classify(model.forward_grid(model.stem(x))))


def test_the_base_variant_is_as_large_as_the_published_one() -> None:
    size = AST_VARIANTS["base"]
    with torch.device("meta"):
        model = AST(size.dim, size.depth, size.heads, size.mlp_dim, num_classes=527)
    head = sum(parameter.numel() for parameter in model.mlp_head.parameters())
    assert sum(parameter.numel() for parameter in model.parameters()) - head == 86_187_264


def test_an_input_smaller_than_a_patch_is_refused() -> None:
    size = AST_VARIANTS["tiny"]
    with pytest.raises(ValueError, match="at least 16 frames and 16 mel bands, got 15 x 128"):
        AST(size.dim, size.depth, size.heads, size.mlp_dim).grid(15, 128)
