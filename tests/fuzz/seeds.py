#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds that are sequences of records, for cdb, conn and management: tests/fuzz/seeds.py [FOLDER].

What a mutation can hardly guess stands here: keys of reservations that match, parameter lists, pages that there are.
"""

import json
import struct
import sys
from pathlib import Path

CONTROLLER, DISK, SMALL_DISK, READONLY, TAPE, NOBODY = range(6)
ANY_BITS, ANY_LENGTH, EDTL_LIES, DATA_FAIL, STORE_FAILS, OTHER, OTHER_WAY = (1 << bit for bit in range(7))
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE, REGISTER_AND_MOVE = range(8)


def joined(records):
    return b"".join(struct.pack(">H", len(record)) + record for record in records)


# -- commands


def command(cdb, data=b"", lun=DISK, how=0, fail=0, edtl=0):
    """A record of fuzz_cdb; the service action is in the CDB."""
    action = cdb[1] & 0x1F if len(cdb) > 1 else 0
    return bytes([how, lun, cdb[0], action, fail]) + struct.pack(">H", edtl) + cdb[1:].ljust(31, b"\0") + data


def persistent_out(action, key=0, new_key=0, kind=1, who=0, lun=DISK, flags=0, tail=b""):
    data = struct.pack(">QQ4xB3x", key, new_key, flags) + tail
    return command(bytes([0x5F, action, kind]), data, lun, who)


def transport_id(name):
    text = name.ljust(20, b"\0")
    return b"\x45\0" + struct.pack(">H", len(text)) + text


def move(key, new_key, name, lun=DISK):
    port = transport_id(name)
    data = struct.pack(">QQxBHI", key, new_key, 0, 1, len(port)) + port
    return command(bytes([0x5F, REGISTER_AND_MOVE, 3]), data, lun)


def persistent_in(lun=DISK):
    return [command(bytes([0x5E, action, 0, 0, 0, 0, 0, 1, 0, 0]), lun=lun) for action in range(4)]


def reservations(lun):
    """Every service action, with keys that match."""
    other = struct.pack(">I", 24) + transport_id(b"iqn.b,i,0x02")
    write = command(bytes([0x2A]) + bytes(8) + b"\1", b"x" * 512, lun)
    return [
        persistent_out(REGISTER, 0, 1, lun=lun), persistent_out(REGISTER_AND_IGNORE, 0, 2, who=OTHER, lun=lun),
        persistent_out(RESERVE, 1, kind=1, lun=lun), *persistent_in(lun), write,
        command(bytes([0x2A]) + bytes(8) + b"\1", b"y" * 512, lun, OTHER), persistent_out(RELEASE, 1, kind=1, lun=lun),
        persistent_out(RESERVE, 1, kind=3, lun=lun), persistent_out(PREEMPT, 2, 1, kind=5, who=OTHER, lun=lun),
        persistent_out(REGISTER, 0, 1, lun=lun), persistent_out(PREEMPT_AND_ABORT, 1, 2, kind=3, lun=lun),
        persistent_out(REGISTER, 0, 2, who=OTHER, lun=lun), move(1, 2, b"iqn.b,i,0x02", lun), *persistent_in(lun),
        persistent_out(CLEAR, 2, who=OTHER, lun=lun), persistent_out(REGISTER, 0, 5, lun=lun, flags=8, tail=other),
        persistent_out(REGISTER, 5, 6, lun=lun, flags=5), persistent_out(RESERVE, 6, kind=8, lun=lun),
        *persistent_in(lun), persistent_out(REGISTER, 6, 0, lun=lun),
    ]


def block(opcode, lba, blocks, flags=0):
    """READ, WRITE and their like."""
    group = opcode >> 5
    if group == 0:
        return struct.pack(">BBHBB", opcode, lba >> 16 & 31, lba & 0xFFFF, blocks & 255, 0)
    if group in (1, 2):
        return struct.pack(">BBIBHB", opcode, flags, lba & 0xFFFFFFFF, 0, blocks & 0xFFFF, 0)
    if group == 4:
        return struct.pack(">BBQIBB", opcode, flags, lba, blocks, 0, 0)
    return struct.pack(">BBIIBB", opcode, flags, lba & 0xFFFFFFFF, blocks, 0, 0)


TRANSFERS = [0x08, 0x0A, 0x28, 0x2A, 0x2E, 0x2F, 0x34, 0x35, 0x41, 0x88, 0x89, 0x8A, 0x8B, 0x8E, 0x8F, 0x90, 0x91, 0x93,
             0xA8, 0xAA, 0xAE, 0xAF]


def transfers(lun):
    return [command(block(opcode, 5, 2, flags), b"data" * 40, lun) for opcode in TRANSFERS for flags in (0, 2)]


def edges(lun):
    """LBAs and counts at which sums wrap, and lengths that don't go with the data."""
    places = [(0xFFFFFFFF, 1), (0xFFFFFFFF, 0xFFFF), (1 << 63, 1), ((1 << 64) - 1, 2), ((1 << 64) - 1, 0xFFFFFFFF),
              (4095, 2)]
    found = [command(block(opcode, lba, blocks), b"d", lun, ANY_LENGTH | lies, edtl=edtl)
             for opcode in (0x88, 0x8A, 0xAE) for lba, blocks in places for lies, edtl in ((0, 0), (EDTL_LIES, 700))]
    return found + [command(block(opcode, 9, 3), b"e" * 99, lun, EDTL_LIES | way, edtl=edtl)
                    for opcode in (0x28, 0x2A, 0x89) for way in (0, OTHER_WAY) for edtl in (0, 1, 512, 1000, 4096)]


