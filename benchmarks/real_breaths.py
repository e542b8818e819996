"""What the tiny networks reach on real breaths, beside plain methods: every backbone and objective, over five seeds.

One study holds all systems as enqueued configurations, without pruning or racing; what is there already is not trained
again, so an interrupted benchmark goes on. Scores are those of the last epoch on held-out patients of the training
part. With --pretrain-on, each backbone is first trained on another data set (its plain objective, seed 1), and every
system with the stem of those weights starts from them as well as from random ones.

    .venv/bin/python benchmarks/real_breaths.py --data ../shared/sprsound --task icbhi
    .venv/bin/python benchmarks/real_breaths.py --data ../shared/icbhi_sample --pretrain-on ../shared/sprsound
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import print_machine, print_table

import sweep
from data.task import Task, task_named
from evidence.scores import score, sensitivity, specificity
from evidence.seed_statistics import mean_interval
from model import plain_methods
from model.registry import build_backbone
from model.training.fit import fit
from sweep.config.study_config import StudyConfig
from sweep.study.units import Summary
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation

STUDY = Path(__file__).with_name("real_breaths.yaml")
SEEDS = (1, 2, 3, 4, 5)
PRETRAINED = ", pretrained"
RATES = ("score", "sensitivity", "specificity", "any_abnormal_score")
BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "cnn_tsa": {"optimiser.learning_rate": 2e-3, "features.bands": None, "backbone.attention": None},
    "dass": {"optimiser.learning_rate": 2e-3, "smoothing.stage": None, "backbone.stem": None},
    "ast": {
        "optimiser.learning_rate": 1e-3,
        "backbone.pooling": "mean",
        "backbone.dropout": None,
        "backbone.position_layout": "correct",
    },
    "beats": {"optimiser.learning_rate": 1e-3},
}
CONDITIONS: Mapping[str, Any] = {
    "features.bands": {"backbone.name": ["cnn_tsa"]},
    "backbone.attention": {"backbone.name": ["cnn_tsa"]},
    "smoothing.stage": {"backbone.name": ["dass"]},
    "smoothing.hook": {"smoothing.stage": [1, 2, (1, 2)]},
    "backbone.stem": {"backbone.name": ["dass"]},
    "backbone.pooling": {"backbone.name": ["ast"]},
    "backbone.dropout": {"backbone.name": ["ast"]},
    "backbone.position_layout": {"backbone.name": ["ast"]},
    "features.fill": {"features.norm": ["audioset"], "features.target_frames": [64]},
    "waveform_augment.gain": {"features.norm": ["audioset"]},
    "waveform_augment.noise": {"features.norm": ["audioset"]},
    "features.window": {"features.norm": ["beats"]},
    "loss.logit_adjustment": {"sampling.name": ["shuffle"]},
}
PLAIN: Mapping[str, Any] = {
    "patch_mix.axes": (),
    "optimiser.sam_rho": 0.0,
    "mixup.alpha": 0.0,
    "sampling.name": "weighted",
    "loss.focal_gamma": 0.0,
    "loss.label_smoothing": 0.0,
    "features.duration_s": 2.5,
    "features.padding": "repeat",
    "features.fade": True,
    "features.norm": "per_sample",
    "features.target_frames": None,
    "patient_alignment.cohesion_weight": 0.0,
    "patient_alignment.alignment_weight": 0.0,
}
PLAIN_OBJECTIVE = "cross-entropy, weighted sampling"
ONCE: Mapping[str, Any] = {"sampling.name": "shuffle", "loss.logit_adjustment": 0.0}
OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    PLAIN_OBJECTIVE: {},
    "cross-entropy, every cycle once": ONCE,
    "logit adjustment": {"sampling.name": "shuffle", "loss.logit_adjustment": 0.5},
    "focal loss": {"loss.focal_gamma": 2.0},
    "mixup": {"mixup.alpha": 0.2},
    "SAM": {"optimiser.sam_rho": 0.05},
    "Patch-Mix, cells": {"patch_mix.axes": ("cells",)},
    "Patch-Mix, both axes": {"patch_mix.axes": ("time", "frequency")},
    "PAFA": {"patient_alignment.cohesion_weight": 5.0, "patient_alignment.alignment_weight": 0.005},
}
SMOOTHED: Mapping[str, Any] = {"smoothing.stage": 2, "smoothing.hook": "scan_output"}
AUDIOSET: Mapping[str, Any] = {
    "features.norm": "audioset",
    "waveform_augment.gain": 0.0,
    "waveform_augment.noise": 0.0,
}
LOUD_AND_NOISY: Mapping[str, Any] = {**AUDIOSET, "waveform_augment.gain": 0.1, "waveform_augment.noise": 1e-4}
OF_ONE_NETWORK: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "cnn_tsa": {
        "no attention": {"backbone.attention": "none"},
        "SAM, radius 0.02": {"optimiser.sam_rho": 0.02},
        "SAM, radius 0.1": {"optimiser.sam_rho": 0.1},
        "24 lower of 32 bands": {"features.bands": tuple(range(24))},
        "24 upper of 32 bands": {"features.bands": tuple(range(8, 32))},
        "16 lower of 32 bands": {"features.bands": tuple(range(16))},
        "20 of 32 bands, by backward selection": {"features.bands": (*range(16), *range(28, 32))},
    },
    "dass": {
        "strided stem, layer norms (as published)": {"backbone.stem": "layer_norm"},
        "strided stem, batch norms": {"backbone.stem": "batch_norm"},
        "smoothing": SMOOTHED,
        "smoothing of the stage before": {**SMOOTHED, "smoothing.stage": 1},
        "smoothing of both stages": {**SMOOTHED, "smoothing.stage": (1, 2)},
        "smoothing before the scan": {**SMOOTHED, "smoothing.hook": "scan_input"},
        "smoothing of the state-space branch": {**SMOOTHED, "smoothing.hook": "op_output"},
        "smoothing of whole blocks": {**SMOOTHED, "smoothing.hook": "block_output"},
        "smoothing and Patch-Mix, cells": {**SMOOTHED, "patch_mix.axes": ("cells",)},
        "smoothing and Patch-Mix, frequency": {**SMOOTHED, "patch_mix.axes": ("frequency",)},
        "smoothing and Patch-Mix, time": {**SMOOTHED, "patch_mix.axes": ("time",)},
        "smoothing and Patch-Mix on both axes, the parts of Lung-SRAD": {
            **SMOOTHED,
            "patch_mix.axes": ("time", "frequency"),
        },
    },
    "ast": {
        "SAM, every cycle once": {**ONCE, "optimiser.sam_rho": 0.05},
        "SAM, radius 0.02": {"optimiser.sam_rho": 0.02},
        "SAM, radius 0.1": {"optimiser.sam_rho": 0.1},
        "SAM, label smoothing": {"optimiser.sam_rho": 0.05, "loss.label_smoothing": 0.1},
        "mean of all tokens, dropout": {"backbone.pooling": "token_mean", "backbone.dropout": 0.3},
        "swapped positions": {"backbone.position_layout": "swapped"},
        "statistics of AudioSet": AUDIOSET,
        "statistics of AudioSet, gain and noise": LOUD_AND_NOISY,
        "statistics of AudioSet, 14 of 64 frames raw zero": {
            **AUDIOSET,
            "features.target_frames": 64,
            "features.fill": "raw_zero",
        },
        "no fade": {"features.fade": False},
        "the parts of AST + SAM": {
            "optimiser.sam_rho": 0.05,
            "loss.label_smoothing": 0.1,
            "backbone.pooling": "token_mean",
            "backbone.dropout": 0.3,
            "features.fade": False,
            **LOUD_AND_NOISY,
        },
        "1.25 s": {"features.duration_s": 1.25},
        "5 s": {"features.duration_s": 5.0},
        "2.5 s, padded with zeros": {"features.padding": "zeros"},
        "5 s, padded with zeros": {"features.duration_s": 5.0, "features.padding": "zeros"},
    },
    "beats": {"statistics and window of BEATs": {"features.norm": "beats", "features.window": "povey"}},
}
"""What only one network has, or was asked of only one."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what is not there yet, and print one table."""
    asked = arguments(words)
    print_machine(torch.device("cpu"))
    pretrained = {}
    if asked.pretrain_on is not None:
        pretrained = {name: _pretrain(name, asked) for name in asked.backbones}
    points = systems(asked.backbones, asked.objectives, pretrained)
    config = sweep.read_study(STUDY, data=str(asked.data), task=asked.task, **settings(points, asked))
    study = sweep.run(config, asked.name or asked.data.name, studies=asked.studies)
    rows = [*_plain_rows(study.config), *_rows(study, points)]
    head = ("system", "parameters", "s a seed", "score %", "95 %", "against plain, points (95 %)")
    print_table((*head, "sensitivity %", "specificity %", "any abnormal %"), rows)
    return 0


