"""Files that are no checkpoint, or a broken or hostile one, are refused in one line."""

import struct
import zipfile
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


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda value: value * float("nan"), "not finite"),
        (lambda value: value.to(torch.int32), "not in floating point"),
        (lambda value: value.to(torch.complex64), "not in floating point"),
        (lambda value: value.double().fill_(1e300), "not finite"),
        (lambda value: value.to("meta"), "not plain numbers in memory"),
        (lambda value: value.to_sparse(), "not plain numbers in memory"),
        (lambda value: value[:1, :1].expand(10**4, 10**4), "not plain numbers in memory"),
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


def test_a_flipped_bit_is_found_and_the_model_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "dass.pth"
    torch.save(tiny_weights(), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    model = dass("tiny", 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(PretrainedError, match=r"truncated one: .* has changed since it was written$"):
        load_pretrained(model, str(path))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    torch.save(tiny_weights(), tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "dass.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in whole.infolist():
            packed.writestr(entry.filename, whole.read(entry))
    with pytest.raises(PretrainedError, match=r"is compressed, which torch\.save never does"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


@pytest.mark.parametrize("error", [AttributeError, struct.error, IndexError, AssertionError, TypeError])
def test_however_the_reader_of_a_damaged_file_fails_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error("of the reader")

    (tmp_path / "dass.pth").write_bytes(b"anything")
    monkeypatch.setattr(torch, "load", fails)
    with pytest.raises(PretrainedError, match=r"dass\.pth: not a checkpoint, or a truncated one$"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"))


@pytest.mark.parametrize("case", ["09_weights_flipped_bit", "09_weights_nan", "10_weights_half_loaded_meta"])
def test_known_hostile_weights_are_refused(cases: Path, case: str) -> None:
    with pytest.raises(PretrainedError, match=r"w\.pth: "):
        load_pretrained(dass("tiny", 4), str(cases / "hostile" / case / "w.pth"))
