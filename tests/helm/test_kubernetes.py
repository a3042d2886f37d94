"""What is wrong with an object is found, and said with the object's name, for each Kubernetes."""

import pytest
from charts import INJECTION, KUBERNETES, as_text, gateway, objects, of_kind
from kubernetes import problems


def one_of(case, kind):
    (found,) = of_kind(objects(case), kind)
    return found


def sidecar_of(deployment):
    return gateway(deployment["spec"]["template"]["spec"])


def misspell_a_field_of_the_sidecar():
    deployment = one_of("sidecar", "Deployment")
    sidecar = sidecar_of(deployment)
    sidecar["restartPolicyy"] = sidecar.pop("restartPolicy")
    return deployment


def replicas_in_letters():
    deployment = one_of("sidecar", "Deployment")
    deployment["spec"]["replicas"] = "two"
    return deployment


def a_field_that_no_monitor_has():
    monitor = one_of("monitoring", "PodMonitor")
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "30s"
    return monitor


def a_monitor_without_endpoints():
    monitor = one_of("deployment-everything", "ServiceMonitor")
    del monitor["spec"]["endpoints"]
    return monitor


def a_rule_for_a_time_without_a_unit():
    rules = one_of("deployment-everything", "PrometheusRule")
    rules["spec"]["groups"][0]["rules"][0]["for"] = "5"
    return rules


def misspell_the_labels_of_a_monitor():
    monitor = one_of("monitoring", "PodMonitor")
    monitor["metadata"]["labls"] = {"team": "shop"}
    return monitor


def a_kind_that_does_not_exist():
    return one_of("sidecar", "ConfigMap") | {"kind": "ConfigMapp"}


def a_kind_of_another_group():
    return one_of("monitoring", "PodMonitor") | {"apiVersion": "monitoring.example.com/v1"}


# What is wrong: what is said.
WRONG = {
    misspell_a_field_of_the_sidecar: (
        "Deployment r-sidebus: ",
        "/spec/initContainers/0': additional properties 'restartPolicyy' not allowed",
    ),
    replicas_in_letters: (
        "Deployment r-sidebus: ",
        "'/spec/replicas': got string, want null or integer",
    ),
    a_field_that_no_monitor_has: (
        "PodMonitor r-sidebus: ",
        "'/spec/podMetricsEndpoints/0': additional properties 'intervall' not allowed",
    ),
    a_monitor_without_endpoints: (
        "ServiceMonitor events: ",
        "'/spec': missing property 'endpoints'",
    ),
    a_rule_for_a_time_without_a_unit: (
        "PrometheusRule events: ",
        "'/spec/groups/0/rules/0/for': '5' does not match pattern",
    ),
    misspell_the_labels_of_a_monitor: (
        "PodMonitor r-sidebus: ",
        "'/metadata': additional properties 'labls' not allowed",
    ),
    a_kind_that_does_not_exist: (
        "ConfigMapp r-sidebus: ",
        "could not find schema for ConfigMapp",
    ),
    a_kind_of_another_group: (
        "PodMonitor r-sidebus: ",
        "'/apiVersion': value must be 'monitoring.coreos.com/v1'",
    ),
}


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@pytest.mark.parametrize("make", WRONG, ids=lambda make: make.__name__)
def test_what_is_wrong_with_an_object_is_said(make, kubernetes):
    name, message = WRONG[make]

    (said,) = problems([make()], kubernetes)

    assert said.startswith(name)
    assert message in said


def test_every_object_that_is_wrong_is_said_and_no_other():
    good = one_of("sidecar", "ConfigMap")
    wrong = [misspell_a_field_of_the_sidecar(), a_field_that_no_monitor_has()]

    said = problems([good, *wrong, good], KUBERNETES[-1])

    assert [text.partition(":")[0] for text in said] == [
        "Deployment r-sidebus",
        "PodMonitor r-sidebus",
    ]


def test_everything_that_is_wrong_with_an_object_is_said():
    deployment = misspell_a_field_of_the_sidecar()
    deployment["spec"]["replicas"] = "two"

    (said,) = problems([deployment], KUBERNETES[-1])

    assert "'restartPolicyy' not allowed" in said
    assert "'/spec/replicas'" in said


def test_a_key_that_is_there_twice_is_wrong():
    text = as_text([one_of("sidecar", "ConfigMap")])

    (said,) = problems(text.replace('"data": {', '"data": {}, "data": {'), KUBERNETES[-1])

    assert 'key "data" already set' in said


def test_a_policy_is_unknown_to_a_kubernetes_that_is_older():
    group, _, kind = INJECTION.rpartition("/")
    policy = one_of("injection", kind)

    assert policy["apiVersion"] == group
    assert problems([policy], "1.36.0") == []
    assert problems([policy], "1.35.0") == [
        f"{kind} {policy['metadata']['name']}: could not find schema for {kind}"
    ]


@pytest.mark.parametrize("text", ["", "---\n# nothing\n"], ids=["no text", "a comment"])
def test_nothing_is_not_valid(text):
    with pytest.raises(AssertionError):
        problems(text, KUBERNETES[-1])
