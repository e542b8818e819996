"""What callers give to the functions of `import sweep`, checked before anything is done with it."""

from __future__ import annotations

from numbers import Integral

from data.settings import ConfigError


def require(holds: bool, right: str, given: object) -> None:
    """Raise ConfigError unless something `holds` of what was `given`; `right` says what: `name: must be a text`."""
    if not holds:
        raise ConfigError(f"{right}, got {given!r}")


def require_whole(name: str, given: object, least: int | None = None) -> None:
    """Raise ConfigError unless an argument is a whole number, of at least `least` if given; True and False are none."""
    whole = (
        isinstance(given, Integral) and not isinstance(given, bool) and (least is None or int(given) >= least)
    )
    right = "must be a whole number" if least is None else f"must be a whole number of at least {least}"
    require(whole, f"{name}: {right}", given)
