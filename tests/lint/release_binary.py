"""The release binary carries what its hot path calls, and is hardened. Run by ./dev after the
release build, with SIDEBUS_BINARY; not found by discovery, because it needs that build."""

import os
import platform
import re
import subprocess
import unittest
from pathlib import Path

BINARY = os.environ["SIDEBUS_BINARY"]
ROOT = Path(__file__).resolve().parents[2]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class TheReleaseBinaryTest(unittest.TestCase):
    def test_what_its_hot_path_calls_is_linked_statically(self):
        libraries = output("ldd", BINARY)

        self.assertIn("libssl", libraries)  # it is the gateway, and ldd could read it
        for name in ("rdkafka", "grpc", "protobuf", "absl", "jemalloc"):
            self.assertNotIn(name, libraries)

    def test_its_malloc_is_jemalloc_as_the_allocator_file_sets_it(self):
        said = subprocess.run(
            [BINARY, "version"],
            env=os.environ | {"MALLOC_CONF": "stats_print:true"},
            capture_output=True,
            text=True,
            check=True,
        ).stderr

        self.assertRegex(said, r"opt\.narenas: 4\b")
        self.assertRegex(said, r"opt\.dirty_decay_ms: 1000\b")
        self.assertRegex(said, r"opt\.background_thread: true")

    def test_every_shared_library_is_found(self):
        libraries = output("ldd", BINARY)

        self.assertNotIn("not found", libraries)


class TheReleaseBinaryIsHardenedTest(unittest.TestCase):
    def test_it_can_be_loaded_anywhere(self):
        self.assertRegex(output("readelf", "--file-header", BINARY), r"Type:\s+DYN")
        self.assertRegex(output("readelf", "--dynamic", BINARY), r"FLAGS_1\).*\bPIE\b")

    def test_all_symbols_are_bound_at_the_start_and_their_tables_read_only_then(self):
        self.assertRegex(output("readelf", "--dynamic", BINARY), r"FLAGS_1\).*\bNOW\b")
        self.assertIn("GNU_RELRO", output("readelf", "--program-headers", BINARY))

    def test_its_stack_is_not_executable(self):
        headers = output("readelf", "--program-headers", "--wide", BINARY)

        self.assertRegex(headers, r"GNU_STACK .* RW +0x")

    def test_it_looks_for_libraries_in_no_folder_of_its_own(self):
        self.assertNotRegex(output("readelf", "--dynamic", BINARY), r"\((RPATH|RUNPATH)\)")

    def test_stacks_are_guarded_and_copies_are_checked(self):
        symbols = output("readelf", "--dyn-syms", "--wide", BINARY)

        self.assertIn("__stack_chk_fail@GLIBC", symbols)
        self.assertRegex(symbols, r"__mem(cpy|move|set)_chk@GLIBC")
        self.assertRegex(symbols, r"__v?snprintf_chk@GLIBC")  # librdkafka's

    @unittest.skipUnless(platform.machine() == "x86_64", "it is of this processor")
    def test_jumps_land_where_they_may_in_the_gateway_and_in_librdkafka(self):
        for function in ("main", "rd_kafka_new"):
            with self.subTest(function=function):
                code = output("objdump", f"--disassemble={function}", BINARY)
                first = re.search(rf"<{function}>:\n(.*)", code)
                self.assertIsNotNone(first)
                self.assertIn("endbr64", first[1])

    def test_it_is_the_same_wherever_it_was_built(self):
        self.assertRegex(output("readelf", "--notes", BINARY), r"Build ID: [0-9a-f]{40}\b")
        binary = Path(BINARY).read_bytes()
        self.assertEqual(binary.count(str(ROOT).encode()), 0, ROOT)
        self.assertEqual(re.findall(rb"/tmp/tmp\.\w+/source", binary)[:1], [])


if __name__ == "__main__":
    unittest.main()
