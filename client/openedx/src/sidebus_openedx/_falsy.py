"""Gives built event data the falsy values back that openedx-events leaves out.

Its deserializer does not hand `false`, `0`, `""`, `[]` and `{}` to a class that has a default for
the attribute, so that the default wins. Where a version does, nothing is changed here.
"""

from typing import Any, get_args, get_origin

import attr

# Falsy values of these are the attribute's value as they are.
_PLAIN = (bool, int, float, str, list, dict)


def restore_falsy(value: Any, data: Any, declared: Any) -> Any:
    """`value`, which openedx-events built from the JSON `data` as a `declared`, or its equal with
    the attributes that `data` says.
    """
    if attr.has(type(value)) and isinstance(data, dict):
        return _restore_attributes(value, data)
    (*_, inner) = get_args(declared) or (None,)
    if isinstance(value, list) and isinstance(data, list) and len(value) == len(data):
        return [restore_falsy(one, item, inner) for one, item in zip(value, data, strict=True)]
    if isinstance(value, dict) and isinstance(data, dict) and value.keys() == data.keys():
        return {name: restore_falsy(one, data[name], inner) for name, one in value.items()}
    return value


def _restore_attributes(value: Any, data: dict[str, Any]) -> Any:
    changes = {}
    for attribute in attr.fields(type(value)):
        if attribute.name not in data or not attribute.init:
            continue
        said, built = data[attribute.name], getattr(value, attribute.name)
        if said:
            right = restore_falsy(built, said, attribute.type)
        elif (get_origin(attribute.type) or attribute.type) in _PLAIN:
            right = said
        else:
            continue  # null, or an empty text where a key, a time, a UUID should be
        if right is not built and not (right == built and type(right) is type(built)):
            changes[attribute.alias] = right
    return attr.evolve(value, **changes) if changes else value
