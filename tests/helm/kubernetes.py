"""What Kubernetes would say to an object: its schemas, and the Pod Security Standard."""

import json
from pathlib import Path

import jsonschema
import kubernetes_validate
from charts import containers

MONITORING = json.loads((Path(__file__).parent / "schemas/monitoring.json").read_text())


def problem(document, version):
    """What is wrong with it in this version of Kubernetes; None when nothing is."""
    group, _, _ = document["apiVersion"].partition("/")
    try:
        if group == "monitoring.coreos.com":
            schema = MONITORING | MONITORING[document["kind"]]
            jsonschema.Draft7Validator(schema).validate(document["spec"])
        else:
            kubernetes_validate.validate(document, version, strict=True)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
        return f"{document['kind']} {document['metadata']['name']}: {error.message}"
    return None


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
