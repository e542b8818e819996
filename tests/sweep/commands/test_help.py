"""Help and completion of every command: meanings, types, an example that is one, and the names of studies."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sweep.commands.app import app
from sweep.commands.examples import EXAMPLES
from tests.sweep.command_line import respsweep
from tests.test_docs import DOCUMENTS, ROOT

HEAVY = ("torch", "ray", "optuna", "mlflow", "numpy", "pandas")
"""Without pydantic, which typer asks whether it is there."""


def commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each command by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


COMMANDS = dict(commands(get_command(app)))


def test_each_command_has_an_example_and_no_other() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_and_argument_says_what_it_is(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert [parameter.name for parameter in command.params if not parameter.help] == []


def calls_in(document: Path) -> Iterator[list[str]]:
    """Words of each call of `respsweep` in a document's code, without comments; those of options alone are left out."""
    text = re.sub(r"\\\n *", " ", document.read_text(encoding="utf-8"))
    blocks = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks.findall(text) for line in block.splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", blocks.sub("", text))]
    for line in lines:
        for call in re.split(r"(?<![\w/.-])respsweep ", re.split(r"(?:^|\s)#\s", line)[0])[1:]:
            words = re.split(r"[;|\"]|&&", call)[0].split()
            if words and not words[0].startswith("-"):
                yield words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_are_there_with_their_options(document: Path) -> None:
    calls = list(calls_in(document))
    assert len(calls) > 30 or document.name != "README.md"
    for words in calls:
        name = " ".join(words[:2]) if words[0] == "cluster" else words[0]
        assert name in COMMANDS, words
        known = {option for one in COMMANDS[name].params for option in (*one.opts, *one.secondary_opts)}
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= {"--help", *known}, words


def test_the_page_on_studies_names_each_command_that_writes_for_programs_and_papers() -> None:
    page = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    sentence = page.split("## For programs and papers\n\n")[1].split("take `--format`")[0]
    forms = {
        name
        for name, command in COMMANDS.items()
        for one in command.params
        if "--format" in one.opts and one.help.startswith("json and csv")
    }
    assert set(re.findall(r"`(\w+)`", sentence)) == forms


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_is_read_as_the_command_reads_it(name: str) -> None:
    words = shlex.split(EXAMPLES[name].partition(" > ")[0])
    assert " ".join(words).startswith(name)
    arguments = words[len(name.split()) :]
    # Parsing alone: a context that is made calls nothing.
    assert COMMANDS[name].make_context(name, arguments).params.keys() >= {
        parameter.name for parameter in COMMANDS[name].params if parameter.required
    }


def test_help_shows_the_example_and_the_types(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "120")
    assert respsweep(monkeypatch, "simulate", "--help") == 0
    shown = capfd.readouterr().out
    assert "Example: respsweep simulate search_spaces/lung_srad.yaml --workers 4 " in " ".join(shown.split())
    assert re.search(r"--workers\s+<int range> \[x>=1\]", shown)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    for name in ("first", "fifth", "other"):
        (folder / name).mkdir(parents=True)
        (folder / name / "study.yaml").touch()
    return folder


def completed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: str) -> list[str]:
    """What bash is told to complete the last of some words with."""
    monkeypatch.setenv("_RESPSWEEP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    respsweep(monkeypatch)
    return capfd.readouterr().out.split()


@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("respsweep status ", ["fifth", "first", "other"]),
        ("respsweep leaderboard fi", ["fifth", "first"]),
        ("respsweep rename o", ["other"]),
        ("respsweep run --resume fir", ["first"]),
        ("respsweep simulate --from o", ["other"]),
        ("respsweep status --studies nowhere f", []),
        ("respsweep status --studies s3://bucket/lab f", []),
        ("respsweep leade", ["leaderboard"]),
    ],
)
def test_names_of_studies_are_completed(
    words: str, names: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert completed(monkeypatch, capfd, words) == names


@pytest.mark.usefixtures("studies")
def test_a_shell_that_takes_the_completion_completes_without_loading_libraries(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "respsweep"
    program.parent.mkdir()
    code = (
        "import atexit, sys; sys.argv[0] = 'respsweep'; from sweep.cli import main\n"
        f"atexit.register(lambda: open('loaded', 'w').write(' '.join({{*{HEAVY}}} & {{*sys.modules}})))\nmain()"
    )
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    typed = (
        'eval "$(respsweep --show-completion bash)"; COMP_WORDS=(respsweep status f); COMP_CWORD=2; '
        '_respsweep_completion respsweep; echo "${COMPREPLY[@]}"'
    )
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    done = subprocess.run(
        ["bash", "-c", typed], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["fifth", "first"]
    assert (tmp_path / "loaded").read_text() == ""