def failures(lun):
    return [command(block(opcode, 1, 1), b"f" * 8, lun, STORE_FAILS, fail) for opcode in (0x28, 0x2A, 0x8B)
            for fail in list(range(1, 21)) + [33]] + [command(block(0x2A, 1, 1), b"f" * 8, lun, DATA_FAIL)]


def unmap(ranges):
    body = b"".join(struct.pack(">QI4x", lba, blocks) for lba, blocks in ranges)
    return command(bytes([0x42]), struct.pack(">HH4x", 6 + len(body), len(body)) + body)


def provisioning():
    lists = [[], [(0, 8)], [(8, 16), (100, 1)], [(0, 1), ((1 << 64) - 1, 1)], [(8, 8), (9, 1)]]
    found = [unmap(ranges) for ranges in lists]
    found += [command(block(0x93, 8, 8, flags), b"s" * 512) for flags in (0, 1, 8, 9, 16)]
    return found + [command(struct.pack(">BBQI", 0x9E, 0x12, lba, 512), how=ANY_LENGTH) for lba in (0, 8, 4095, 4096)]


def inquiries(lun):
    pages = [0x00, 0x80, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x8A, 0x8D, 0x8F, 0xB0, 0xB1, 0xB2, 0xB3, 0x42]
    found = [command(bytes([0x12, 1, page, 1, 0]), lun=lun) for page in pages]
    found += [command(bytes([0x12, 0, 0, 0, 96]), lun=lun), command(bytes([0x12, 1, 0x83, 0, 5]), lun=lun)]
    found += [command(bytes([0xA0, 0, select, 0, 0, 0, 0, 0, 4, 0]), lun=lun) for select in (0, 1, 2, 0x11)]
    found += [command(bytes([0xA3, 0x0C, option, opcode, 0, action, 0, 0, 4, 0]), lun=lun)
              for option in (0, 1, 2, 3, 0x80, 0x83) for opcode, action in ((0, 0), (0x28, 0), (0x9E, 0x10))]
    return found + [command(bytes([0xA3, 0x0D, 0x80, 0, 0, 0, 0, 0, 0, 16]), lun=lun),
                    command(bytes([0xA3, 0x2A, 0, 0, 0, 0, 0, 0, 4, 0]), lun=lun),
                    command(bytes([0x03, 1, 0, 0, 252]), lun=lun)]


CONTROL = bytes([0x0A, 0x0A, 0x26, 0x10, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0])
CACHING = bytes([0x08, 0x12, 4]) + bytes(17)


