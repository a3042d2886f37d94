"""What Prometheus' operator makes of a PodMonitor, and what Prometheus finds of a pod."""

import re

from charts import gateway

# Of PodMonitors: where a series' labels come from before the monitor's own relabelings.
COPIED = {"namespace": "namespace", "pod_container_name": "container", "pod_name": "pod"}

FIELDS = {
    "sourceLabels": "source_labels",
    "targetLabel": "target_label",
    "replacement": "replacement",
}


def meta(name):
    """A label of discovery in Kubernetes."""
    return "__meta_kubernetes_" + re.sub(r"\W", "_", name)


def discovered(pod, addresses):
    """A target for each port of a Pod's gateway. `addresses`: {the port's name: host:port}"""
    container = gateway(pod["spec"])
    labels = {
        meta("namespace"): pod["metadata"]["namespace"],
        meta("pod_name"): pod["metadata"]["name"],
        meta("pod_container_name"): container["name"],
    } | {meta(f"pod_label_{name}"): value for name, value in pod["metadata"]["labels"].items()}
    return [
        {
            "targets": [addresses[port["name"]]],
            "labels": labels | {meta("pod_container_port_name"): port["name"]},
        }
        for port in container["ports"]
    ]


def scrape(monitor, targets):
    """The job of a PodMonitor: which targets are its own, and what becomes of their labels."""
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    kept = {f"pod_label_{name}": value for name, value in selected}
    kept["pod_container_port_name"] = endpoint["port"]
    name = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    return {
        "job_name": f"podMonitor/{name}/0",
        "metrics_path": endpoint["path"],
        "static_configs": targets,
        "relabel_configs": [
            *(
                {"action": "keep", "source_labels": [meta(label)], "regex": re.escape(value)}
                for label, value in kept.items()
            ),
            *(
                {"source_labels": [meta(label)], "target_label": target}
                for label, target in COPIED.items()
            ),
            {"target_label": "job", "replacement": name},
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *(
                {FIELDS[key]: value for key, value in one.items()}
                for one in endpoint["relabelings"]
            ),
        ],
    }
