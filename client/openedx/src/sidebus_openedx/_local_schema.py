"""JSON data of any version of an event type, made to fit the version that this service knows."""

from collections.abc import Callable
from typing import Any

from sidebus_openedx._unusable import Unusable

Schema = Any  # a name, a list of branches, or a dict, as in Avro's JSON


class LocalSchema:
    """An Avro schema as openedx-events makes it: `null` is the first of two branches, if at all.

    What the schema does not name is dropped; what it names with a default (null) is filled in.
    """

    def __init__(self, schema: Schema) -> None:
        self._records: dict[str, Schema] = {}
        self._schema = schema
        self._collect(schema)

    def fit(self, data: Any) -> Any:
        """A new value. Raises Unusable, with the path of what is missing or of another type."""
        return self._fit(self._schema, data, "")

    def _collect(self, schema: Schema) -> None:
        """Finds the records: a second use of one in a schema is its name alone."""
        if isinstance(schema, list):
            for branch in schema:
                self._collect(branch)
        elif isinstance(schema, dict):
            if schema["type"] == "record":
                self._records[schema["name"]] = schema
            for part in (schema.get("items"), schema.get("values")):
                self._collect(part)
            for field in schema.get("fields", ()):
                self._collect(field["type"])

    def _fit(self, schema: Schema, value: Any, path: str) -> Any:
        if isinstance(schema, list):
            if value is None and "null" in schema:
                return None
            (branch,) = (one for one in schema if one != "null")
            return self._fit(branch, value, path)
        if isinstance(schema, str) and schema in self._records:
            schema = self._records[schema]
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            return self._fit_record(schema, _of(dict, value, path), path)
        if kind == "array":
            items = enumerate(_of(list, value, path))
            return [self._fit(schema["items"], one, f"{path}[{index}]") for index, one in items]
        if kind == "map":
            items = _of(dict, value, path).items()
            return {
                name: self._fit(schema["values"], one, _join(path, name)) for name, one in items
            }
        if not _PRIMITIVES[kind](value):
            raise _misfit(kind, value, path)
        return int(value) if kind == "long" else value

    def _fit_record(self, schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        fitted = {}
        for field in schema["fields"]:
            name = field["name"]
            inner = _join(path, name)
            if name in value:
                fitted[name] = self._fit(field["type"], value[name], inner)
            elif "default" in field:
                fitted[name] = field["default"]
            else:
                raise Unusable(f"the data has no {inner}")
        return fitted


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_PRIMITIVES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "long": lambda value: _is_number(value) and value == value // 1,
    "double": _is_number,
    "bytes": lambda value: False,  # JSON has none, and openedx-events cannot serialise them
}


def _of(wanted: type, value: Any, path: str) -> Any:
    if not isinstance(value, wanted):
        raise _misfit({dict: "object", list: "array"}[wanted], value, path)
    return value


def _misfit(wanted: str, value: Any, path: str) -> Unusable:
    """Says nothing of the value itself: it may be personal data, and reasons are stored."""
    found = "null" if value is None else type(value).__name__
    return Unusable(f"{path or 'the data'} is {found}, not {wanted}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
