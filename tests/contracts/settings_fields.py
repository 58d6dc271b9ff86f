"""What can be configured, by path, by variable, and by the places in the source that read it."""

import ast
import json
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from perdure.llm.keys import ProviderKeys
from perdure.settings import Settings

type_of_section = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""`{"api": ApiSettings, ...}`"""


def leaves() -> Iterator[tuple[str, ...]]:
    """Every setting as the attributes that lead to it: `("api", "port")`, `("data_dir",)`."""
    for name in Settings.model_fields:
        section = type_of_section.get(name)
        if section is None:
            yield (name,)
        else:
            yield from ((name, leaf) for leaf in section.model_fields)


def variable(path: tuple[str, ...]) -> str:
    return "PERDURE_" + "__".join(path).upper()


def default_of(path: tuple[str, ...]) -> str:
    """A setting's default as it would stand in the environment; empty where there is none."""
    owner = Settings if len(path) == 1 else type_of_section[path[0]]
    return _written(owner.model_fields[path[-1]].default)


def provider_defaults() -> dict[str, str]:
    """The first name of each of the providers' variables, and its default."""
    return {_names(name)[0]: _written(field.default) for name, field in ProviderKeys.model_fields.items()}


def provider_names() -> set[str]:
    """Every name that the providers' variables go by."""
    return {name for field in ProviderKeys.model_fields for name in _names(field)}


def _names(field: str) -> list[str]:
    alias = ProviderKeys.model_fields[field].validation_alias
    if alias is None:
        return [field.upper()]
    return [alias] if isinstance(alias, str) else [str(choice) for choice in getattr(alias, "choices", [alias])]


def _written(default: object) -> str:
    match default:
        case None:
            return ""
        case bool() | list():
            return json.dumps(default, separators=(",", ":"))
        case _:
            return str(default)


def reads(modules: Iterable[ast.Module]) -> set[tuple[str, ...]]:
    """The settings that the modules read.

    Understood are `settings.api.port` in full, `section.port` and `self._section.port` where the name was annotated
    with the section's class or assigned from `settings.api`, and `settings.data_dir`.
    """
    found: set[tuple[str, ...]] = set()
    for module in modules:
        sections = _section_names(module)
        for node in ast.walk(module):
            if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
                continue
            owner = _last_name(node.value)
            if owner in type_of_section and isinstance(node.value, ast.Attribute):
                found.add((owner, node.attr))
            found.update((section, node.attr) for section in sections.get(owner, ()))
            if owner in {"settings", "_settings"}:
                found.add((node.attr,))
    return found


def _section_names(module: ast.Module) -> dict[str, set[str]]:
    """Names in this module that hold a section: by annotation, or by assignment from `settings.SECTION`."""
    by_class = {section.__name__: name for name, section in type_of_section.items()}
    names: dict[str, set[str]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.arg) and node.annotation is not None:
            section = by_class.get(_last_name(node.annotation))
            if section:
                names.setdefault(node.arg, set()).add(section)
    # Twice, so that an attribute assigned from an annotated argument is known whatever the order.
    for _ in range(2):
        for node in ast.walk(module):
            if not isinstance(node, ast.Assign):
                continue
            source = _last_name(node.value)
            known = {source} if source in type_of_section else names.get(source, set[str]())
            for target in node.targets if known else []:
                names.setdefault(_last_name(target), set()).update(known)
    return names


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
