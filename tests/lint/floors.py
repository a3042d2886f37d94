"""The house rules of server/ARCHITECTURE.md as data, and functions that find breaches of them.

A *room* is a folder of code with one CMake target: `base`, `broker/kafka`, `client/cli`, or `main`
(server/main.cc). A room may use the rooms of lower floors and what NEIGHBOURS grants, and only the
libraries that its row of CAGES names.
"""

import re
from dataclasses import dataclass
from pathlib import Path

# Room -> floor. A new folder under server/ needs a row here and in server/ARCHITECTURE.md.
FLOORS = {
    "base": 0,
    "event": 1,
    "avro": 2,
    "config": 2,
    "metrics": 2,
    "routing": 3,
    "codec": 3,
    "broker": 3,
    "publish": 4,
    "subscribe": 4,
    "operate": 4,
    "rpc": 5,
    "admin": 5,
    "registry": 5,
    "broker/kafka": 5,
    "broker/embedded": 5,
    "broker/memory": 5,
    "app": 6,
    "main": 7,
}

# Same-floor uses that are meant: (user, used).
NEIGHBOURS = {("broker/embedded", "broker/kafka"), ("operate", "subscribe")}

# The command line is a client: of the server's rooms it may use base only.
CLI = "client/cli"
CLI_MAY_USE = {"base"}

# Library -> who may use it. absl::Mutex is for nobody: Debian's is not built for ThreadSanitizer.
CAGES = {
    "gRPC and generated code": {"rpc", CLI},
    "librdkafka": {"broker/kafka", "broker/embedded"},
    "civetweb": {"admin"},
    "zlib": {"admin"},
    "libcurl": {"registry"},
    "yaml-cpp": {"config"},
    "simdjson": {"avro", "routing", "codec", "broker/kafka"},
    "prometheus": {"metrics", "admin"},
    "spdlog": {"base"},
    "CLI11": {"app", CLI, "main"},
    "absl synchronization": {"rpc"},  # to set gRPC's locks; ours are base/mutex.h
}

# How an include, and a CMake target, give a library away.
INCLUDE_OF = {
    "gRPC and generated code": r"(grpc|grpcpp|google/protobuf|google/rpc|sidebus/v1)/|.*\.pb\.h$",
    "librdkafka": r"librdkafka/|rdkafka",
    "civetweb": r"civetweb\.h|CivetServer\.h",
    "zlib": r"zlib\.h",
    "libcurl": r"curl/",
    "yaml-cpp": r"yaml-cpp/",
    "simdjson": r"simdjson",
    "prometheus": r"prometheus/",
    "spdlog": r"spdlog/",
    "CLI11": r"CLI/",
    "absl synchronization": r"absl/synchronization/",
}
TARGET_OF = {
    "gRPC and generated code": r"gRPC::|protobuf::|sidebus(::|_)proto$",
    "librdkafka": r"PkgConfig::RDKAFKA|rdkafka",
    "civetweb": r"civetweb::",
    "zlib": r"ZLIB::",
    "libcurl": r"CURL::",
    "yaml-cpp": r"yaml-cpp",
    "simdjson": r"simdjson::",
    "prometheus": r"prometheus-cpp::",
    "spdlog": r"spdlog::",
    "CLI11": r"CLI11::",
    "absl synchronization": r"absl::synchronization",
}


@dataclass(frozen=True)
class Breach:
    path: str
    line: int
    rule: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}"


def room_of(path):
    """The room of a file (path from the repository root), or None outside of the house."""
    parts = Path(path).parts
    if parts[:2] == ("client", "cli"):
        return CLI
    if parts[0] != "server" or len(parts) < 2:
        return None
    if len(parts) == 2:
        return "main"
    if parts[1] == "broker" and len(parts) > 3:
        return f"broker/{parts[2]}"
    return parts[1]


def room_of_target(target):
    """The room of one of our CMake targets, `sidebus::broker_kafka` or `sidebus_broker_kafka`."""
    match = re.fullmatch(r"sidebus(?:::|_)(\w+)", target)
    if not match or match[1] in ("proto", "options"):
        return None
    if match[1] == "cli":
        return CLI
    return match[1].replace("broker_", "broker/", 1)


