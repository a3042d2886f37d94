"""The build's own step: the modules of sidebus.v1 go into a wheel, their protos into an sdist."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate


class ProtoHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "sdist":
            generate.generate()
            return
        root = generate.proto_root()
        for proto in [*generate.PROTOS, *generate.IMPORTED]:
            build_data["force_include"][str(root / proto)] = f"proto/{proto}"
