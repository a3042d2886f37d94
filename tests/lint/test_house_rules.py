"""Rules about files: what is in the repository, how long it is, and what it must not mention."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# (header, source): aims are reported, the bound is a failure.
AIM = {".h": 150, ".cc": 350}
BOUND = 500

# Split, so that this file does not break its own rules.
MACHINE = [r"(?:^|[^\w.$}~-]|-[IL])/" + f"{top}/" for top in ("wo" + "rk", "ro" + "ot")] + [
    "/tmp/" + r"\w{1,3}/"
]
MIRRORS = [
    "arti" + "factory",
    "jf" + "rog",
    "verd" + "accio",
    r"\bdev" + r"pi\b",
    r"[\w-]\.(?-i:inter" + r"nal)\b",  # hosts; an enumerator INTERNAL is none
    "nexus" + "-repo",
    "pypi-" + "mirror",
    "registry-" + "mirror",
]
REMINDERS = [r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX{3}\b(?!-)", r"\bHA" + r"CK\b"]

BUILT = {".o", ".a", ".so", ".pyc", ".whl", ".jar", ".gz", ".zip"}


def tracked(root=ROOT):
    """Files of the repository; without git (an exported tree), all but what is built."""
    git = subprocess.run(
        [
            "git",
            "-c",
            "safe.directory=*",
            "-C",
            root,
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        capture_output=True,
        check=False,
    )
    if git.returncode == 0:
        names = [Path(name) for name in git.stdout.decode().split("\0") if name]
    else:
        names = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        skipped = {"build", ".git", "node_modules", "__pycache__", ".venv"}
        names = [name for name in names if not skipped.intersection(name.parts)]
    return [name for name in names if (root / name).is_file()]


def mentions(root, patterns, names):
    """file:line of every line that matches one of the patterns."""
    wanted = re.compile("|".join(patterns), re.IGNORECASE)
    found = []
    for name in names:
        try:
            text = (root / name).read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if wanted.search(line):
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    return found


def lengths(root, names):
    """[(lines, file)] of C++ files above the aim, longest first."""
    found = []
    for name in names:
        if name.suffix in AIM:
            lines = len((root / name).read_text().splitlines())
            if lines > AIM[name.suffix]:
                found.append((lines, str(name)))
    return sorted(found, reverse=True)


class TheRepositoryTest(unittest.TestCase):
    def test_no_file_names_a_path_of_a_developers_machine(self):
        found = mentions(ROOT, MACHINE, tracked())

        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_no_file_names_a_private_mirror_of_a_package_registry(self):
        found = mentions(ROOT, MIRRORS, tracked())

        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_no_file_holds_a_reminder_in_place_of_work(self):
        found = mentions(ROOT, REMINDERS, tracked())

        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_nothing_built_is_in_the_repository(self):
        found = [str(name) for name in tracked() if name.suffix in BUILT]

        self.assertEqual(found, [])

    def test_no_source_is_longer_than_its_bound(self):
        long = lengths(ROOT, tracked())
        for lines, name in long:
            print(f"{name}: {lines} lines (aim {AIM[Path(name).suffix]})", file=sys.stderr)

        self.assertEqual([name for lines, name in long if lines > BOUND], [])

    def test_the_walk_sees_the_repository(self):
        names = set(map(str, tracked()))

        self.assertLessEqual({"CMakeLists.txt", "server/main.cc", "tests/lint/floors.py"}, names)


def between(path, start, end):
    """The words of a file between two texts, without the ends of continued lines."""
    text = (ROOT / path).read_text().split(start, 1)[1].split(end, 1)[0]
    return [word for word in text.split() if word != "\\"]


class TheDockerfileTest(unittest.TestCase):
    """Its stage `build` is compiled by hand only (`./dev image BASE`)."""

    def test_it_installs_what_a_developer_installs(self):
        wanted = between("dev", 'need "building Sidebus"', '"$@"')
        there = between("deploy/Dockerfile", "apt-get install -y --no-install-recommends", "&&")

        # deploy/image-root needs the one; the other fetches librdkafka's source, as in need_build.
        more = {"binutils", "${FETCH_WITH}"}
        self.assertLessEqual(more, set(there))
        self.assertEqual(
            [package for package in there if package not in more],
            [package.rpartition("=")[2] for package in wanted],
        )
        self.assertGreater(len(wanted), 20)


class APlantedBreachIsFoundTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)

    def planted(self, text, name="a.cc"):
        (self.root / name).write_text(text)
        return [Path(name)]

    def test_paths_of_a_machine(self):
        for path in ("/wo" + "rk/main/x", "-I/ro" + "ot/.cache/x", "'/tmp/" + "w/rig'"):
            with self.subTest(path=path):
                self.assertEqual(
                    len(mentions(self.root, MACHINE, self.planted(f"one\n{path}\n"))), 1
                )

    def test_paths_inside_the_repository_and_of_users_are_fine(self):
        text = "server/wo" + "rk/x ~/wo" + "rk/x /run/sidebus $HOME/ro" + "ot/x /tmp/sidebus.sock\n"

        self.assertEqual(mentions(self.root, MACHINE, self.planted(text)), [])

    def test_mirrors(self):
        for host in ("https://arti" + "factory.example.com/pypi", "pip.inter" + "nal/simple"):
            with self.subTest(host=host):
                self.assertEqual(len(mentions(self.root, MIRRORS, self.planted(host))), 1)

    def test_reminders(self):
        for text in ("// TO" + "DO: later", "# fix" + "me", "X" * 3):
            with self.subTest(text=text):
                self.assertEqual(len(mentions(self.root, REMINDERS, self.planted(text))), 1)

    def test_a_source_above_the_bound(self):
        names = self.planted("\n" * (BOUND + 1))

        self.assertEqual(lengths(self.root, names), [(BOUND + 1, "a.cc")])

    def test_a_tree_without_git_is_walked(self):
        (self.root / "build").mkdir()
        (self.root / "build/a.o").write_text("")
        self.planted("", "a.cc")

        self.assertEqual(tracked(self.root), [Path("a.cc")])


if __name__ == "__main__":
    unittest.main()
