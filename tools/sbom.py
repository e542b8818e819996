"""A software bill of materials of the lock files, as CycloneDX JSON 1.6. `make sbom` writes `sbom.json`.

Each package has its version, package URL, licence where it is installed here, the SHA-256 of its files on the registry,
and what it depends on. `scope` says which lock it is from: required to run, optional for clusters, excluded for
development.
"""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from licences import UNKNOWN, licence_of
from lock_files import ROOT, Pinned, metadata_of, pinned
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCOPES = {
    "requirements.lock": ComponentScope.REQUIRED,
    "requirements-cluster.lock": ComponentScope.OPTIONAL,
    "requirements-dev.lock": ComponentScope.EXCLUDED,
}


def bill(packages: Iterable[Pinned], project: Path = ROOT / "pyproject.toml") -> Bom:
    """Make the bill of materials of packages, for the project that a `pyproject.toml` describes."""
    packages = list(packages)
    about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    licences = LicenseFactory()
    root = Component(
        name=about["name"],
        version=about["version"],
        type=ComponentType.APPLICATION,
        bom_ref=about["name"],
        licenses=[licences.make_from_string(about["license"])],
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(map(repr, packages))))
    bom.metadata.component = root
    components = {package: _component(package, licences) for package in packages}
    bom.components.update(components.values())
    asked = [
        *about["dependencies"],
        *(line for lines in about["optional-dependencies"].values() for line in lines),
    ]
    by_name: dict[str, list[Component]] = {}
    for package, component in components.items():
        by_name.setdefault(package.name, []).append(component)
    bom.register_dependency(root, _named(asked, by_name))
    for package, component in components.items():
        bom.register_dependency(component, _named(_requires(package), by_name))
    return bom


def _component(package: Pinned, licences: LicenseFactory) -> Component:
    metadata = metadata_of(package)
    licence = UNKNOWN if metadata is None else licence_of(metadata)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{package.name}=={package.version}",
        purl=PackageURL("pypi", name=package.name, version=package.version),
        scope=SCOPES[package.lock],
        licenses=[] if licence == UNKNOWN else [licences.make_from_string(licence)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
        properties=[Property(name="respsweep:lock", value=package.lock)],
    )


def _requires(package: Pinned) -> list[str]:
    return [] if metadata_of(package) is None else importlib.metadata.requires(package.name) or []


def _named(lines: Iterable[str], by_name: dict[str, list[Component]]) -> Iterator[Component]:
    """Components that requirements ask for on this machine, without their extras."""
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from by_name.get(canonicalize_name(requirement.name), [])


def main() -> int:
    """Write the bill to the file that is named, or to `sbom.json`."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "sbom.json")
    made = bill(pinned())
    target.write_text(JsonV1Dot6(made).output_as_string(indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(made.components)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
