from typing import Any

import pytest

from data.settings import ConfigError, parse
from model.lora_config import LoRAConfig
from model.recipe_parts import BackboneConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"name": "dass", "pretrained": "w.pth"},
            "dass has no transformer layers of ours, so lora must be null",
        ),
        ({"name": "cnn_tsa", "pretrained": "w.pth"}, "cnn_tsa has no transformer layers of ours, so lora"),
        ({"name": "mine:Net"}, "mine:Net has no transformer layers of ours, so lora must be null"),
        ({"name": "ast"}, "random ones know nothing: name weights in pretrained, or set lora to null"),
        ({"name": "beats"}, "random ones know nothing"),
        (
            {"name": "ast", "variant": "tiny", "pretrained": "w.pth", "lora": {"rank": 49}},
            "lora.rank: tokens of ast tiny are 48 wide, got 49",
        ),
        ({"name": "ast", "lora": {"rank": 0}}, "lora.rank: must be"),
        ({"name": "ast", "lora": {"targets": []}}, "lora.targets: must name one projection or more"),
        ({"name": "ast", "lora": {"targets": ["key", "key"]}}, "each once; got key, key"),
        ({"name": "ast", "lora": {"targets": ["mlp"]}}, "lora.targets.0"),
        ({"name": "ast", "lora": {"rnak": 4}}, "no such field; did you mean"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(BackboneConfig, {"lora": {}, **settings}, "recipe.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["ast", "beats"])
def test_the_defaults_are_those_of_the_paper_for_encoders(name: str) -> None:
    config = parse(BackboneConfig, {"name": name, "pretrained": "w.pth", "lora": {}}, "recipe.yaml")
    assert config.lora == LoRAConfig(rank=8, alpha=8.0, targets=("query", "value"))
    assert BackboneConfig(name=name).lora is None
