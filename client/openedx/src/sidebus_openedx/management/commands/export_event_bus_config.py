"""manage.py export_event_bus_config"""

import json
import os
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals


class Command(BaseCommand):
    help = """
    Writes this service's EVENT_BUS_PRODUCER_CONFIG, as it is in force, to FILE for the gateway
    (producer_config_file), and the Avro schemas of its event types into a folder beside it
    (schemas.directory). Files that are there are replaced, each at once.
    """

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="for example producer.json")
        parser.add_argument(
            "--schemas", metavar="FOLDER", type=Path, help="default: `schemas` beside FILE"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        file: Path = options["file"]
        folder: Path = options["schemas"] or file.parent / "schemas"
        config = getattr(settings, "EVENT_BUS_PRODUCER_CONFIG", None) or {}
        load_all_signals()
        schemas = {event_type: self._schema(event_type) for event_type in config}
        try:
            _replace(file, json.dumps(config, indent=2) + "\n")
            for event_type, schema in schemas.items():
                if schema is not None:
                    _replace(folder / f"{event_type.replace('.', '+')}_schema.avsc", schema + "\n")
        except (OSError, TypeError, ValueError) as error:
            raise CommandError(f"cannot write what the gateway needs: {error}") from error
        self.stdout.write(f"{file}: {len(config)} event types; their schemas: {folder}")

    def _schema(self, event_type: str) -> str | None:
        try:
            signal = OpenEdxPublicSignal.get_signal_by_type(event_type)
        except KeyError:
            raise CommandError(
                f"EVENT_BUS_PRODUCER_CONFIG: openedx-events has no event type {event_type}"
            ) from None
        try:
            return AvroSignalSerializer(signal).schema_string()
        except Exception as error:
            # Stock producers cannot send it either. The others are not to wait for it.
            self.stderr.write(f"{event_type}: no schema: {error}")
            return None


def _replace(path: Path, text: str) -> None:
    """Who reads it meanwhile sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(text)
            file.close()
            os.chmod(path.parent / file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
