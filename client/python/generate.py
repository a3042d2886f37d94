#!/usr/bin/env python3
"""Makes the modules sidebus.v1.*_pb2 from the protos, with grpcio-tools.

The wheel's build does this by itself. Run it by hand to work on the client in place:

    python client/python/generate.py
"""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = Path("sidebus/v1")
PROTOS = [PACKAGE / "event.proto", PACKAGE / "event_bus.proto"]
IMPORTED = [Path("google/rpc/status.proto")]


def proto_root() -> Path:
    """Where the protos are: beside this file in a source distribution, else in the repository."""
    for root in (HERE / "proto", HERE.parent.parent / "proto"):
        if (root / PROTOS[0]).is_file():
            return root
    raise SystemExit(f"{HERE / 'proto'}: no protos; build from the repository or from an sdist")


def generate(target: Path = HERE / "src") -> list[Path]:
    """Writes the modules below `target`, each at once, and returns them."""
    from grpc_tools import protoc

    root = proto_root()
    well_known = Path(protoc.__file__).parent / "_proto"
    written = []
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        arguments = [
            "protoc",
            f"-I{root}",
            f"-I{well_known}",
            f"--python_out={scratch}",
            f"--pyi_out={scratch}",
            *(str(root / proto) for proto in PROTOS),
        ]
        if protoc.main(arguments) != 0:
            raise SystemExit(f"protoc failed: {' '.join(arguments)}")
        (target / PACKAGE).mkdir(parents=True, exist_ok=True)
        for made in sorted((Path(scratch) / PACKAGE).iterdir()):
            os.replace(made, target / PACKAGE / made.name)
            written.append(target / PACKAGE / made.name)
    return written


if __name__ == "__main__":
    sys.stdout.writelines(f"{path.relative_to(HERE)}\n" for path in generate())
