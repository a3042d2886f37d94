"""The floors of server/ARCHITECTURE.md hold, and the check would notice if they did not."""

import re
import tempfile
import unittest
from pathlib import Path

import floors

ROOT = Path(__file__).resolve().parents[2]


def listed(breaches):
    return "\n" + "\n".join(map(str, breaches))


class TheHouseTest(unittest.TestCase):
    def test_every_include_goes_to_a_lower_floor_and_every_library_stays_in_its_cage(self):
        breaches = floors.include_breaches(ROOT)

        self.assertEqual(breaches, [], listed(breaches))

    def test_every_link_goes_to_a_lower_floor_and_every_library_stays_in_its_cage(self):
        breaches = floors.link_breaches(ROOT)

        self.assertEqual(breaches, [], listed(breaches))

    def test_every_source_includes_its_own_header_first(self):
        breaches = floors.own_header_breaches(ROOT)

        self.assertEqual(breaches, [], listed(breaches))

    def test_the_walk_sees_the_house(self):
        rooms = {floors.room_of(path.relative_to(ROOT)) for path in floors.sources(ROOT)}

        self.assertLessEqual({"base", "event", "broker", "publish", "subscribe", "main"}, rooms)

    def test_the_dependency_table_of_the_architecture_page_says_the_same(self):
        page = (ROOT / "server/ARCHITECTURE.md").read_text()
        rows = re.findall(r"^\| (\d) \| `([\w/]+)` \| ([^|]*) \|", page, re.MULTILINE)

        self.assertGreater(len(rows), 10)
        for floor, room, libraries in rows:
            with self.subTest(room=room):
                self.assertEqual(int(floor), floors.FLOORS[room])
                named = {name for name in floors.CAGES if room in floors.CAGES[name]}
                self.assertEqual(set(filter(None, libraries.strip().split(", "))), named)
        existing = {floors.room_of(path.relative_to(ROOT)) for path in floors.sources(ROOT)}
        self.assertLessEqual(existing - {floors.CLI}, {room for _, room, _ in rows})


class APlantedBreachIsFoundTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)

    def plant(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def assert_include_breach(self, path, line, text):
        self.plant(path, "// a comment\n" + line + "\n")
        breaches = floors.include_breaches(self.root)
        self.assertEqual([(b.path, b.line) for b in breaches], [(path, 2)])
        self.assertIn(text, breaches[0].rule)

    def assert_link_breach(self, path, cmake, line, text):
        self.plant(path, cmake)
        breaches = floors.link_breaches(self.root)
        self.assertEqual([(b.path, b.line) for b in breaches], [(path, line)])
        self.assertIn(text, breaches[0].rule)

    def test_an_include_of_a_higher_floor(self):
        self.assert_include_breach(
            "server/base/a.h", '#include "server/event/event.h"', "a higher floor"
        )

    def test_an_include_of_a_neighbour(self):
        self.assert_include_breach(
            "server/publish/a.cc", '#include "server/subscribe/live.h"', "its neighbour"
        )

    def test_a_backend_included_by_anything_but_app(self):
        self.assert_include_breach(
            "server/rpc/a.cc", '#include "server/broker/kafka/kafka_broker.h"', "its neighbour"
        )

    def test_an_exception_taken_the_wrong_way_round(self):
        self.assert_include_breach(
            "server/broker/kafka/a.cc", '#include "server/broker/embedded/a.h"', "its neighbour"
        )

    def test_a_caged_library_elsewhere(self):
        for path, include, library in [
            ("server/publish/a.cc", "<grpcpp/grpcpp.h>", "gRPC"),
            ("server/subscribe/a.h", '"sidebus/v1/event.pb.h"', "gRPC"),
            ("server/broker/memory/a.cc", "<librdkafka/rdkafka.h>", "librdkafka"),
            ("server/app/a.cc", "<yaml-cpp/yaml.h>", "yaml-cpp"),
            ("server/publish/a.cc", "<prometheus/counter.h>", "prometheus"),
            ("server/rpc/a.cc", "<CivetServer.h>", "civetweb"),
            ("server/config/a.cc", "<simdjson.h>", "simdjson"),
            ("server/codec/a.cc", "<curl/curl.h>", "libcurl"),
            ("server/event/a.cc", "<spdlog/spdlog.h>", "spdlog"),
            ("server/rpc/a.cc", "<CLI/CLI.hpp>", "CLI11"),
            ("server/base/a.cc", '"absl/synchronization/mutex.h"', "absl synchronization"),
        ]:
            with self.subTest(path=path, include=include):
                self.setUp()
                self.assert_include_breach(path, f"#include {include}", f"{library} ")

    def test_an_include_that_does_not_start_at_the_root(self):
        self.assert_include_breach("server/base/a.cc", '#include "a.h"', "repository root")

    def test_an_include_of_test_support(self):
        self.assert_include_breach(
            "server/base/a.cc", '#include "tests/support/manual_time.h"', "of its tests"
        )

    def test_a_folder_without_a_floor(self):
        self.plant("server/attic/a.h", "\n")
        breaches = floors.include_breaches(self.root)
        self.assertEqual([b.path for b in breaches], ["server/attic/a.h"])

    def test_the_command_line_reaching_into_the_server(self):
        self.assert_include_breach(
            "client/cli/a.cc", '#include "server/config/config.h"', "is a client"
        )

    def test_the_server_reaching_into_the_command_line(self):
        self.assert_include_breach(
            "server/app/a.cc", '#include "client/cli/verbs.h"', "only main uses client/cli"
        )

    def test_a_source_that_hides_a_header_that_is_not_self_contained(self):
        self.plant("server/base/a.h", "\n")
        self.plant("server/base/a.cc", '#include <string>\n#include "server/base/a.h"\n')
        breaches = floors.own_header_breaches(self.root)
        self.assertEqual([(b.path, b.line) for b in breaches], [("server/base/a.cc", 1)])

    def test_a_link_to_a_higher_floor(self):
        self.assert_link_breach(
            "server/event/CMakeLists.txt",
            "target_link_libraries(sidebus_event\n  PUBLIC base\n  PRIVATE sidebus::config)\n",
            3,
            "a higher floor",
        )

    def test_a_link_to_a_backend(self):
        self.assert_link_breach(
            "server/subscribe/CMakeLists.txt",
            "target_link_libraries(sidebus_subscribe PUBLIC sidebus::broker_kafka)\n",
            1,
            "a higher floor",
        )

    def test_a_link_to_a_caged_library(self):
        self.assert_link_breach(
            "server/broker/memory/CMakeLists.txt",
            "target_link_libraries(sidebus_broker_memory PRIVATE PkgConfig::RDKAFKA)\n",
            1,
            "librdkafka is caged",
        )

    def test_a_target_that_is_not_named_after_its_folder(self):
        self.assert_link_breach(
            "server/base/CMakeLists.txt",
            "target_link_libraries(helpers PUBLIC fmt::fmt)\n",
            1,
            "not named after its folder",
        )


class WhatIsAllowedIsNotABreachTest(unittest.TestCase):
    def test_lower_floors_exceptions_and_caged_libraries_in_their_cages(self):
        for user, include in [
            ("publish", "server/broker/producer.h"),
            ("broker/embedded", "server/broker/kafka/kafka_broker.h"),
            ("broker/kafka", "server/broker/broker.h"),
            ("app", "server/broker/memory/memory_broker.h"),
            ("main", "client/cli/verbs.h"),
            ("rpc", "sidebus/v1/event_bus.grpc.pb.h"),
            ("broker/kafka", "librdkafka/rdkafka_mock.h"),
            ("admin", "CivetServer.h"),
            ("registry", "curl/curl.h"),
            ("registry", "server/codec/schema_registry.h"),
            (floors.CLI, "server/base/error.h"),
            ("base", "absl/base/thread_annotations.h"),
        ]:
            with self.subTest(user=user, include=include):
                self.assertIsNone(floors.include_breach(user, include, quoted=True))


if __name__ == "__main__":
    unittest.main()
