"""Connects the receivers where the test wants to know what they get."""

import os

from django.apps import AppConfig

from service import signals  # noqa: F401 -- before openedx_events is ready


class ServiceConfig(AppConfig):
    name = "service"

    def ready(self):
        from service import receivers

        if os.environ.get("SERVICE_RECEIVED"):
            receivers.connect()
