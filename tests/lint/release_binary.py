"""The release binary carries its own librdkafka. Run by ./dev after the release build, with
SIDEBUS_BINARY; not found by discovery, because it needs that build."""

import os
import subprocess
import unittest

BINARY = os.environ["SIDEBUS_BINARY"]


class TheReleaseBinaryTest(unittest.TestCase):
    def test_librdkafka_is_linked_statically(self):
        libraries = subprocess.run(
            ["ldd", BINARY], capture_output=True, text=True, check=True
        ).stdout

        self.assertIn("libgrpc++", libraries)  # it is the gateway, and ldd could read it
        self.assertNotIn("rdkafka", libraries)

    def test_every_shared_library_is_found(self):
        libraries = subprocess.run(
            ["ldd", BINARY], capture_output=True, text=True, check=True
        ).stdout

        self.assertNotIn("not found", libraries)


if __name__ == "__main__":
    unittest.main()
