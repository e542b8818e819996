"""Files that are no checkpoint, or a broken or hostile one, are refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from model.pretrained import load_pretrained
from model.weights_file import PretrainedError
from tests.model.weights import dass, tiny_weights


class Runs:
    """Unpickled, it would run a command of its own."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("1/0",)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("name", ["dass.pth", "dass.safetensors"])
@pytest.mark.parametrize("damage", [cut, lambda content: b"", lambda content: b"<html>404 Not Found</html>"])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    tiny = tiny_weights()
    path = tmp_path / name
    save_file(tiny, path) if name.endswith("safetensors") else torch.save(tiny, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PretrainedError, match=rf"{name}: not a checkpoint, or a truncated one$"):
        load_pretrained(dass("tiny", 4), str(path))


def test_a_file_cut_before_its_directory_is_truncated_not_unreadable(tmp_path: Path) -> None:
    torch.save(tiny_weights(), tmp_path / "dass.pth")
    whole = (tmp_path / "dass.pth").read_bytes()
    for length in (1, 100, 1000, len(whole) - 100, len(whole) - 1):
        (tmp_path / "dass.pth").write_bytes(whole[:length])
        with pytest.raises(PretrainedError, match="not a checkpoint, or a truncated one"):
            load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": {}, "args": Runs()}, tmp_path / "dass.pth")
    with pytest.raises(
        PretrainedError, match=r"refused, for it needs .*eval to be run; expected tensors"
    ) as caught:
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {"epoch": 3}}, torch.ones(3), {3: torch.ones(3)}])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match="expected tensors by name"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda value: value * float("nan"), "not finite"),
        (lambda value: value.to(torch.int32), "not in floating point"),
        (lambda value: value.to(torch.complex64), "not in floating point"),
    ],
)
def test_weights_that_are_no_finite_real_numbers_are_refused(
    tmp_path: Path, spoil: Callable[[Tensor], Tensor], what: str
) -> None:
    tiny = tiny_weights()
    name = "layers.0.blocks.0.op.A_logs"
    torch.save({**tiny, name: spoil(tiny[name])}, tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match=rf"dass\.pth: 1 of \d+ tensors are {what}: {name}; expected"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))
