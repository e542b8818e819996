"""The engines of the selective scan by name, and where each runs. Free of torch, as a study file is checked here."""

from __future__ import annotations

from typing import Literal, get_args

Engine = Literal["auto", "reference", "numba", "triton", "mamba"]
ENGINES: tuple[str, ...] = get_args(Engine)
DEVICES = {"numba": "cpu", "triton": "cuda", "mamba": "cuda"}
"""The one device type on which an engine runs; engines that are not named run everywhere."""
