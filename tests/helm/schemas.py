"""The schemas that kubeconform reads: of Kubernetes, and of what Prometheus' operator adds to it.

Both are strict: a field that they do not name is an error.
"""

import functools
import json
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml
from charts import LOADER, TOOLS

PACKAGED = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
SHARED = "_definitions.json"  # what the schemas of kinds refer to
METADATA = f"{SHARED}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

_made = tempfile.TemporaryDirectory(prefix="sidebus-schemas-")  # until the tests end


def folder(version):
    """Of this Kubernetes: a file for each kind, named as kubeconform looks for it."""
    return _folder(".".join(version.split(".")[:2]))


@functools.cache
def _folder(minor):
    made = Path(_made.name) / minor
    made.mkdir()
    for path in (PACKAGED / f"v{minor}.0-local-strict").iterdir():
        (made / path.name).write_text(json.dumps(beside_the_shared(path.read_text())))
    for path in (TOOLS / "crds").iterdir():
        for name, schema in of_definition(yaml.load(path.read_text(), LOADER)).items():
            (made / name).write_text(json.dumps(schema))
    return made


def beside_the_shared(text):
    """A packaged schema for its folder: it says that it and the shared ones are on a server."""
    schema = json.loads(text.replace(f'"/api/{SHARED}#', f'"{SHARED}#'))
    schema.pop("$id", None)
    return schema


def of_definition(definition):
    """{file: schema} of each version of a CustomResourceDefinition."""
    spec = definition["spec"]
    kind, group = spec["names"]["kind"], spec["group"]
    made = {}
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"] |= {
            "apiVersion": {"enum": [f"{group}/{version['name']}"]},
            "kind": {"enum": [kind]},
            "metadata": {"$ref": METADATA},  # the definition leaves it to Kubernetes
        }
        # OpenAPI's schemas are those of this draft.
        schema["$schema"] = "http://json-schema.org/draft-04/schema#"
        name = f"{kind}-{group.partition('.')[0]}-{version['name']}.json"
        made[name.lower()] = schema
    return made


def strict(schema):
    """The schema, where objects have no other fields than those that it names."""
    schema = dict(schema)
    if schema.get("x-kubernetes-int-or-string"):
        schema.setdefault("type", ["integer", "string"])
    if "properties" in schema:
        named = {name: strict(one) for name, one in schema["properties"].items()}
        schema["properties"] = named
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = strict(schema[key])
    return schema
