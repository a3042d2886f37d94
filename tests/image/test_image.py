"""The image: what is in it, and how it runs. `./dev image` builds it and runs this.

SIDEBUS_IMAGE_RUNNER chooses what runs it: podman, or chroot, which runs the image's files with
mounts that it alone sees. What was chosen must run. Without a choice it is podman, and chroot where
podman cannot run (in a sandbox, often). Where neither runs, what is about running is left out; with
CI=true it fails. Lines that begin with "image:" say what ran it, why, and each test left out.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from waiting import eventually  # noqa: E402

IMAGE = os.environ["SIDEBUS_IMAGE"]
ROOT = Path(os.environ["SIDEBUS_IMAGE_ROOT"])  # the image's files
REVISION = os.environ["SIDEBUS_IMAGE_REVISION"]
USER = 65532
APPLICATION = 12345  # another user, of another container of the pod
POD_GROUP = 23456  # the pod's fsGroup
SIDEBUS = "/usr/local/bin/sidebus"
MOST_BYTES = 60 * 1000 * 1000
CONFIG = {
    "listen": ["unix:/run/sidebus/sidebus.sock"],
    "admin": "127.0.0.1:0",
    "broker": {"kind": "embedded"},
    "producer_config": {"order.created": {"orders": {"event_key_field": "", "enabled": True}}},
}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Podman:
    """Read-only, without capabilities, 128 MiB."""

    name = "podman"
    said = "podman, read-only and in 128 MiB"
    # runc, and limits of its own: crun knows no mixed hierarchy of cgroups.
    command = (
        *("podman", "--runtime", "runc", "run", "--rm", "--no-healthcheck", "--network", "host"),
        *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"),
        *("--read-only", "--read-only-tmpfs=false"),
        *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
        *("--memory", "128m", "--memory-swap", "128m"),
    )

    @classmethod
    def run(cls, *arguments, volume=None, entrypoint=SIDEBUS, name="", user=USER, group=None):
        """The command that runs a program of the image, with a volume at /run/sidebus. `group`: one
        more that the user is in."""
        options = ["--entrypoint", entrypoint]
        options += ["--user", f"{user}:{user}"] if user != USER else []  # else the image says who
        options += ["--group-add", str(group)] if group else []
        options += ["--volume", f"{volume}:/run/sidebus"] if volume else []
        options += ["--name", name] if name else []
        return [*cls.command, *options, IMAGE, *arguments]

    @staticmethod
    def memory_limit(name):
        """Bytes that the kernel gives to a container, whichever cgroups it has."""
        pid = output("podman", "inspect", "--format", "{{.State.Pid}}", name).strip()
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if controllers == "memory":
                return int(Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes").read_text())
            if number == "0" and Path(f"/sys/fs/cgroup{path}/memory.max").exists():
                return int(Path(f"/sys/fs/cgroup{path}/memory.max").read_text())
        raise AssertionError("no cgroup that limits memory")

    @staticmethod
    def remove(name):
        """Whatever is left of a container."""
        subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)


class Chroot:
    """The files alone, read-only; nothing limits its memory."""

    name = "chroot"
    said = "chroot, read-only; its memory is not limited"

    @staticmethod
    def run(*arguments, volume=None, entrypoint=SIDEBUS, name="", user=USER, group=None):
        root = shlex.quote(str(ROOT))
        # The mounts are seen here alone, and are gone with the process.
        steps = [
            f"mount --bind {root} {root}",
            f"mkdir -p {root}/run/sidebus",
            f"mount -o remount,bind,ro {root}",
        ]
        if volume:
            steps.append(f"mount --bind {shlex.quote(str(volume))} {root}/run/sidebus")
        who = [f"--userspec={user}:{user}", f"--groups={group or ''}"]
        steps.append(shlex.join(["exec", "chroot", *who, str(ROOT), entrypoint, *arguments]))
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
        return [*command, " && ".join(steps)]

    @staticmethod
    def remove(name):
        """Nothing is left of it."""


def say(what):
    print(f"image: {what}", file=sys.stderr)


def choose():
    """(the runner or None, why it is that one)"""
    runners = {runner.name: runner for runner in (Podman, Chroot)}
    chosen = os.environ.get("SIDEBUS_IMAGE_RUNNER")
    if chosen and chosen not in runners:
        raise ValueError(f"SIDEBUS_IMAGE_RUNNER={chosen}: it is one of {', '.join(runners)}")
    wrong = []
    for name in [chosen] if chosen else runners:
        fault = fault_of(runners[name])
        if fault is None:
            return runners[name], "as SIDEBUS_IMAGE_RUNNER says" if chosen else "; ".join(wrong)
        wrong.append(f"{name} cannot run here: {fault}")
    if chosen:
        raise RuntimeError(f"SIDEBUS_IMAGE_RUNNER={chosen}: {wrong[0]}")
    return None, "; ".join(wrong)


def fault_of(runner):
    """Why it cannot run; None: it can."""
    try:
        done = subprocess.run(runner.run("version"), capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()[-300:]


def setUpModule():
    global RUNNER
    RUNNER, why = choose()
    say(f"run by {RUNNER.said if RUNNER else 'nothing'}{f' ({why})' if why else ''}")


class ImageTest(unittest.TestCase):
    def leave_out(self, reason):
        """Skips the test, and says so where one that is skipped is not named."""
        say(f"left out: {self.id().rpartition('.')[2]}: {reason}")
        self.skipTest(reason)


class TheImageTest(ImageTest):
    """What is in it."""

    def files(self):
        return {path.relative_to(ROOT) for path in ROOT.rglob("*") if not path.is_dir()}

    def test_its_libraries_are_those_of_the_list(self):
        there = sorted(path.name for path in self.files() if ".so" in path.name)
        listed = (HERE / "libraries.txt").read_text().split()

        self.assertEqual(there, listed, "a change of tests/image/libraries.txt is a decision")

    def test_every_library_that_is_needed_is_there(self):
        objects = {path.name: path for path in self.files() if ".so" in path.name}
        needed = set()
        for path in (*objects.values(), Path(SIDEBUS[1:])):
            needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", ROOT / path)))

        self.assertGreater(len(needed), 20)
        self.assertEqual(needed - objects.keys(), set())

    def test_there_is_no_shell_and_no_program_but_one(self):
        programs = {
            str(path)
            for path in self.files()
            if os.access(ROOT / path, os.X_OK) and ".so" not in path.name
        }

        self.assertEqual(programs, {SIDEBUS[1:]})

    def test_nothing_in_it_is_of_the_machine_that_built_it(self):
        binary = (ROOT / SIDEBUS[1:]).read_bytes()

        for path in (HERE.parents[1], Path.home() / ".cache"):
            self.assertEqual(binary.count(str(path).encode()), 0, path)

    def test_it_is_small(self):
        size = sum((ROOT / path).lstat().st_size for path in self.files())

        self.assertLess(size, MOST_BYTES)
        if shutil.which("podman"):
            self.assertLess(self.inspected()["Size"], MOST_BYTES)

    def test_every_package_is_in_the_bill_of_materials_with_its_licence(self):
        bill = json.loads((ROOT / "usr/share/sidebus/sbom.cdx.json").read_text())
        components = {each["name"]: each for each in bill["components"]}
        files = {
            one["value"]
            for each in components.values()
            for one in each["properties"]
            if one["name"] == "sidebus:file"
        }

        self.assertLessEqual({"librdkafka", "libgrpc-dev", "libssl3", "libc6"}, set(components))
        linked = {
            name
            for name, each in components.items()
            if {"name": "sidebus:linked", "value": "statically"} in each["properties"]
        }
        self.assertEqual(
            linked,
            {"librdkafka", "libgrpc-dev", "libgrpc++-dev", "libprotobuf-dev", "libabsl-dev"}
            | {"libjemalloc-dev"},
        )
        for name in linked - {"librdkafka"}:  # scanners know it by dpkg's record
            self.assertTrue((ROOT / f"var/lib/dpkg/status.d/{name}").is_file(), name)
        self.assertEqual(bill["metadata"]["component"]["properties"][0]["value"], REVISION)
        libraries = {f"/{path}" for path in self.files() if ".so" in path.name}
        self.assertEqual(libraries - files, set())
        for name in components.keys() - {"librdkafka"}:
            with self.subTest(package=name):
                self.assertTrue((ROOT / f"usr/share/doc/{name}/copyright").is_file())

    def inspected(self):
        return json.loads(output("podman", "image", "inspect", IMAGE))[0]

    def test_it_says_what_it_is_and_how_it_is_run(self):
        if not shutil.which("podman"):
            self.leave_out("no podman to ask")
        image = self.inspected()
        config = image["Config"]

        self.assertEqual(config["User"], f"{USER}:{USER}")
        self.assertEqual(config["Entrypoint"], [SIDEBUS])
        self.assertEqual(image["Healthcheck"]["Test"], ["CMD", SIDEBUS, "health"])
        labels = config["Labels"]
        self.assertEqual(labels["org.opencontainers.image.revision"], REVISION)
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        for name in ("title", "description", "source", "version", "created"):
            self.assertTrue(labels[f"org.opencontainers.image.{name}"])


class AContainerTest(ImageTest):
    """How it runs: as nobody, on a root that is read-only, with 128 MiB."""

    def setUp(self):
        if RUNNER is None:
            left_out = self.fail if os.environ.get("CI") == "true" else self.leave_out
            left_out("containers cannot run here, and neither can chroot")
        folder = tempfile.TemporaryDirectory(prefix="sidebus-image-")
        self.addCleanup(folder.cleanup)
        self.volume = Path(folder.name)
        self.volume.chmod(0o777)  # whatever the container's user is outside of it

    def run_to_its_end(self, *arguments, **options):
        name = f"sidebus-test-{uuid.uuid4().hex[:8]}"
        self.addCleanup(RUNNER.remove, name)
        return subprocess.run(
            RUNNER.run(*arguments, name=name, **options),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @contextlib.contextmanager
    def gateway(self, **options):
        """(its process, the URL of its probes, its name)"""
        name = f"sidebus-test-{uuid.uuid4().hex[:8]}"
        config = self.volume / "config.yaml"
        config.write_text(json.dumps(CONFIG))
        log = self.volume / "log"
        with open(log, "wb") as said:
            process = subprocess.Popen(
                RUNNER.run(
                    *("serve", "--config=/run/sidebus/config.yaml"),
                    volume=self.volume,
                    name=name,
                    **options,
                ),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            ready = eventually(
                lambda: re.search(r"admin (\S+);", log.read_text()) or process.poll(), "ready"
            )
            self.assertIsInstance(ready, re.Match, log.read_text())
            yield process, f"http://{ready[1]}", name
        finally:
            if process.poll() is None:
                process.terminate()  # podman hands it on
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            RUNNER.remove(name)

    def health(self, **options):
        """What another container of the pod hears from the gateway."""
        endpoint = "unix:/run/sidebus/sidebus.sock"
        return self.run_to_its_end("health", "--endpoint", endpoint, volume=self.volume, **options)

    def test_it_names_its_version(self):
        done = self.run_to_its_end("version", "--output", "json")

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["commit"], REVISION)

    def test_no_shell_can_be_started(self):
        self.assertNotEqual(self.run_to_its_end("-c", "true", entrypoint="/bin/sh").returncode, 0)

    def test_it_starts_serves_over_a_shared_socket_and_ends_with_0(self):
        with self.gateway() as (process, probes, _):
            http = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for path in ("/startupz", "/livez", "/readyz"):
                with http.open(probes + path, timeout=10) as answer:
                    self.assertEqual(answer.status, 200)

            other = self.health()
            self.assertEqual((other.returncode, other.stdout), (0, "SERVING\n"), other.stderr)
            if os.geteuid() == 0:
                self.assertEqual((self.volume / "sidebus.sock").stat().st_uid, USER)

            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(30), 0)

    def test_128_mib_are_enough(self):
        if RUNNER is not Podman:
            self.leave_out("chroot limits no memory")
        with self.gateway() as (_, _, name):
            self.assertEqual(Podman.memory_limit(name), 128 * 1024 * 1024)
            self.assertEqual(self.health().returncode, 0)

    def test_an_application_of_another_user_reaches_the_socket_by_the_group_of_the_pod_alone(self):
        if os.geteuid() != 0:
            self.leave_out("only root gives a folder to a group, as the kubelet does")
        os.chown(self.volume, 0, POD_GROUP)
        self.volume.chmod(0o2777)  # what is made in it is the group's

        with self.gateway(group=POD_GROUP):
            socket = (self.volume / "sidebus.sock").stat()
            mate = self.health(user=APPLICATION, group=POD_GROUP)
            stranger = self.health(user=APPLICATION)

        self.assertEqual((socket.st_uid, socket.st_gid), (USER, POD_GROUP))
        self.assertEqual(stat.S_IMODE(socket.st_mode), 0o660)
        self.assertEqual((mate.returncode, mate.stdout), (0, "SERVING\n"), mate.stderr)
        self.assertEqual(stranger.returncode, 2, stranger.stderr)
        self.assertIn("cannot connect", stranger.stderr)
        self.assertIn("this user may not open the socket", stranger.stderr)

    def test_its_root_is_read_only(self):
        # The folder is the user's own; here nothing is mounted on it.
        listen = ("--listen", "unix:/run/sidebus/sidebus.sock", "--admin", "127.0.0.1:0")
        done = self.run_to_its_end("serve", "--broker", "embedded", *listen)

        self.assertEqual(done.returncode, 1)
        self.assertIn("Read-only file system", done.stderr)


if __name__ == "__main__":
    unittest.main()
