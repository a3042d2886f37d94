import pytest
from sidebus._endpoint import choose_endpoint, target_of


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("127.0.0.1:7420", "dns:///127.0.0.1:7420"),
        ("gateway:1", "dns:///gateway:1"),
        ("[::1]:65535", "dns:///[::1]:65535"),
        ("unix:/run/sidebus/sidebus.sock", "unix:/run/sidebus/sidebus.sock"),
        ("unix:///run/sidebus/sidebus.sock", "unix:/run/sidebus/sidebus.sock"),
    ],
)
def test_an_endpoint_is_host_and_port_or_the_path_of_a_socket(endpoint, target):
    assert target_of(endpoint) == target


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "gateway",
        ":7420",
        "gateway:",
        "gateway:0",
        "gateway:65536",
        "gateway:x",
        "gateway:+1",
        "gateway:٣",
        "unix:",
        "unix:run/s",
        "unix://run/s",
        "unix:////run/s",
    ],
)
def test_any_other_endpoint_is_an_error_that_says_how_to_write_it(endpoint):
    with pytest.raises(ValueError, match=r"write host:port, for example 127\.0\.0\.1:7420, or"):
        target_of(endpoint)


def test_the_argument_goes_before_the_environment_and_that_before_the_default():
    environment = {"SIDEBUS_ENDPOINT": "unix:/s"}

    assert choose_endpoint("gateway:1", environment) == "gateway:1"
    assert choose_endpoint(None, environment) == "unix:/s"
    assert choose_endpoint(None, {"SIDEBUS_ENDPOINT": ""}) == "127.0.0.1:7420"
    assert choose_endpoint(None, {}) == "127.0.0.1:7420"
