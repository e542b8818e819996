"""Weights from a folder or the hub go into a network whole, or not at all. Layouts: `test_weights_of_*.py`."""

from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError
from safetensors.torch import save_file

from model.pretrained import load_pretrained
from model.weights_file import PretrainedError
from tests.model.weights import dass, differing, tiny_weights


def test_a_folder_with_a_hugging_face_model_is_enough(tmp_path: Path) -> None:
    save_file(tiny_weights(), tmp_path / "model.safetensors")
    assert load_pretrained(dass("tiny", 4), str(tmp_path)).path == tmp_path / "model.safetensors"


def test_a_hub_id_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(hub_id: str, name: str) -> str:
        asked.append((hub_id, name))
        if name != "pytorch_model.bin":
            raise EntryNotFoundError("404")
        torch.save(tiny_weights(), tmp_path / name)
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    load_pretrained(dass("tiny", 4), "author/DASS_tiny")
    assert asked == [("author/DASS_tiny", "model.safetensors"), ("author/DASS_tiny", "pytorch_model.bin")]


def test_a_partial_backbone_is_refused_key_by_key_and_changes_nothing(tmp_path: Path) -> None:
    broken = {key: value for key, value in tiny_weights().items() if key != "layers.0.blocks.0.op.Ds"}
    broken["layers.9.blocks.0.op.Ds"] = torch.ones(3)
    broken["patch_embed.7.bias"] = torch.ones(5)
    torch.save(broken, tmp_path / "dass.pth")
    model = dass("tiny", 4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(
        PretrainedError, match=r"dass\.pth: not the weights of this DASS; 1 missing: .*op\.Ds"
    ) as caught:
        load_pretrained(model, str(tmp_path / "dass.pth"))
    assert caught.value.missing == ("layers.0.blocks.0.op.Ds",)
    assert caught.value.unexpected == ("layers.9.blocks.0.op.Ds",)
    assert caught.value.misshaped == ("patch_embed.7.bias (5,), not (16,)",)
    assert differing(model, before) == []


def test_another_size_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(tiny_weights(), tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match=r"missing: .* of another shape: ") as caught:
        load_pretrained(dass("small", 4), str(tmp_path / "dass.pth"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3000


def test_a_head_that_is_asked_for_must_fit(tmp_path: Path) -> None:
    torch.save(tiny_weights(), tmp_path / "dass.pth")
    with pytest.raises(PretrainedError, match=r"classifier\.head\.weight \(527, 128\), not \(4, 128\)"):
        load_pretrained(dass("tiny", 4), str(tmp_path / "dass.pth"), head=True)
