"""deploy/compose.yaml, and its containers' files and addresses on this machine."""

import re
import shutil

import yaml
from charts import ROOT
from service import free_ports

FILE = ROOT / "deploy/compose.yaml"
TEXT = FILE.read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
VOLUMES = yaml.safe_load(TEXT)["volumes"]

# What is above the first key, without the marks of comments.
HEADER = re.sub(r"^# ?", "", re.match(r"(?:#.*\n)+", TEXT)[0], flags=re.MULTILINE)


def mounts(service):
    """[(source, target, options)] of its volumes and files."""
    split = [one.split(":") for one in SERVICES[service].get("volumes", [])]
    return [
        (source, target, options[0].split(",") if options else [])
        for source, target, *options in split
    ]


def files(service):
    """{target: source} of its files and folders."""
    return {
        target: (FILE.parent / source).resolve()
        for source, target, _ in mounts(service)
        if source.startswith(".")
    }


def ports(service):
    """[(address of the laptop, its port, the container's)]"""
    split = [one.split(":") for one in SERVICES[service].get("ports", [])]
    return [(address, int(outer), int(inner)) for address, outer, inner in split]


def environment(service):
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


def listeners(variable):
    """{name: (host, port)} of a variable of Kafka's."""
    found = re.findall(r"(\w+)://([^:,]*):(\d+)", environment("kafka")[variable])
    return {name: (host, int(port)) for name, host, port in found}


def configuration():
    """The gateway's."""
    return yaml.safe_load(files("sidebus")["/etc/sidebus/config.yaml"].read_text())


class Laptop:
    """Containers' files below a folder, and free ports of 127.0.0.1 for their addresses."""

    def __init__(self, folder):
        self.folder = folder
        inside = {port for service in SERVICES for _, _, port in ports(service)}
        inside |= {port for _, port in listeners("KAFKA_LISTENERS").values()}
        inside |= {int(environment("sidebus")["SIDEBUS_ADMIN_ENDPOINT"].rpartition(":")[2])}
        self.ports = dict(zip(sorted(inside), free_ports(len(inside)), strict=True))
        self._addresses = re.compile(rf"[\w.]*:({'|'.join(map(str, self.ports))})\b")

    def moved(self, text):
        """With this machine's addresses and paths in place of a container's."""
        text = self._addresses.sub(lambda found: self.address(int(found[1])), text)
        return re.sub(r"(?<![\w.])(?=/(?:etc|var/lib|opt)/)", str(self.folder), text)

    def address(self, port):
        return f"127.0.0.1:{self.ports[port]}"

    def lay_out(self, service):
        """Its files, where moved() says."""
        for target, source in files(service).items():
            where = self.folder / target.lstrip("/")
            where.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, where)
            else:
                where.write_text(self.moved(source.read_text()))

    def variables(self, service):
        return {name: self.moved(value) for name, value in environment(service).items()}
