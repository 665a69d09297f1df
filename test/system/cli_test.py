#!/usr/bin/env python3
"""The command line as people run it: the real program on a pool in a temporary directory.

Goal: each command does what it says, --json is JSON, a failure is one clear line and the right exit code, and Ctrl-C
leaves nothing half done. Method: a pool of a file device for each test class; rsync judges that a tree comes out as it
went in. Usage: cli_test.py ROSS, where ROSS is the program.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROSS = None
NOBODY = 65534


def run(*args, url=None, data=None, uid=None):
    environment = {k: v for k, v in os.environ.items() if k != "ROSS_URL"}
    if url is not None:
        environment["ROSS_URL"] = url
    command = [ROSS, *args]
    if uid is not None:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    return subprocess.run(command, input=data, env=environment, capture_output=True, timeout=120)


class WithPool(unittest.TestCase):
    SIZE = "1G"

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ross-cli-")
        self.pool = self.dir + "/pool"
        self.url = f"local:{self.pool}/data"
        self.good("pool", "create", self.pool, "--size", self.SIZE)
        self.good("container", "create", self.url)

    def tearDown(self):
        shutil.rmtree(self.dir)

    def good(self, *args, **options):
        done = run(*args, url=self.url, **options)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stderr}")
        return done.stdout

    def json(self, *args):
        return json.loads(self.good("--json", *args))

    def bad(self, *args, code=1, says="", lines=1, **options):
        options.setdefault("url", self.url)
        done = run(*args, **options)
        self.assertEqual(done.returncode, code, f"{args}: {done.stdout} {done.stderr}")
        text = done.stderr.decode(errors="replace")
        self.assertEqual(text.count("\n"), lines, text)
        self.assertTrue(text.startswith("ross: "), text)
        self.assertIn(says, text)
        return text

    def same_trees(self, one, other):
        found = subprocess.run(["rsync", "-anciAXH", "--checksum", "--delete", one + "/", other + "/"],
                               capture_output=True, timeout=120, check=True)
        self.assertEqual(found.stdout.decode(errors="replace"), "")

    def tree(self, name, files=200, size=3000):
        root = f"{self.dir}/{name}"
        os.makedirs(root + "/sub/deep")
        os.makedirs(root + "/empty")
        for i in range(files):
            with open(f"{root}/sub/file-{i}", "wb") as out:
                out.write(os.urandom(size + i))
        with open(root + "/large", "wb") as out:
            out.write(os.urandom((3 << 20) + 17))
        with open(root + "/hole", "wb") as out:
            out.truncate(32 << 20)
            out.seek(9 << 20)
            out.write(b"x")
        os.link(root + "/large", root + "/sub/deep/linked")
        os.symlink("../large", root + "/sub/link")
        os.mkfifo(root + "/fifo", 0o620)
        with open(os.fsencode(root) + b"/odd \n \xff name", "w", encoding="ascii") as out:
            out.write("odd")
        os.chmod(root + "/sub/file-1", 0o4711)
        os.utime(root + "/sub/file-2", ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))
        try:
            os.setxattr(root + "/sub/file-3", "user.key", b"a\0b")
        except OSError:
            pass  # a file system without them
        if os.geteuid() == 0:
            os.chown(root + "/sub/file-4", 12, 34)
            os.mknod(root + "/device", 0o600 | 0o020000, os.makedev(1, 3))
        os.utime(root + "/sub", ns=(1, 2))
        return root


class Commands(WithPool):
    def test_a_tree_comes_out_as_it_went_in(self):
        tree = self.tree("in")
        self.good("cp", "-r", tree, ":/")
        self.good("cp", "-r", ":/in", self.dir + "/out")
        self.same_trees(tree, self.dir + "/out")
        self.good("cp", "-r", ":/in", ":/copy", "--jobs", "3")
        self.good("cp", "-r", ":/copy", self.dir + "/out2")
        self.same_trees(tree, self.dir + "/out2")
        self.assertEqual(self.json("fsck", self.pool)["clean"], True)
        self.assertEqual(self.json("fsck", "--data", self.pool)["clean"], True)

    def test_names_and_streams(self):
        self.good("mkdir", "-p", ":/a/b/c")
        self.assertEqual(self.good("put", "-", ":/a/b/f", data=b"hello"), b"")
        self.assertEqual(self.good("cat", ":/a/b/f"), b"hello")
        self.assertEqual(self.good("get", ":/a/b/f"), b"hello")
        self.good("get", ":/a/b/f", self.dir + "/f")
        with open(self.dir + "/f", "rb") as file:
            self.assertEqual(file.read(), b"hello")
        self.good("put", self.dir + "/f", ":/key/made/on/the/way")
        self.good("ln", ":/a/b/f", ":/a/hard")
        self.good("ln", "-s", "b/f", ":/a/soft")
        self.good("mv", ":/a/hard", ":/a/b/c")
        self.assertEqual(self.good("cat", ":/a/soft", ":/a/b/c/hard"), b"hellohello")
        self.assertEqual(self.good("ls", ":/a"), b"b\nsoft\n")
        self.assertEqual([entry["name"] for entry in self.json("ls", ":/a/b")], ["c", "f"])
        found = self.json("stat", ":/a/b/f", ":/a/soft")
        self.assertEqual([found[0]["size"], found[0]["links"], found[1]["target"]], [5, 2, "b/f"])
        self.assertEqual(self.good("find", ":/a", "--type", "f", "--name", "h*"), b":/a/b/c/hard\n")
        self.assertEqual(self.good("find", ":/a", "--size", "+6"), b"")
        self.assertEqual(len(self.json("find", ":/")), 12)
        self.assertEqual(self.json("du", "-s", ":/a")[0]["bytes"], 8)  # 5 once, and the link's 3
        self.assertEqual(self.json("rm", "-r", ":/a")["removed"], 6)
        self.assertEqual(self.good("ls", "-a"), b"key\n")

    def test_pools_and_containers(self):
        self.assertEqual(self.json("pool", "list", self.dir)[0]["pool"], self.pool)
        info = self.json("pool", "info", self.pool)
        self.assertEqual([info["containers"], len(info["devices"])], [1, 1])
        self.assertEqual(self.json("container", "create", f"local:{self.pool}/two", "--quota", "1M")["quota_bytes"],
                         1 << 20)
        self.assertEqual(self.json("container", "set", f"local:{self.pool}/two", "--quota", "2M")["quota_bytes"],
                         2 << 20)
        self.assertEqual(sorted(c["name"] for c in self.json("container", "list", self.pool)), ["data", "two"])
        self.assertEqual(self.json("container", "info")["name"], "data")
        self.assertEqual(self.json("df", self.url, self.pool)[0]["path"], self.url)
        self.json("sync", self.url)
        self.bad("container", "destroy", f"local:{self.pool}/two", says="--yes", data=b"")
        self.good("container", "destroy", "--yes", f"local:{self.pool}/two")
        self.bad("container", "info", f"local:{self.pool}/two", says="two")
        self.good("pool", "destroy", "--yes", self.pool)
        self.bad("pool", "info", self.pool)

    def test_bench_and_what_prints_no_files(self):
        loads = self.json("bench", "--size", "4M", "--time", "0.1")
        self.assertEqual([load["load"] for load in loads], ["write", "read", "randread", "randwrite", "metadata"])
        self.assertTrue(all(load["operations"] > 0 for load in loads))
        self.assertEqual(self.good("ls", "-a"), b"")
        for shell in ("bash", "zsh", "fish"):
            script = self.good("completion", shell)
            for word in (b"container", b"recursive", b"fsck"):
                self.assertTrue(word in script, f"{shell}: no {word}")
        subprocess.run(["bash", "-n"], input=self.good("completion", "bash"), check=True, timeout=10)
        self.assertIn("version", self.json("version"))


class Failures(WithPool):
    def test_bad_lines(self):
        for args in (["nope"], [], ["cp", "x"], ["ls", "--nope"], ["pool", "create", "x", "--size", "12Q"],
                     ["find", "--type", "z"], ["mkdir", "-m", "9", ":/x"], ["cp", "-j", "0", "a", "b"]):
            self.bad(*args, code=2, says="--help")

    def test_bad_paths(self):
        self.bad("ls", ":/nope", says="no such file")
        self.bad("ls", ":/x", url=None, says="ROSS_URL")
        self.bad("ls", "local:/", says="no pool")
        self.bad("ls", "daos://server/p/c", says="not in this build")
        self.bad("ls", f"local:{self.pool}/nope", says="nope")
        self.bad("cat", ":/", says="is a directory")
        self.bad("cp", ":/", self.dir + "/x", says="-r")
        self.bad("cp", "a", "b", says="system's cp")
        self.bad("cp", "/nope", ":/", says="/nope")
        self.bad("rm", ":/", says=":/")
        self.bad("get", ":/nope", self.dir + "/x")
        self.assertFalse(os.path.exists(self.dir + "/x"))

    def test_bad_pools(self):
        self.bad("pool", "info", self.dir + "/missing", says="missing")
        os.mkdir(self.dir + "/foreign")
        with open(self.dir + "/foreign/ross-pool", "wb") as file:
            file.write(b"not a pool at all\n" * 300)
        self.bad("pool", "info", self.dir + "/foreign", says="foreign")
        self.bad("ls", f"local:{self.dir}/foreign/c")
        self.bad("pool", "create", self.pool, "--size", "1G", says=self.pool)
        self.bad("pool", "create", self.dir + "/small", "--size", "1K", says="small")
        self.bad("pool", "create", self.dir + "/gone", "--device", "/dev/nope", says="/dev/nope")
        os.truncate(self.pool + "/ross-pool", 10)
        self.bad("ls", says="pool")

    def test_no_permission(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become another user")
        os.chmod(self.dir, 0o700)
        self.bad("ls", uid=NOBODY, says="permission")
        os.chmod(self.dir, 0o755)
        os.chmod(self.pool, 0o700)
        self.bad("ls", uid=NOBODY, says="permission")

    def test_two_writers(self):
        holder = subprocess.Popen([ROSS, "put", "-", self.url + "/x"], stdin=subprocess.PIPE)
        try:
            # More than a pipe holds: once it is written the holder reads, and so has the pool open.
            holder.stdin.write(b"x" * (256 << 10))
            holder.stdin.flush()
            self.assertEqual(self.good("ls"), b"")  # other commands work beside it
            self.good("put", "-", ":/y", data=b"beside")
            self.bad("fsck", self.pool, says="in use")
            self.bad("pool", "destroy", "--yes", self.pool, says="in use")
        finally:
            holder.communicate(timeout=20)
        self.assertEqual(holder.returncode, 0)
        self.assertEqual(len(self.good("cat", ":/x")), 256 << 10)
        self.assertEqual(self.good("cat", ":/y"), b"beside")

    def test_a_closed_pipe_is_quiet(self):
        self.good("cp", "-r", self.tree("in", files=2000, size=10), ":/")
        reader = subprocess.Popen([ROSS, "find", self.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reader.stdout.read(10)
        reader.stdout.close()
        self.assertEqual(reader.stderr.read(), b"")
        reader.stderr.close()
        self.assertIn(reader.wait(timeout=20), (0, 128 + signal.SIGPIPE))


class Interrupted(WithPool):
    def interrupt(self, *args, after):
        """Runs ross and interrupts it as soon as after() says so."""
        copy = subprocess.Popen([ROSS, *args], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not after() and copy.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        copy.send_signal(signal.SIGINT)
        told = copy.communicate(timeout=60)[1]
        return copy.returncode, told

    def test_a_copy_in(self):
        tree = self.tree("in", files=20000, size=8000)
        started = time.monotonic()
        code, told = self.interrupt("cp", "-r", tree, self.url + "/", after=lambda: time.monotonic() > started + 0.3)
        self.assertEqual(code, 130, told)
        self.assertIn(b"interrupted", told)
        for entry in self.json("find", ":/", "--type", "f"):
            source = tree + entry["path"][len(":/in"):]
            if "path_hex" not in entry:
                self.assertEqual(entry["size"], os.stat(source).st_size, source)
        self.assertEqual(self.json("fsck", "--data", self.pool)["clean"], True)

    def test_a_copy_out(self):
        tree = self.tree("in", files=20000, size=8000)
        self.good("cp", "-r", tree, ":/")
        out = self.dir + "/out"
        code, told = self.interrupt("cp", "-r", self.url + "/in", out, after=lambda: os.path.exists(out + "/sub/file-9"))
        self.assertEqual(code, 130, told)
        for directory, _, names in os.walk(os.fsencode(out)):
            for name in names:
                self.assertFalse(name.startswith(b".ross-cp"), name)
                source = os.fsencode(tree) + directory[len(out):] + b"/" + name
                self.assertEqual(os.lstat(directory + b"/" + name).st_size, os.lstat(source).st_size, name)


class Full(WithPool):
    SIZE = "64M"

    def test_a_full_pool_says_so_once(self):
        os.mkdir(self.dir + "/in")
        for i in range(40):
            with open(f"{self.dir}/in/{i}", "wb") as out:
                out.write(os.urandom(4 << 20))
        self.bad("cp", "-r", self.dir + "/in", ":/", says="space")
        for entry in self.json("find", ":/", "--type", "f"):
            self.assertEqual(entry["size"], 4 << 20)
        self.good("rm", "-r", ":/in")
        self.good("put", f"{self.dir}/in/0", ":/again")
        self.assertEqual(self.json("fsck", "--data", self.pool)["clean"], True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    ROSS = os.path.abspath(sys.argv.pop(1))
    unittest.main()
