"""An interactive course from the KL divergence to a variational autoencoder that you built, trained and can drag.

Importing the package costs nothing: each submodule is loaded when it is first named.
"""

import importlib
import pkgutil

__version__ = "0.1.0"


def __getattr__(name: str):
    if name in __dir__():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
