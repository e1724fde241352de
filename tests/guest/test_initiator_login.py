# SPDX-License-Identifier: MIT
"""The Linux kernel's initiator (open-iscsi): it finds the targets, and logs in and out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pytest

from guest import CommandFailed, Guest
from guest.devices import INITIATOR, devices, iscsi_login, start_iscsid
from harness.daemon import Daemon
from harness.modules import Variant
from harness.units import Unit
from hosted import SIZE, each_store, make_disk, one_store, portal, sessions, target_of

USER, SECRET = "somebody", "in-secret-0123456"
TARGET_USER, TARGET_SECRET = "target", "out-secret-654321"
WRONG = "wrong-secret-0123"
LOGIN_FAILED, NO_OBJECTS, NOT_AUTHORISED = 19, 21, 24  # iscsiadm(8), EXIT STATUS

ONE_WAY = {"node.session.auth.authmethod": "CHAP", "node.session.auth.username": USER,
           "node.session.auth.password": SECRET}
MUTUAL = {**ONE_WAY, "node.session.auth.username_in": TARGET_USER, "node.session.auth.password_in": TARGET_SECRET}


def read_and_write(guest: Guest, block: str) -> None:
    """Some MiB through the data segments, and back."""
    guest.shell(f"""
        cd {guest.share}
        busybox dd if=/dev/urandom of=data bs=1M count=4 2>/dev/null
        dd if=data of={block} bs=512k oflag=direct
        dd if={block} bs=1M count=4 iflag=direct | cmp - data
    """)


@each_store
def test_discovery_login_and_logout(guest: Guest, daemon: Daemon, variant: Variant) -> None:
    unit = make_disk(daemon, variant)
    start_iscsid(guest)
    found = guest.output(["iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", portal(daemon)])
    assert unit.target in found.split()
    guest.run(["iscsiadm", "-m", "node", "-T", unit.target, "-o", "delete"], check=True)
    with iscsi_login(guest, unit.target, daemon.port) as [disk]:
        [session] = sessions(daemon, unit)
        assert session["initiator"] == INITIATOR
        assert guest.output(["blockdev", "--getsize64", disk.block]).strip() == str(SIZE)
        read_and_write(guest, disk.block)
    assert not sessions(daemon, unit)
    assert not devices(guest, driver="iscsi_tcp")
    assert guest.run(["iscsiadm", "-m", "session"]).returncode == NO_OBJECTS


@each_store
def test_digests(guest: Guest, daemon: Daemon, variant: Variant) -> None:
    """Both, by each side on what it receives; the kernel drops the connection if one is wrong."""
    unit = make_disk(daemon, variant)
    digests = {"node.conn[0].iscsi.HeaderDigest": "CRC32C", "node.conn[0].iscsi.DataDigest": "CRC32C"}
    with iscsi_login(guest, unit.target, daemon.port, settings=digests) as [disk]:
        used = guest.shell("cat /sys/class/iscsi_connection/connection*/{header,data}_digest").stdout
        assert used.split() == [b"1", b"1"]
        before = sessions(daemon, unit)
        read_and_write(guest, disk.block)
        assert sessions(daemon, unit) == before


@pytest.fixture
def guarded(daemon: Daemon, variant: Variant) -> Unit:
    """A unit whose target wants CHAP, and can prove itself."""
    unit = make_disk(daemon, variant)
    target = target_of(daemon, unit)
    target.account(USER, SECRET)
    target.account(TARGET_USER, TARGET_SECRET, outgoing=True)
    return unit


def assert_kept_secret(guest: Guest, daemon: Daemon) -> None:
    told = daemon.log() + guest.output(["dmesg"])
    for secret in (SECRET, TARGET_SECRET, WRONG):
        assert secret not in told


@one_store
@pytest.mark.parametrize("settings", [ONE_WAY, MUTUAL], ids=["one-way", "mutual"])
def test_chap(guest: Guest, daemon: Daemon, guarded: Unit, settings: Mapping[str, str]) -> None:
    with iscsi_login(guest, guarded.target, daemon.port, settings=settings) as [disk]:
        read_and_write(guest, disk.block)
    assert_kept_secret(guest, daemon)


@one_store
@pytest.mark.parametrize(("wrong", "status"), [
    ({**ONE_WAY, "node.session.auth.password": WRONG}, NOT_AUTHORISED),
    ({**ONE_WAY, "node.session.auth.username": "nobody"}, NOT_AUTHORISED),
    ({}, NOT_AUTHORISED),
    ({**MUTUAL, "node.session.auth.password_in": WRONG}, LOGIN_FAILED),  # it is the initiator who refuses
], ids=["password", "user", "none", "target's password"])
def test_wrong_secrets_are_refused(guest: Guest, daemon: Daemon, guarded: Unit, wrong: Mapping[str, str],
                                   status: int) -> None:
    with pytest.raises(CommandFailed, match=f"exit {status}\n") as failure:
        with iscsi_login(guest, guarded.target, daemon.port, settings=wrong):
            pass
    assert ("authorization failure" in str(failure.value)) == (status == NOT_AUTHORISED)
    assert not sessions(daemon, guarded)
    assert_kept_secret(guest, daemon)
    guest.run(["iscsiadm", "-m", "node", "-T", guarded.target, "-o", "delete"], check=True)


def discover_with(guest: Guest, daemon: Daemon, password: str) -> str:
    """Discovery by CHAP: what iscsiadm prints, then its exit status."""
    database = ["iscsiadm", "-m", "discoverydb", "-t", "sendtargets", "-p", portal(daemon)]
    start_iscsid(guest)
    settings = {"authmethod": "CHAP", "username": USER, "password": password}
    lines = [shlex.join([*database, "-o", "new"]),
             *(shlex.join([*database, "-o", "update", "-n", f"discovery.sendtargets.auth.{name}", "-v", value])
               for name, value in settings.items()),
             f"{shlex.join([*database, '--discover'])} || echo failed: $?", shlex.join([*database, "-o", "delete"])]
    return guest.shell("\n".join(lines)).output


@one_store
def test_discovery_by_chap(guest: Guest, daemon: Daemon, variant: Variant) -> None:
    unit = make_disk(daemon, variant)
    daemon.do("--op", "new", "--mode", "account", "--user", USER, "--password", SECRET)
    daemon.do("--op", "bind", "--mode", "account", "--user", USER)
    refusal = discover_with(guest, daemon, WRONG)
    assert f"failed: {NOT_AUTHORISED}" in refusal and unit.target not in refusal
    assert unit.target in discover_with(guest, daemon, SECRET)
    assert_kept_secret(guest, daemon)
