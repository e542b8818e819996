"""What tests of whole studies run: a recipe whose epochs are over in a moment, and a study of such units."""

from typing import Any

from sweep.study.board import Board

TINY_RECIPE: dict[str, Any] = {
    "backbone": {"name": "dass", "variant": "tiny"},
    "features": {"n_mels": 32, "frame_length_ms": 64, "frame_shift_ms": 64, "target_frames": 32},
}
"""Small enough for one core: 64 ms frames of 32 mel bands, 32 of them, and the smallest network."""


def tiny_study(epochs: int, *, resources: Any = None, **other: object) -> dict[str, Any]:
    """A search space file's content: an epoch is over in a moment, and no unit is pruned or left out.

    `other`: further fields, or other values of those here. Every epoch is saved before it is reported, unless
    `resources` say otherwise, so that a unit that lost its worker goes on after the last epoch that was heard.
    """
    return {
        "data": {"patients": 12, "seed": 0},
        "recipe": {
            **TINY_RECIPE,
            "optimiser": {"learning_rate": 1e-3, "weight_blend": 0.0},
            "epochs": epochs,
        },
        "search": {"patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5, "log": True}},
        "seeds": [1, 2],
        "pruner": {"name": "none"},
        "racing": {"name": "none"},
        **other,
        "resources": {"checkpoint_minutes": 0, **(resources or {})},
    }


def curves(board: Board) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Every report of every unit but for durations and notes, by the values and the seed: what a study came to."""
    return {
        (*configuration.values.values(), seed): [
            {
                name: value
                for name, value in report.items()
                if name not in ("seconds", "repeated", "carried", "note")
            }
            for report in unit.curve
        ]
        for configuration in board.configurations
        for seed, unit in configuration.units.items()
    }