def systems(
    backbones: Iterable[str], objectives: Iterable[str], pretrained: Mapping[str, Path]
) -> dict[str, dict[str, Any]]:
    """Name every system, and give its values of the searched fields."""
    found = {}
    for backbone in backbones:
        for objective, changes in {**OBJECTIVES, **OF_ONE_NETWORK[backbone]}.items():
            if objective not in objectives:
                continue
            fitting = [] if "backbone.stem" in changes else [pretrained.get(backbone)]
            for weights in (None, *filter(None, fitting)):
                start = "" if weights is None else PRETRAINED
                found[f"{backbone}, {objective}{start}"] = {
                    "backbone.name": backbone,
                    "backbone.pretrained": None if weights is None else str(weights),
                    **BACKBONES[backbone],
                    **PLAIN,
                    **changes,
                }
    return found


def settings(points: Mapping[str, Mapping[str, Any]], asked: argparse.Namespace) -> dict[str, Any]:
    """Settings of a study that trains all points with all seeds, for `sweep.read_study`."""
    values: dict[str, list[Any]] = {}
    for point in points.values():
        for field, value in point.items():
            values.setdefault(field, []).append(value)
    choices = {
        field: [one for i, one in enumerate(all_) if one not in all_[:i]] for field, all_ in values.items()
    }
    return {
        "search": {
            field: {"type": "categorical", "choices": some, "when": _condition(field, choices)}
            for field, some in choices.items()
        },
        "enqueue": list(points.values()),
        "budget": {"configurations": len(points)},
        "seeds": list(SEEDS[: asked.seeds]),
        **({} if asked.epochs is None else {"recipe.epochs": asked.epochs}),
    }