def modes(lun):
    sense = [command(bytes([0x1A, dbd, control << 6 | page, sub, 255]), lun=lun)
             for dbd in (0, 8) for control in range(4)
             for page, sub in ((0x3F, 0), (0x3F, 0xFF), (0x0A, 0), (0x0A, 1), (0x08, 0), (0x1C, 0))]
    sense += [command(bytes([0x5A, long, 0x3F, 0, 0, 0, 0, 4, 0]), lun=lun) for long in (0, 0x10)]
    blocks = struct.pack(">II", 4096, 512)
    select = [command(bytes([0x15, 0x10 | save]), bytes(4) + page, lun)
              for page in (CONTROL, CACHING) for save in (0, 1)]
    select += [command(bytes([0x55, 0x10]), bytes(8) + page, lun) for page in (CONTROL, CACHING, CONTROL + CACHING)]
    select += [command(bytes([0x15, 0x10]), bytes(3) + b"\x08" + blocks + CONTROL, lun),
               command(bytes([0x55, 0x10]), bytes(7) + b"\x08" + blocks + CONTROL, lun),
               command(bytes([0x55, 0x10]), bytes(4) + b"\1\0\0\x10" + struct.pack(">Q4xI", 4096, 512) + CACHING, lun)]
    return [record for pair in zip(select * 6, sense) for record in pair]


def tape():
    moves = [bytes([0x0A, 0, 0, 0, 10]), bytes([0x10, 0, 0, 0, 2]), bytes([0x34]), bytes([0x34, 6]), bytes([0x01]),
             bytes([0x08, 0, 0, 0, 10]), bytes([0x11, 1, 0, 0, 1]), bytes([0x11, 0, 0xFF, 0xFF, 0xFF]), bytes([0x11, 3]),
             bytes([0x2B, 0, 0, 0, 0, 0, 1]), bytes([0x19, 1]), bytes([0x05]), bytes([0x1E, 0, 0, 0, 1]), bytes([0x1B]),
             bytes([0x1E]), bytes([0x1B]), bytes([0x08, 0, 0, 0, 1]), bytes([0x1B, 0, 0, 0, 1]), bytes([0x08, 1, 0, 0, 2])]
    descriptor = bytes([0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 2, 0])
    fixed = [command(bytes([0x15, 0x10]), descriptor, TAPE), command(bytes([0x0A, 1, 0, 0, 2]), b"t" * 1024, TAPE),
             command(bytes([0x08, 1, 0, 0, 2]), lun=TAPE), command(bytes([0x08, 3, 0, 0, 2]), lun=TAPE)]
    failing = [command(move, b"t" * 10, TAPE, STORE_FAILS, fail) for move in moves[:10] for fail in (3, *range(32, 38))]
    return [[command(move, b"t" * 10, TAPE, ANY_LENGTH) for move in moves], fixed, failing[:60]]


def others(lun):
    """Reservations of SPC-2, diagnostics, start and stop, logs."""
    cdbs = [bytes([0x16]), bytes([0x17]), bytes([0x56]), bytes([0x57]), bytes([0x1D, 4]), bytes([0x1D, 0x20]),
            bytes([0x4D, 0, 0x40, 0, 0, 0, 0, 2, 0]), bytes([0x4D, 0, 0x40, 0xFF, 0, 0, 0, 2, 0]),
            bytes([0x25]), bytes([0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]), bytes([0x37, 0, 0x1D, 0, 0, 0, 0, 0, 64]),
            bytes([0xB7, 0x1D, 0, 0, 0, 0, 0, 0, 0, 64]), bytes([0x1E, 0, 0, 0, 1]), bytes([0x1B, 0, 0, 0, 2]),
            bytes([0x1E]), bytes([0x1B, 0, 0, 0, 0]), bytes([0x28, 0, 0, 0, 0, 0, 0, 0, 1]), bytes([0x1B, 0, 0, 0, 1])]
    return [command(cdb, lun=lun, how=how) for cdb in cdbs for how in (0, OTHER)]


def cdb_seeds():
    luns = {"controller": CONTROLLER, "disk": DISK, "small": SMALL_DISK, "readonly": READONLY, "tape": TAPE,
            "nobody": NOBODY}
    for name, lun in luns.items():
        yield f"inquiry-{name}", inquiries(lun)
        yield f"other-{name}", others(lun)
        if name != "nobody":
            yield f"mode-{name}", modes(lun)
        if name in ("disk", "small", "readonly"):
            yield f"transfer-{name}", transfers(lun)
    for name in ("disk", "tape"):
        yield f"reserve-{name}", reservations(luns[name])
    for name in ("disk", "small"):
        yield f"edge-{name}", edges(luns[name])
    yield "fail-disk", failures(DISK)
    yield "provisioning", provisioning()
    for number, part in enumerate(tape()):
        yield f"tape-{number}", part


