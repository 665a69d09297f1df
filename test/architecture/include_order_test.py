#!/usr/bin/env python3
"""Goal: the house keeps its order, and the check that says so notices when it does not.

Method: each rule is broken alone in a small tree made for it, and must yield exactly its finding; then the project's
own tree must yield none.
"""

import pathlib
import sys
import tempfile
import unittest

import include_order

PROJECT = pathlib.Path(__file__).resolve().parents[2]


class Tree:
    """A tree in order, to be broken in one place."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for room in ("base", "disk", "fabric", "fs", "engine", "client", "attach", "server", "faces", "apps"):
            self.write(f"src/{room}/README.md", f"# {room}\n")
        self.write("src/base/status.h", "#pragma once\n#include <string>\n")
        self.write("src/disk/disk.h", '#include "base/status.h"\n')
        self.write("src/fabric/fabric.h", '#include "base/status.h"\n')
        self.write("src/fs/file_system.h", '#include "base/status.h"\n')
        self.write("src/engine/pool.h", '#include "disk/disk.h"\n#include "fs/file_system.h"\n')
        self.write("src/client/client.h", '#include "fs/file_system.h"\n')
        self.write("src/attach/attach.h", '#include "engine/pool.h"\n#include "client/client.h"\n')
        self.write("src/faces/dfs/dfs.h", '#include "attach/attach.h"\n')
        self.write("src/faces/capi/capi.h", '#include "attach/attach.h"\n')
        self.write("src/apps/main.cc", '#include "faces/dfs/dfs.h"\n#include "faces/capi/capi.h"\n')
        self.write("include/daos/daos.h", "")
        self.write("test/model/README.md", "# model\n")
        self.write("test/model/model.h", '#include "fs/file_system.h"\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


class IncludeOrderTest(unittest.TestCase):
    def setUp(self):
        self.tree = Tree()
        self.addCleanup(self.tree.folder.cleanup)

    def expect(self, *wanted):
        found = include_order.findings(self.tree.root)
        self.assertEqual(len(found), len(wanted), found)
        for line, part in zip(found, wanted):
            self.assertIn(part, line)

    def test_a_tree_in_order_has_no_findings(self):
        self.expect()

    def test_upward_is_refused(self):
        self.tree.write("src/base/log.cc", '\n#include "engine/pool.h"\n')
        self.expect("src/base/log.cc:2: base/ lies below engine/")

    def test_upward_is_refused_with_other_spacing_and_in_angle_brackets(self):
        self.tree.write("src/base/log.cc", '  #  include   "engine/pool.h"\n#include <engine/pool.h>\n')
        self.expect("log.cc:1: base/ lies below engine/", "log.cc:2: base/ lies below engine/")

    def test_upward_is_refused_in_tests_too(self):
        self.tree.write("src/disk/disk_test.cc", '#include "engine/pool.h"\n')
        self.expect("disk/ lies below engine/")

    def test_sideways_is_refused(self):
        self.tree.write("src/engine/write.cc", '#include "client/client.h"\n')
        self.tree.write("src/fabric/tcp/tcp.cc", '#include "disk/disk.h"\n')
        self.tree.write("src/server/server.cc", '#include "attach/attach.h"\n')
        self.expect("engine/ and client/ are peers", "fabric/ and disk/ are peers", "server/ and attach/ are peers")

    def test_faces_do_not_know_each_other(self):
        self.tree.write("src/faces/dfs/dfs.cc", '#include "faces/capi/capi.h"\n')
        self.expect("faces/dfs and faces/capi do not know each other")

    def test_a_path_that_is_not_from_src_is_refused(self):
        self.tree.write("src/engine/write.cc", '#include "pool.h"\n#include "../base/status.h"\n')
        self.expect('"pool.h" is not a file of src/', '"../base/status.h" is not a file of src/')

    def test_public_headers_are_for_faces(self):
        self.tree.write("src/faces/dfs/dfs.cc", '#include "daos/daos.h"\n')
        self.tree.write("src/engine/write.cc", '#include "daos/daos.h"\n')
        self.expect('src/engine/write.cc:1: the public header "daos/daos.h"')

    def test_only_tests_include_tests(self):
        self.tree.write("src/engine/write_test.cc", '#include "model/model.h"\n')
        self.tree.write("src/engine/write.cc", '#include "model/model.h"\n')
        self.expect('src/engine/write.cc:1: "model/model.h" belongs to the tests')

    def test_a_folder_that_is_no_room_is_refused(self):
        self.tree.write("src/utils/README.md", "# utils\n")
        self.expect("src/utils: not a room")

    def test_a_room_without_readme_is_refused(self):
        (self.tree.root / "src/fs/README.md").unlink()
        self.tree.write("src/disk/ram/CMakeLists.txt", "")
        self.tree.write("test/sim/sim_test.cc", "")
        self.expect("src/disk/ram/README.md: missing", "src/fs/README.md: missing", "test/sim/README.md: missing")

    def test_a_readme_of_30_lines_passes_and_of_31_does_not(self):
        self.tree.write("src/fs/README.md", "line\n" * 30)
        self.expect()
        self.tree.write("src/fs/README.md", "line\n" * 31)
        self.expect("src/fs/README.md: 31 lines")

    def test_a_file_of_800_lines_passes_and_of_801_does_not(self):
        self.tree.write("src/fs/long.cc", "//\n" * 800)
        self.expect()
        self.tree.write("src/fs/long.cc", "//\n" * 801)
        self.expect("src/fs/long.cc: 801 lines")


class ProjectTest(unittest.TestCase):
    def test_the_project_is_in_order(self):
        found = include_order.findings(PROJECT)
        self.assertEqual(found, [], "\n" + "\n".join(found))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
