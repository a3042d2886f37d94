"""The plugin's Django settings. Read when they are needed, so that tests can override them."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def endpoint() -> str | None:
    """EVENT_BUS_SIDEBUS_ENDPOINT: where the gateway is.

    `host:port`, `unix:/path` or `unix:///path`. None: SIDEBUS_ENDPOINT of the environment, else
    127.0.0.1:7420.
    """
    return _get("ENDPOINT", None, str) or None


def timeout() -> float:
    """EVENT_BUS_SIDEBUS_TIMEOUT: the seconds that one `send` may take, whatever happens."""
    return _positive("TIMEOUT", 5.0)


def on_commit() -> bool:
    """EVENT_BUS_SIDEBUS_ON_COMMIT: send when the database transaction commits, not before."""
    return _get("ON_COMMIT", False, bool)


def audit_logging_enabled() -> bool:
    """EVENT_BUS_SIDEBUS_AUDIT_LOGGING_ENABLED: an info line per event sent, received, processed."""
    return _get("AUDIT_LOGGING_ENABLED", True, bool)


def consumers_enabled() -> bool:
    """EVENT_BUS_SIDEBUS_CONSUMERS_ENABLED: False keeps every consumer from starting."""
    return _get("CONSUMERS_ENABLED", True, bool)


def start_from() -> str:
    """EVENT_BUS_SIDEBUS_START_FROM: where a group starts on a topic on which it never was."""
    return _get("START_FROM", "latest", str)


def max_attempts() -> int:
    """EVENT_BUS_SIDEBUS_MAX_ATTEMPTS: deliveries of one event until it is a dead letter."""
    return _positive("MAX_ATTEMPTS", 3, int)


def extend_for() -> float:
    """EVENT_BUS_SIDEBUS_EXTEND_FOR: how many seconds receivers may take for one event."""
    return _positive("EXTEND_FOR", 600.0)


def window() -> int:
    """EVENT_BUS_SIDEBUS_WINDOW: how many events a consumer holds, with the one it works on."""
    return _positive("WINDOW", 10, int)


def _positive(name: str, default: Any, *types: type) -> Any:
    value = _get(name, default, *(types or (int, float)))
    if value <= 0:
        raise ImproperlyConfigured(f"EVENT_BUS_SIDEBUS_{name} is {value}; it must be above 0")
    return value


def _get(name: str, default: Any, *types: type) -> Any:
    value = getattr(settings, f"EVENT_BUS_SIDEBUS_{name}", None)
    if value is None:
        return default
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        wanted = " or ".join(one.__name__ for one in types)
        raise ImproperlyConfigured(f"EVENT_BUS_SIDEBUS_{name} is {value!r}; it must be {wanted}")
    return value