# -- connections

RAW, DIGESTS, UNSOLICITED = 0x01, 0x02, 0x04
FIX_CMDSN, FIX_LENGTH, ANSWER_R2T = 0x01, 0x02, 0x04
INITIATOR, GUARDED = b"InitiatorName=iqn.2026-01.test:initiator", b"TargetName=iqn.2026-01.test:chap"


def pdu(opcode, flags=0x80, data=b"", how=FIX_CMDSN | FIX_LENGTH, itt=1, lun=0, edtl=0, cdb=b"", ttt=None):
    """A record of fuzz_conn: a PDU whose numbers are filled in."""
    middle = struct.pack(">I", edtl if ttt is None else ttt)
    bhs = (bytes([opcode, flags]) + bytes(6) + bytes([0, lun]) + bytes(6)
           + struct.pack(">I", itt) + middle + bytes(8) + cdb.ljust(16, b"\0"))
    return bytes([0, how]) + bhs + data


def login(stage, *pairs):
    """A login request with these pairs."""
    text = b"".join(pair + b"\0" for pair in pairs)
    return bytes([0, FIX_LENGTH]) + bytes([0x43, stage]) + bytes(6) + b"\x80" + bytes(39) + text


def chap_login(name, *proofs, algorithms=b"5"):
    """One that gets as far as the proof, and then tries these."""
    return f"chap-{name}", [bytes([RAW]), login(0, INITIATOR, GUARDED, b"SessionType=Normal", b"AuthMethod=CHAP,None"),
                            login(0, b"CHAP_A=" + algorithms), *proofs]


def nexus_commands():
    """Reads and writes of every kind of data transfer, with what answers them."""
    write = bytes([0x2A, 0, 0, 0, 0, 4, 0, 0, 8, 0])
    read = bytes([0x28, 0, 0, 0, 0, 4, 0, 0, 8, 0])
    data = bytes(range(256)) * 16
    yield "transfer-solicited", [bytes([0]), pdu(1, 0xA1, itt=1, lun=1, edtl=4096, cdb=write),
                                 pdu(5, 0x80, data, FIX_LENGTH | ANSWER_R2T),
                                 pdu(1, 0xC1, itt=2, lun=1, edtl=4096, cdb=read)]
    yield "transfer-immediate", [bytes([UNSOLICITED]), pdu(1, 0xA1, data, itt=1, lun=1, edtl=4096, cdb=write),
                                 pdu(1, 0x21, data[:1024], itt=2, lun=1, edtl=4096, cdb=write),
                                 pdu(5, 0x80, data[1024:], FIX_LENGTH, itt=2, ttt=0xFFFFFFFF)]
    yield "transfer-residual", [bytes([0])] + [pdu(1, flags, itt=10 + n, lun=lun, edtl=edtl, cdb=read)
                                               for n, (flags, lun, edtl) in enumerate([
                                                   (0xC1, 1, 0), (0xC1, 1, 100), (0xC1, 1, 0xFFFFFFFF), (0xA1, 1, 4096),
                                                   (0xC1, 5, 4096), (0xC1, 0, 36), (0x81, 1, 0), (0xE1, 1, 512)])]


def conn_seeds():
    proof = b"CHAP_R=0x" + b"5a" * 16
    yield chap_login("wrong", login(0x81, b"CHAP_N=alice", proof))
    yield chap_login("nobody", login(0x81, b"CHAP_N=bob", proof))
    yield chap_login("mutual", login(0x81, b"CHAP_N=alice", proof, b"CHAP_I=9", b"CHAP_C=0x" + b"17" * 16))
    yield chap_login("base64", login(0x81, b"CHAP_N=alice", b"CHAP_R=0bWlpaWlpaWlpaWlpaWlpaWg=="))
    yield chap_login("short", login(0x81, b"CHAP_N=alice", b"CHAP_R=0x5a"), algorithms=b"7,6,5")
    yield chap_login("unknown", login(0x81, b"CHAP_N=alice", proof), algorithms=b"1,2")
    yield chap_login("skip", login(0x87, b"CHAP_N=alice"), login(0x87), login(0x81))
    yield "chap-none", [bytes([RAW]), login(0x81, INITIATOR, GUARDED, b"AuthMethod=None")]
    yield from nexus_commands()


