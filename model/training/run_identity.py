"""Whose run the state in a checkpoint is of: recipe, seed, task, and what was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.task import ICBHI
from model.training.checkpoint import CheckpointError


@dataclass(frozen=True)
class RunIdentity:
    """What a state must have in common with the run that goes on from it.

    `recipe`: the digest of its recipe, or another text for that. `task`: the name of its task. `data`: a text that
    stands for what it was trained on, which `rests_on` names for people; None does not count.
    """

    recipe: str
    seed: int
    task: str
    data: str | None
    rests_on: str

    def as_state(self) -> dict[str, Any]:
        """Write it as the part of a state that `check` compares."""
        return {"recipe": self.recipe, "task": self.task, "data": self.data, "seed": self.seed}

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise CheckpointError when a state is another run's; it may hold anything."""
        if not (_same(state.get("recipe"), self.recipe) and _same(state.get("seed"), self.seed)):
            recipe, seed = _shown(state.get("recipe")), _shown(state.get("seed"), 20)
            raise CheckpointError(
                f"the checkpoint belongs to recipe {recipe} with seed {seed}; "
                f"this run is recipe {self.recipe[:12]} with seed {self.seed}"
            )
        # States of before there were tasks are of ICBHI's.
        if not _same(task := state.get("task", ICBHI.name), self.task):
            raise CheckpointError(
                f"the checkpoint was trained on task {_shown(task)}; this run is of task {self.task}"
            )
        # States of before data counted do not say what they were trained on.
        of = state.get("data")
        if of is not None and self.data is not None and not _same(of, self.data):
            raise CheckpointError(
                f"the checkpoint was trained on other {self.rests_on} ({_shown(of)}) than this run "
                f"({_shown(self.data)})"
            )


def _same(read: object, ours: object) -> bool:
    """Whether what a file holds is ours; a file may hold anything, also a tensor, which compares number by number."""
    return type(read) is type(ours) and read == ours


def _shown(identity: object, length: int = 12) -> str:
    """The beginnings of the hashes in an identity, as read from a file, which may hold anything; on one line."""
    return "/".join(part[:length] for part in " ".join(str(identity)[:200].split()).split("/"))
