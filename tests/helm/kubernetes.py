"""What Kubernetes would say to objects: its schemas, and the Pod Security Standard."""

import json
import re

import schemas
from charts import TOOLS, as_text, containers, parse, run

# Before what is wrong kubeconform says what file it has that from.
SOURCE = re.compile(r"^problem validating schema\..*?\.json#' - ")


def problems(objects, version):
    """What kubeconform says against objects, or their text, in this Kubernetes: of each one that is
    wrong its kind and name, and everything that is wrong with it.
    """
    text = objects if isinstance(objects, str) else as_text(objects)
    answer = run(
        *(TOOLS / "kubeconform", "-strict", "-summary", "-output", "json"),
        *("-n", "1"),  # one at a time, in their order
        *("-schema-location", schemas.folder(version) / "{{.ResourceKind}}{{.KindSuffix}}.json"),
        input=text,
    )
    assert answer.stdout, answer.stderr
    said = json.loads(answer.stdout)
    looked_at = said["summary"]["valid"] + len(said["resources"])
    assert looked_at == len(parse(text)) > 0
    return [
        f"{one['kind']} {one['name']}: {SOURCE.sub('', one['msg'])}" for one in said["resources"]
    ]


SAFE_VOLUMES = {
    "configMap",
    "secret",
    "emptyDir",
    "projected",
    "downwardAPI",
    "persistentVolumeClaim",
}


def breaches(spec):
    """Where a pod's spec breaks the Pod Security Standard "restricted"."""
    found = [f"spec.{key}" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        found += [f"volume {volume['name']}"] * (not SAFE_VOLUMES & volume.keys())
    pod = spec.get("securityContext", {})
    for container in containers(spec):
        own = container.get("securityContext", {})

        def effective(key, own=own):
            return own.get(key, pod.get(key))

        rules = {
            "runAsNonRoot": effective("runAsNonRoot") is True,
            "runAsUser": effective("runAsUser") != 0,
            "seccompProfile": (effective("seccompProfile") or {}).get("type") == "RuntimeDefault",
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "privileged": not own.get("privileged"),
            "capabilities": own.get("capabilities", {}).get("drop") == ["ALL"]
            and not own["capabilities"].get("add"),
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {rule}" for rule, kept in rules.items() if not kept]
    return found