# -- management


def request(op, mode, at_once=False, **members):
    """A record of fuzz_management."""
    return bytes([at_once]) + json.dumps({"op": op, "mode": mode, **members}).encode()


def target(tid=1):
    return request("new", "target", tid=tid, targetname=f"iqn.2026-01.org.example:t{tid}")


def unit(lun=1, tid=1, bstype="disk", **members):
    return request("new", "logicalunit", tid=tid, lun=lun, backing_store="/x", bstype=bstype, **members)


PARAMS = ["scsi_id=abc,scsi_sn=123", "vendor_id=ACME,product_id=DISK,product_rev=0001", "sense_format=1", "removable=1",
          "readonly=1", "online=0", "online=1", "thin_provisioning=1", "lbppbe=3,la_lba=1", "optimal_xfer_gran=8",
          "optimal_xfer_len=128", "rotation_rate=7200", "size=1048576", "path=/y", "bsopts=a=b", "bsoflags=sync:direct",
          "mode_page=8:0:18:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0", "mode_page=10:0:10:4:0:0:0:0:0:0:0:0:0", "nosuch=1"]
TARGET_PARAMETERS = ["MaxRecvDataSegmentLength", "HeaderDigest", "DataDigest", "InitialR2T", "MaxOutstandingR2T",
                     "ImmediateData", "FirstBurstLength", "MaxBurstLength", "MaxConnections", "nop_interval", "State"]


def management_seeds():
    modes = ["system", "target", "logicalunit", "portal", "session", "conn", "account", "backingstore", "lld", "stat"]
    show = [request("show", mode) for mode in modes] + [request("show", mode, tid=1) for mode in modes]
    yield "show", [target(), unit(), *show]
    yield "units", [target(), unit(1), unit(2, bstype="tape", device_type="tape"), unit(3, bstype="readonly"),
                    unit(4, blocksize=4096), unit(1), request("show", "target"),
                    request("show", "logicalunit", tid=1, lun=1),
                    *[request("delete", "logicalunit", tid=1, lun=lun) for lun in (1, 2, 9)]]
    yield "params", [target(), unit(), *[request("update", "logicalunit", tid=1, lun=1, params=text)
                                         for text in PARAMS]]
    yield "parameters", [target(), *[request("update", "target", tid=1, name=name, value=value)
                                     for name in TARGET_PARAMETERS for value in ("1", "Yes", "CRC32C", "offline")]]
    users = [request("new", "account", user=name, password="a long secret") for name in ("a", "b", "a")]
    bindings = [request(op, "account", tid=1, user=name, outgoing=out) for op in ("bind", "unbind")
                for name in ("a", "b", "c") for out in (False, True)]
    yield "accounts", [target(), *users, *bindings, request("bind", "account", user="a"),
                       request("delete", "account", user="a")]
    rules = [{"initiator_address": "ALL"}, {"initiator_address": "10.0.0.0/8"}, {"initiator_address": "[fe80::]/10"},
             {"initiator_name": "iqn.2026-01.x:i"}]
    yield "rules", [target()] + [request(op, "target", tid=1, **rule) for op in ("bind", "bind", "unbind", "unbind")
                                 for rule in rules]
    yield "system", [request("update", "system", name=name, value=value) for name in ("State", "debug")
                     for value in ("offline", "on", "ready", "off", "x")]
    yield "at-once", [target(), *[b"\1" + unit(lun)[1:] for lun in range(1, 9)],
                      request("delete", "target", tid=1, force=True)]
    yield "many", [target(tid) for tid in range(1, 9)] + [request("delete", "target", tid=tid) for tid in range(1, 9)]


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus"
    for fuzzer, seeds in (("cdb", cdb_seeds()), ("conn", conn_seeds()),
                          ("management", management_seeds())):
        for name, records in seeds:
            (folder / fuzzer / name).write_bytes(joined(records))


if __name__ == "__main__":
    main()