def breach_of_use(user, used):
    """Why room `user` may not use room `used`; None when it may."""
    for room in (user, used):
        if room != CLI and room not in FLOORS:
            return f"folder '{room}' has no floor: give it one (tests/lint/floors.py)"
    if user == used or (user, used) in NEIGHBOURS:
        return None
    if user == CLI:
        return None if used in CLI_MAY_USE else f"client/cli is a client: it may not use {used}"
    if used == CLI:
        return None if user == "main" else f"only main uses client/cli, not {user}"
    if FLOORS[used] < FLOORS[user]:
        return None
    relation = "its neighbour" if FLOORS[used] == FLOORS[user] else "a higher floor,"
    return f"{user} (floor {FLOORS[user]}) may not use {relation} {used} (floor {FLOORS[used]})"


def breach_of_cage(user, name, patterns):
    """Why room `user` may not use the library behind an include or a target; None when it may."""
    for library, pattern in patterns.items():
        if re.match(pattern, name) and user not in CAGES[library]:
            allowed = ", ".join(sorted(CAGES[library])) or "nothing"
            return f"{library} is caged: {allowed} may use it, not {user}"
    return None


def includes(text):
    """(line number, name, quoted) of every include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match[2], match[1] == '"'


def sources(root):
    for top in ("server", "client/cli"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".cc", ".c"):
                yield path


def include_breaches(root):
    """Breaches in the #includes of server/ and client/cli."""
    found = []
    for path in sources(root):
        name = str(path.relative_to(root))
        user = room_of(name)
        if user != CLI and user not in FLOORS:
            found.append(Breach(name, 1, breach_of_use(user, user)))
            continue
        for line, include, quoted in includes(path.read_text()):
            rule = include_breach(user, include, quoted)
            if rule:
                found.append(Breach(name, line, rule))
    return found


def include_breach(user, include, quoted):
    of_library = any(re.match(pattern, include) for pattern in INCLUDE_OF.values())
    if quoted and not of_library and ("/" not in include or include.startswith(".")):
        return f'"{include}": include paths start at the repository root'
    if include.startswith("tests/"):
        return f'"{include}": the product includes nothing of its tests'
    used = room_of(include)
    if used:
        return breach_of_use(user, used)
    return breach_of_cage(user, include, INCLUDE_OF)


def own_header_breaches(root):
    """x.cc includes x.h first, so that every header is compiled alone at least once."""
    found = []
    for path in sources(root):
        header = path.with_suffix(".h")
        if path.suffix != ".cc" or not header.exists():
            continue
        own = str(header.relative_to(root))
        first = next(includes(path.read_text()), (1, "nothing", True))
        if first[1] != own:
            rule = f'the first include is "{own}", not {first[1]}'
            found.append(Breach(str(path.relative_to(root)), first[0], rule))
    return found


def links(text):
    """(line number, target, what it links) of every target_link_libraries."""
    text = re.sub(r"#[^\n]*", "", text)
    for call in re.finditer(r"target_link_libraries\s*\(([^)]*)\)", text):
        words = list(re.finditer(r"\S+", call[1]))
        for word in words[1:]:
            if word[0] not in ("PUBLIC", "PRIVATE", "INTERFACE"):
                line = text.count("\n", 0, call.start(1) + word.start()) + 1
                yield line, words[0][0], word[0]


def link_breaches(root):
    """Breaches in the target_link_libraries of server/ and client/cli."""
    found = []
    files = [
        *(root / "server").rglob("CMakeLists.txt"),
        *(root / "client/cli").glob("CMakeLists.txt"),
    ]
    for path in sorted(files):
        for line, target, linked in links(path.read_text()):
            user = "main" if target == "sidebus" else room_of_target(target)
            used = room_of_target(linked)
            if user is None:
                rule = f"target {target} is not named after its folder"
            elif used:
                rule = breach_of_use(user, used)
            else:
                rule = breach_of_cage(user, linked, TARGET_OF)
            if rule:
                found.append(Breach(str(path.relative_to(root)), line, rule))
    return found