def _condition(field: str, choices: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]] | None:
    """The condition of a field, as far as the systems of this study have the values that it waits for."""
    waits = CONDITIONS.get(field, {})
    found = {other: [one for one in allowed if one in choices[other]] for other, allowed in waits.items()}
    return found or None


def _pretrain(backbone: str, asked: argparse.Namespace) -> Path:
    """Find the checkpoint of a backbone trained with its plain objective on the other data set, or train it."""
    (point,) = systems([backbone], [PLAIN_OBJECTIVE], {}).values()
    config = sweep.read_study(STUDY, **settings({"": point}, asked))
    recipe = config.space.recipe(point)
    task = DataPreparation(asked.data, task=asked.task).task.name
    preparation = DataPreparation(asked.pretrain_on, task=task)
    train, validation = load_examples(preparation.prepare(recipe), recipe.folds.fold)
    torch.set_num_threads(1)  # as a unit is trained
    path = Path(asked.studies) / "pretrained" / f"{backbone}-{recipe.digest()[:12]}.pt"
    history = list(fit(recipe, 1, train, validation, task=preparation.task, checkpoint=path))
    print(f"{backbone} on {asked.pretrain_on.name}: score {100 * history[-1].score:.1f} %", flush=True)
    return path.absolute()


def _rows(study: sweep.Study, points: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    epochs = study.curves()
    seconds = epochs.groupby(["configuration", "seed"])["seconds"].sum().groupby("configuration").median()
    last = epochs.sort_values("epoch").groupby(["configuration", "seed"]).last()
    numbers = {name: number for number, name in enumerate(points)}
    rows = []
    for name, number in numbers.items():
        recipe = study.configuration(number).recipe
        scratch = recipe.backbone.model_copy(update={"pretrained": None})
        classes = task_named(study.config.task or "icbhi").num_classes
        network = build_backbone(scratch, recipe.smoothing, classes, recipe.input_shape)
        parameters = sum(weights.numel() for weights in network.parameters())
        rates = {rate: last.loc[number][rate].tolist() for rate in RATES}
        plain = numbers.get(plain_of(name), number)
        gains = [] if plain == number else (last.loc[number]["score"] - last.loc[plain]["score"]).tolist()
        rows.append((name, f"{parameters:,}", f"{seconds[number]:.0f}", *_cells(rates, gains)))
    return rows


def plain_of(system: str) -> str:
    """Name the system with the plain objective that has the same backbone and begins from the same weights."""
    backbone, *_ = system.split(", ")
    return f"{backbone}, {PLAIN_OBJECTIVE}" + (PRETRAINED if system.endswith(PRETRAINED) else "")


def _plain_rows(config: StudyConfig) -> list[tuple[str, ...]]:
    recipe = config.space.recipe(config.enqueue[0])
    preparation = DataPreparation(Path(str(config.data)), task=config.task)
    train, validation = load_examples(preparation.prepare(recipe), recipe.folds.fold)
    task = preparation.task
    rows = []
    for method in plain_methods.METHODS:
        found = [
            _rates(task, plain_methods.confusion(method, seed, train, validation, task.num_classes))
            for seed in config.seeds
        ]
        rows.append((method, "", "", *_cells({rate: [one[rate] for one in found] for rate in RATES})))
    return rows


def _rates(task: Task, confusion: np.ndarray) -> dict[str, float]:
    rates = {
        "score": score(confusion, task.score),
        "sensitivity": sensitivity(confusion),
        "specificity": specificity(confusion),
        "any_abnormal_score": score(confusion, task.score, any_abnormal=True),
    }
    return {name: rate for name, rate in rates.items() if rate is not None}


def _cells(rates: Mapping[str, Sequence[float]], gains: Sequence[float] = ()) -> list[str]:
    """Mean and deviation of each rate in percent; after the score the interval of its mean, and of that of `gains`."""
    summaries = {name: Summary.of([100 * value for value in values]) for name, values in rates.items()}
    cells = {
        name: f"{summary.mean:.1f}" + (f" ± {summary.sd:.1f}" if summary.sd else "")
        for name, summary in summaries.items()
    }
    percent = [100 * value for value in gains]
    gain = _between(mean_interval(percent), "+.1f")
    against = f"{statistics.fmean(percent):+.1f} ({gain})".replace(" ()", "") if percent else ""
    interval = Summary.of(rates["score"]).interval()
    score = [cells["score"], _between(interval and tuple(100 * end for end in interval), ".1f"), against]
    return [*score, *(cells[name] for name in RATES[1:])]


def _between(interval: tuple[float, ...] | None, form: str) -> str:
    return "" if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the arguments of a command line, by default this process's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    objectives = [*OBJECTIVES, *dict.fromkeys(name for some in OF_ONE_NETWORK.values() for name in some)]
    parser.add_argument("--data", type=Path, required=True, help="recordings")
    parser.add_argument("--task", help="where the recordings have several")
    parser.add_argument("--pretrain-on", type=Path, help="other recordings, which have the same task")
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--objectives", nargs="+", choices=objectives, default=objectives)
    parser.add_argument("--seeds", type=int, choices=range(1, len(SEEDS) + 1), default=len(SEEDS))
    parser.add_argument("--epochs", type=int, help="other than the study file's")
    parser.add_argument("--name", help="of the study; default: the data's")
    parser.add_argument("--studies", default="studies", help="folder of studies")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
