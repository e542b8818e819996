import hashlib
from pathlib import Path

import pytest

from data.own_code import is_own, own_code, own_object
from data.settings import ConfigError
from tests.own_parts import write_modules


@pytest.fixture(autouse=True)
def _modules_outside_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("name", ["a:B", "my_lab.networks:Crnn", "_x.y1:Z_2"])
def test_a_name_of_something_in_a_module_is_own(name: str) -> None:
    assert is_own(name)


@pytest.mark.parametrize(
    "name", ["dass", "1-1", "a:", ":B", "a.:B", "a:B.c", "a:B:c", "../a:B", "a b:C", "1a:B"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_own(name)


def test_an_object_is_found_in_its_module() -> None:
    assert own_object("my_coughs:LABELS") == ("normal", "dry", "wet")


def test_a_module_that_is_not_there_is_refused_with_where_it_may_be() -> None:
    with pytest.raises(
        ConfigError, match=r"nowhere:X: module nowhere cannot be imported .*; install it .*PYTHONPATH"
    ):
        own_object("nowhere:X")


def test_a_module_that_fails_is_refused_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "failing_module.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match=r"cannot be imported \(ZeroDivisionError: division by zero\)"):
        own_object("failing_module:X")


def test_a_name_that_the_module_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match=r"my_networks:Crnn: my_networks has no Crnn; it has .*Recurrent"):
        own_object("my_networks:Crnn")


def test_code_is_known_by_the_hash_of_each_modules_file(tmp_path: Path) -> None:
    (tmp_path / "one_module.py").write_text("X = 1")
    told = own_code(["one_module:X", "dass", None])
    assert told == {"one_module": hashlib.sha256(b"X = 1").hexdigest()}
