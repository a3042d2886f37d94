"""Where the gateway is."""

import os
from collections.abc import Mapping

DEFAULT_ENDPOINT = "127.0.0.1:7420"
ENVIRONMENT_VARIABLE = "SIDEBUS_ENDPOINT"


def choose_endpoint(endpoint: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The argument if there is one, else SIDEBUS_ENDPOINT unless empty, else the default."""
    if endpoint is not None:
        return endpoint
    return environment.get(ENVIRONMENT_VARIABLE) or DEFAULT_ENDPOINT


def target_of(endpoint: str) -> str:
    """What gRPC calls an endpoint: `host:port`, `unix:/path` or `unix:///path`.

    Raises ValueError for anything else.
    """
    if endpoint.startswith("unix:"):
        path = endpoint.removeprefix("unix:")
        if path.startswith("///"):
            path = path[2:]
        if not path.startswith("/") or path.startswith("//"):
            raise _malformed(endpoint, "the path of a Unix socket begins with /")
        return f"unix:{path}"
    host, colon, port = endpoint.rpartition(":")
    if not colon or not host:
        raise _malformed(endpoint, "no port")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise _malformed(endpoint, "the port is a number from 1 to 65535")
    return f"dns:///{endpoint}"


def _malformed(endpoint: str, what: str) -> ValueError:
    return ValueError(
        f"endpoint `{endpoint}`: {what}; write host:port, for example {DEFAULT_ENDPOINT}, or "
        "unix:/path/of/socket"
    )
