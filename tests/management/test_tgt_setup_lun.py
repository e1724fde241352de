# SPDX-License-Identifier: MIT
"""tgt-setup-lun: a target in one command, or nothing of it."""
import os

import pytest
from daemons import BUILD, SOURCE, run


@pytest.fixture
def setup(daemon):
    def call(*arguments):
        env = {**daemon.env, "PATH": f"{BUILD}:{os.environ['PATH']}"}
        return run([str(SOURCE / "tools/tgt-setup-lun"), *map(str, arguments)], timeout=60, env=env)
    return call


def name(end):
    return f"iqn.2001-04.com.{os.uname().nodename}-{end}"


def test_target(setup, daemon, image):
    daemon.target(1)
    done = setup("-n", "disk1", "-d", image)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"target 2: {name('disk1')}\n", "")
    [made] = [t for t in daemon.show("target")["targets"] if t["tid"] == 2]
    assert (made["name"], made["acl"]) == (name("disk1"), ["ALL"])
    assert made["luns"][1]["store"]["path"] == str(image)


def test_addresses_and_store(setup, daemon, image):
    done = setup("-n", "d", "-d", image, "-b", "aio", "-t", "iscsi", "-C", "0", "192.0.2.1", "192.0.2.2")
    assert done.returncode == 0, done.stderr
    [made] = daemon.show("target")["targets"]
    assert sorted(made["acl"]) == ["192.0.2.1", "192.0.2.2"]
    assert made["luns"][1]["store"]["type"] == "aio"


@pytest.mark.parametrize(("arguments", "rc", "why"), [
    (["-n", "d", "-d", "IMAGE", "-b", "nosuch"], 22,
     'tgtadm: invalid request\ntgtadm: no backing store "nosuch" is loaded\n'),
    (["-n", "d", "-d", "IMAGE", "192.0.2.1", "nonsense"], 22,
     'tgtadm: invalid request: "nonsense" is no initiator address (ALL, an IP address, or ADDRESS/BITS)\n'),
    (["-n", "d", "-d", "/"], 22, "tgtadm: invalid request\ntgtadm: /: Is a directory\n"),
    (["-n", "d", "-d", "/none"], 1, "tgt-setup-lun: /none: No such file or directory"),
    (["-n", "d", "-d", "IMAGE", "-t", "iser"], 1, "tgt-setup-lun: there is no transport iser here, only iscsi"),
    (["-n", "d"], 1, "Usage: "),
    (["-x"], 1, "Usage: "),
])
def test_nothing_is_left(setup, daemon, image, arguments, rc, why):
    done = setup(*[str(image) if word == "IMAGE" else word for word in arguments])
    assert done.returncode == rc and why in done.stderr, done
    assert daemon.show("target")["targets"] == []


def test_twice(setup, daemon, image):
    assert setup("-n", "d", "-d", image).returncode == 0
    done = setup("-n", "d", "-d", image)
    assert (done.returncode, done.stderr) == (1, f"tgt-setup-lun: target {name('d')} exists already\n")
    assert len(daemon.show("target")["targets"]) == 1
