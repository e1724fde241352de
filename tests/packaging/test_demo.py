# SPDX-License-Identifier: MIT
"""ci/demo, as a newcomer runs it: it serves a disk, says how to reach it, and ends on Ctrl-C."""
import os
import re
import signal
import socket
import subprocess

import pytest

import trees


class Demo:
    """ci/demo in a session of its own, as in a terminal, read up to its last line."""

    def __init__(self, tmp_path, *arguments):
        self.process = subprocess.Popen(
            [str(trees.SOURCE / "ci/demo"), *arguments], env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, preexec_fn=trees.die_with_parent)
        self.text = ""
        while "Ctrl-C ends it" not in self.text:
            line = self.process.stdout.readline()
            assert line, f"the demo ended with {self.process.wait()}:\n{self.text}"
            self.text += line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end(self, number):
        """Sends a signal to all of it, as a terminal does; its exit status."""
        os.killpg(self.process.pid, number)
        self.text += self.process.stdout.read()
        return self.process.wait(30)


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_stop(tmp_path, number):
    port = trees.free_port()
    with Demo(tmp_path, "--port", str(port)) as demo:
        url = re.search(r"^ +(iscsi://\S+/1)$", demo.text, re.M)[1]
        assert f":{port}/" in url
        assert f"127.0.0.1:{port}" in trees.output("iscsi-ls", "-s", f"iscsi://127.0.0.1:{port}")
        assert "1 GiB" in trees.output("qemu-img", "info", url)
        trees.output("qemu-io", "-f", "raw", "-c", "write -P 7 512M 1M", "-c", "read -P 7 512M 1M", url)
        assert demo.end(number) == 0, demo.text
    assert not listens(port)
    assert not list(tmp_path.glob("tgt-demo*"))


def test_a_file_of_ones_own_is_kept(tmp_path):
    disk = tmp_path / "disk.img"
    with Demo(tmp_path, "--port", str(trees.free_port()), "--file", str(disk)) as demo:
        url = re.search(r"^ +(iscsi://\S+/1)$", demo.text, re.M)[1]
        trees.output("qemu-io", "-f", "raw", "-c", "write -P 7 1M 64k", "-c", "flush", url)
        assert demo.end(signal.SIGINT) == 0, demo.text
    assert disk.stat().st_size == 1 << 30
    with disk.open("rb") as file:
        file.seek(1 << 20)
        assert file.read(65536) == b"\7" * 65536


def refused(*arguments):
    done = subprocess.run([str(trees.SOURCE / "ci/demo"), *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_port_that_is_taken():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert f"something listens on 127.0.0.1:{port} already" in refused("--port", str(port))


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "65536"], ["--port", "http"], ["--port"], ["--prot"]])
def test_wrong_arguments(arguments):
    assert refused(*arguments).startswith("ci/demo: ")
