"""Whether a machine has room for a unit, by the resources that Ray counts; what to set where none has."""

from __future__ import annotations

from collections.abc import Mapping

from sweep.config.study_parts import RESOURCES, ResourcesConfig


def bundle(resources: ResourcesConfig) -> dict[str, float]:
    """Name what a unit takes of a node, in Ray's words."""
    asked = {"CPU": resources.cpu, "GPU": resources.gpu, **resources.custom}
    return {name: amount for name, amount in asked.items() if amount}


def units_on(node: Mapping[str, float], resources: ResourcesConfig) -> int:
    """Count the units that fit on a node with these resources."""
    asked = bundle(resources)
    # Ray counts resources in ten-thousandths, in which a tenth of a GPU fits ten times.
    return min(
        int(round(10_000 * node.get(name, 0)) // round(10_000 * amount)) for name, amount in asked.items()
    )


def no_room(resources: ResourcesConfig, node: Mapping[str, float], which: str) -> str:
    """Say what a unit needs, what a node has that is too small, and what to set for the unit to fit there.

    `which` names the node: `this machine`.
    """
    asked = bundle(resources)
    has = {name: node.get(name, 0) for name in [*RESOURCES, *asked]}
    short = [name for name, amount in asked.items() if has[name] < amount]
    settings = [
        f"--set resources.{RESOURCES[name]}={has[name]:g}"
        for name in short
        # No unit does without a CPU.
        if name in RESOURCES and (name == "GPU" or has[name])
    ]
    custom = [name for name in short if name not in RESOURCES]
    ways = [" ".join(settings)] if settings else []
    if custom:
        ways.append(f"leave {', '.join(custom)} out of resources.custom")
    return (
        f"a unit needs {described(asked)} on one machine; {which} has {described(has)}: "
        f"{' and '.join(ways) or 'run it on another machine'}, or change resources in the study file"
    )


def described(amounts: Mapping[str, float]) -> str:
    """Write amounts for a person: `4 CPU and 1 GPU`."""
    return " and ".join(f"{amount:g} {name}" for name, amount in amounts.items())
