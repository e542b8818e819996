"""What users add from modules of their own, named in settings as `module:Name`."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data.settings import ConfigError

OWN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""How settings name something in a module: `my_lab.networks:Crnn`."""


def is_own(name: str) -> bool:
    """Whether a name in settings is of the form `module:Name`."""
    return OWN.fullmatch(name) is not None


def own_object(name: str) -> Any:
    """Import the module that `name`, of the form `module:Name`, begins with, and return what it calls `Name`.

    Raises ConfigError when there is no such module, or it cannot be imported, or has nothing of that name.
    """
    module, _, attribute = name.partition(":")
    try:
        imported = importlib.import_module(module)
    except Exception as error:
        raise ConfigError(
            f"{name}: module {module} cannot be imported ({type(error).__name__}: {error}); install it into this "
            "environment, or put its folder on PYTHONPATH, here and on every machine that trains"
        ) from error
    try:
        return getattr(imported, attribute)
    except AttributeError:
        public = [other for other in vars(imported) if not other.startswith("_")]
        raise ConfigError(f"{name}: {module} has no {attribute}; it has {', '.join(public)}") from None


def own_code(names: Iterable[str | None]) -> dict[str, str]:
    """SHA-256 (hex) of the file of each module that `names` of the form `module:Name` begin with, by module.

    Other names, and modules that are no file, are left out. Raises ConfigError when a module cannot be imported.
    """
    digests = {}
    for name in names:
        if name is None or not is_own(name):
            continue
        own_object(name)
        module = name.partition(":")[0]
        file = importlib.import_module(module).__file__
        if file is not None:
            digests[module] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return digests
