"""Each dependency is under a licence that goes with ours, and one that is not is found."""

from email.message import Message
from typing import Any

import licences
import pytest
from lock_files import Pinned, pinned


def metadata(name: str = "some", *classifiers: str, **fields: str) -> Any:
    made = Message()
    made["Name"] = name
    for field, value in fields.items():
        made[field.replace("_", "-")] = value
    for classifier in classifiers:
        made["Classifier"] = f"License :: OSI Approved :: {classifier}"
    return made


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        (metadata(License_Expression="MIT AND PSF-2.0", License="x"), "MIT AND PSF-2.0"),
        (metadata("a", "MIT License", License="All rights reserved."), "MIT"),
        (metadata("a", "BSD License", "Apache Software License"), "BSD-3-Clause AND Apache-2.0"),
        (metadata("a", "MIT License", "GNU General Public License v3 (GPLv3)"), "MIT AND unknown"),
        (metadata(License="Apache 2.0"), "Apache-2.0"),
        (metadata(License="BSD-2-Clause"), "BSD-2-Clause"),
        (metadata(License="Do what is right."), "unknown"),
        (metadata("Huey"), "MIT"),
        (metadata(), "unknown"),
    ],
)
def test_a_licence_is_read_from_what_a_package_says(said: Any, licence: str) -> None:
    assert licences.licence_of(said) == licence


@pytest.mark.parametrize(
    ("expression", "compatible"),
    [
        ("MIT", True),
        ("MPL-2.0 AND MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("AGPL-3.0-or-later", False),
        ("CC-BY-NC-4.0", False),
        ("LicenseRef-Own", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_copyleft_that_would_reach_us_and_what_nobody_names_do_not_go_with_ours(
    expression: str, compatible: bool
) -> None:
    assert licences.is_compatible(expression) == compatible


def test_all_dependencies_go_with_our_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert licences.main() == 0
    said = capsys.readouterr().out
    assert "0 not compatible" in said
    assert all(f" {package.name} {package.version}" in said for package in pinned())


@pytest.mark.parametrize("said", [metadata(License="GPL-3.0-only"), metadata(), None])
def test_one_that_does_not_is_an_error(
    said: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bad(name: str) -> Any:
        return Pinned(name, "1", "requirements.lock", ("0" * 64,), here=True)

    monkeypatch.setattr(licences, "pinned", lambda: [bad("some")])
    monkeypatch.setattr(licences, "metadata_of", lambda package: said)
    assert licences.main() == 1
    assert "some 1" in capsys.readouterr().out
    # What torch brings along of NVIDIA's is told apart, and is no error.
    monkeypatch.setattr(licences, "pinned", lambda: [bad("nvidia-cublas")])
    assert licences.main() == (1 if said is None else 0)
