"""The derivations of the course, as data: one module a lesson, one `Chain` a derivation."""

import importlib
import pkgutil

from vaecourse.derivation import Chain


def all_chains() -> dict[str, Chain]:
    """Every chain of the course by name, those with a slip on purpose included."""
    modules = [
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    return {
        value.name: value for module in modules for value in vars(module).values() if isinstance(value, Chain)
    }
