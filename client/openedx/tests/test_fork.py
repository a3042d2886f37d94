import os
import subprocess
import sys
import textwrap
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
CLIENT = Path(__file__).resolve().parents[2] / "python" / "src"

# A service of two processes, of which the second is forked from one that had sent already.
PROGRAM = """
    import os, sys
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["openedx_events", "sidebus_openedx"],
        DATABASES={},
        EVENT_BUS_SIDEBUS_ENDPOINT=sys.argv[1],
        EVENT_BUS_SIDEBUS_AUDIT_LOGGING_ENABLED=False,
    )
    django.setup()
    from openedx_events.data import EventsMetadata
    from openedx_events.event_bus import get_producer
    from samples import sent
    from sidebus_openedx import create_producer

    producer = create_producer()
    producer.send(**sent(topic="parent"))
    child = os.fork()
    if child == 0:
        producer.send(**sent(topic="child"))
        os._exit(0)
    os.waitpid(child, 0)
    producer.send(**sent(topic="parent"))
"""


def test_a_producer_works_in_a_process_that_was_forked_after_it_had_sent(gateway):
    path = os.pathsep.join(map(str, (SOURCE, CLIENT, Path(__file__).parent)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), gateway.endpoint],
        env=kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=25,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    topics = [gateway.published.get_nowait().topic for _ in range(gateway.published.qsize())]
    assert topics == ["parent", "child", "parent"], done.stderr
