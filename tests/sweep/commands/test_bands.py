"""`respsweep bands`: what it says while networks train, and how it is broken off and goes on."""

import errno
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.progress import Progress

from data import atomic
from data.synthetic import write_breaths
from sweep.cli import main
from sweep.commands.bands import TOLD_S, _Work
from sweep.evaluation import band_selection
from tests.sweep.evaluation.test_band_selection import TINY


def test_bands_says_what_each_network_is_at_and_goes_on_after_ctrl_c_and_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_breaths(tmp_path / "breaths", patients=8, seed=0)
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(yaml.safe_dump(TINY))
    command = [
        "respsweep",
        "bands",
        "recipe.yaml",
        "--data",
        "breaths",
        "--rounds",
        "0",
        "--output",
        "r.json",
    ]
    original, begun = band_selection.Training, list[int]()

    def broken_off(*arguments: Any, **options: Any) -> Any:
        begun.append(len(begun))
        if len(begun) in (1, 2, 4):
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(band_selection, "Training", broken_off)
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert "no network was finished, so nothing is kept" in capsys.readouterr().err.splitlines()
    Path("r.json.networks").write_text('{"of": "another ranking"}\n')
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "no network was finished; r.json.networks stays as it was before"
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    told = capsys.readouterr().err.splitlines()
    assert "network 1: 20 bands, fold 1/2, epochs: 1" in told
    assert "finished networks are kept in r.json.networks: the same command goes on from there" in told

    def full(path: Path, content: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_whole", full)
        with pytest.raises(SystemExit) as stopped:
            main()
    assert stopped.value.code == 1
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert len(begun) == 5
    assert Path("r.json").exists()
    assert not Path("r.json.networks").exists()


def test_without_a_terminal_a_line_says_every_half_minute_how_far_a_network_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    with Progress(disable=True) as bar:
        at_work = _Work(bar, lambda: now[0])
        for step in range(7):
            at_work("network 1, integrated_gradients of cycles", step, 800)
            now[0] += TOLD_S / 2
        at_work("network 2, epochs", 0, 50)
        at_work("network 2, epochs", 1, 50)
    assert capsys.readouterr().err.splitlines() == [
        "network 1, integrated_gradients of cycles: 800",
        "network 1, integrated_gradients of cycles: 2 of 800",
        "network 1, integrated_gradients of cycles: 4 of 800",
        "network 1, integrated_gradients of cycles: 6 of 800",
        "network 2, epochs: 50",
    ]
