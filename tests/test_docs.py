"""The documents name what is there, in lines that fit, and each package lists its files."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.test_layers import DOORS, FLOORS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = (
    "benchmarks",
    "data",
    "docs",
    "evidence",
    "examples",
    "model",
    "search_spaces",
    "sweep",
    "tests",
    "tools",
)
AT_THE_TOP = re.compile(r"Makefile|cluster\.yaml|pyproject\.toml|requirements[\w-]*\.lock")
LISTED_BY_FILE = ("evidence", "data", "model", "model/selective_scan", "model/training")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def lines_of(document: Path) -> Iterator[tuple[str, bool]]:
    """Each line of a document, and whether it belongs to a block of code."""
    in_code = False
    for line in document.read_text(encoding="utf-8").splitlines():
        fence = line.lstrip().startswith("```")
        in_code ^= fence
        yield line, in_code or fence


def paths_named(document: Path) -> set[str]:
    """Words in inline code or blocks of code that look like a path in this repository."""
    prose = "\n".join(line for line, in_code in lines_of(document) if not in_code)
    code = "\n".join(line for line, in_code in lines_of(document) if in_code)
    words = f"{' '.join(re.findall(r'`([^`]+)`', prose))} {code}".split()
    words = [word.strip("\"'(),;:") for word in words]
    return {
        re.split("#|::", word)[0]
        for word in words
        if (word.split("/")[0] in FOLDERS and "/" in word) or AT_THE_TOP.fullmatch(word)
    }


def functions_named(document: Path) -> set[str]:
    """Test functions in a document's text, as `path::name`, without the ids of their parameters."""
    return set(re.findall(r"tests/[\w/]+\.py::\w+", document.read_text(encoding="utf-8")))


def rows_with_tests(document: Path) -> list[str]:
    """Rows of those tables of a document whose last column is headed `tests`."""
    tables = re.findall(
        r"^\|.* tests \|\n\|[-|]+\n((?:\|.*\n)+)", document.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [row for table in tables for row in table.splitlines()]


def anchors(document: Path) -> set[str]:
    """What GitHub calls the headings of a document in links."""
    headings = (line for line, in_code in lines_of(document) if line.startswith("#") and not in_code)
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in headings}


@documents
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    assert [path for path in sorted(paths_named(document)) if not any(ROOT.glob(path.rstrip("/")))] == []


@documents
def test_every_relative_link_resolves(document: Path) -> None:
    prose = "\n".join(line for line, in_code in lines_of(document) if not in_code)
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        place, _, anchor = link.partition("#")
        if not place.startswith(("http:", "https:", "mailto:")):
            target = document.parent / place if place else document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@documents
def test_lines_outside_tables_and_code_have_at_most_100_columns(document: Path) -> None:
    long = [line for line, in_code in lines_of(document) if len(line) > 100 and not in_code]
    assert [line for line in long if not line.startswith("|")] == []


def test_the_readme_lists_each_file_of_data_and_model_and_each_package_of_sweep() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("## What is where")[1].split("```")[1]
    listed: set[str] = set()
    package = ""
    for line in tree.splitlines()[1:]:
        name = line.split()[0]
        assert len(line.split()) > 1, f"{name}: no remark"
        package = package if line.startswith(" ") else name
        listed.add(f"{package}{name}" if line.startswith(" ") else name)
    expected = {f"{folder}/" for folder in (*LISTED_BY_FILE, "sweep")}
    for folder in LISTED_BY_FILE:
        expected |= {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.py")}
    expected |= {f"sweep/{path.parent.name}/" for path in (ROOT / "sweep").glob("*/__init__.py")}
    expected -= {path for path in expected if path.endswith("__init__.py")}
    assert {
        name for name in listed if name.split("/")[0] in ("evidence", "data", "model", "sweep")
    } == expected


def test_the_picture_of_floors_is_what_the_layer_test_holds() -> None:
    picture = (ROOT / "docs" / "code.md").read_text(encoding="utf-8").split("## Floors")[1].split("```")[1]
    name = re.compile(r"(?:^| {3})((?:evidence|data|model|sweep)[.\w]*)(?= {3}|$)")
    rows = [set(name.findall(line)) for line in picture.splitlines()]
    assert [row for row in rows if row] == FLOORS


def test_the_doors_of_outside_systems_are_those_of_the_layer_test() -> None:
    page = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
    table = page.split("| outside system | comes in by |\n")[1].split("\n\n")[0]
    _, *rows = (line.strip("| ").split(" | ") for line in table.splitlines())
    told = {
        re.split(r"\W", system)[0].lower(): {
            path.removesuffix(".py").strip("/").replace("/", ".") for path in re.findall(r"`([^`]+)`", doors)
        }
        for system, doors in rows
    }
    assert told == {name: doors for name, doors in DOORS.items() if doors}


@pytest.mark.parametrize(
    "package",
    [path.parent for path in sorted((ROOT / "sweep").rglob("*/__init__.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_package_of_sweep_lists_its_files(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    listed = re.findall(r"^ *(\w+)/? {2,}\S", text, re.MULTILINE)
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in package.glob("*/__init__.py")}
    assert sorted(listed) == sorted(modules | packages)


def test_the_readmes_first_run_is_for_any_machine_and_one_for_a_gpu_says_so() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    runs = list(re.finditer(r"^respsweep run (search_spaces/\S+)", text, re.MULTILINE))
    studies = [yaml.safe_load((ROOT / run[1]).read_text(encoding="utf-8")) for run in runs]
    gpus = [study.get("resources", {}).get("gpu", 0) for study in studies]
    assert gpus[0] == 0
    assert any(gpus)
    for run, gpu in zip(runs, gpus, strict=True):
        told = text[: run.start()].rpartition("```sh")[0].rpartition("\n\n")[0].rpartition("\n\n")[2]
        assert not gpu or ("GPU" in told and "weights" in told)


def test_commands_of_the_readme_are_written_as_the_program_prints_them() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert ".venv/bin/respsweep" not in text
    assert text.index(". .venv/bin/activate") < text.index("\nrespsweep ")


def test_every_promise_about_faults_has_tests_that_exist_or_says_that_it_is_not_tested() -> None:
    document = ROOT / "docs" / "reliability.md"
    rows = rows_with_tests(document)
    assert [row for row in rows if "::test_" not in row and "not tested" not in row.lower()] == []
    named, there = functions_named(document), set[str]()
    assert len(named) > len(rows) > 0
    for path in {name.partition("::")[0] for name in named}:
        parts = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
        there |= {f"{path}::{part.name}" for part in parts if isinstance(part, ast.FunctionDef)}
    assert sorted(named - there) == []


def test_each_message_of_the_page_on_troubles_is_one_of_ours() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(quoted) > 25
    files = [path for package in ("data", "model", "sweep") for path in (ROOT / package).rglob("*.py")]
    # Long messages are written in several strings, one below the other.
    ours = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))
    theirs = {"Address already in use"}
    assert [message for message in quoted if message not in ours and message not in theirs] == []
