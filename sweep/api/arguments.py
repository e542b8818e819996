"""What callers give to the functions of `import sweep`, checked before anything is done with it."""

from __future__ import annotations

from numbers import Integral

from data.settings import ConfigError


def require(holds: bool, right: str, given: object) -> None:
    """Raise ConfigError unless something `holds` of what was `given`; `right` says what: `name: must be a text`."""
    if not holds:
        raise ConfigError(f"{right}, got {given!r}")


def require_whole(name: str, given: object, least: int) -> None:
    """Raise ConfigError unless an argument is a whole number of at least `least`; True and False are none."""
    whole = isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= least
    require(whole, f"{name}: must be a whole number of at least {least}", given)
