# SPDX-License-Identifier: MIT
"""sg3_utils and sdparm against a unit, through the SG_IO shim."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import run
from .units import Unit

# Exit statuses of sg3_utils (sg3_utils(8))
ILLEGAL_REQUEST, UNIT_ATTENTION, INVALID_OPCODE, MISCOMPARE, NOT_READY = 5, 6, 9, 14, 2
LBA_OUT_OF_RANGE, CONFLICT, DATA_PROTECT = 22, 24, 7


@dataclass(frozen=True)
class Done:
    """How a tool ended."""

    command: str
    code: int
    out: str
    err: str
    data: bytes = b""

    def __contains__(self, text: str) -> bool:
        return text in self.out

    def field(self, pattern: str) -> str:
        """The first group of a pattern that must occur in the output."""
        match = re.search(pattern, self.out)
        assert match, f"{self}: no {pattern!r}"
        return match.group(1)

    def number(self, pattern: str) -> int:
        return int(self.field(pattern), 0)

    def __str__(self) -> str:
        return f"{self.command}: exit {self.code}\n{self.out}{self.err}"


class Sg:
    """Runs tools on one unit as one initiator."""

    def __init__(self, shim_file: Path, unit: Unit, initiator: str | None = None, keep_attentions: bool = False) -> None:
        self.unit = unit
        self.shim_file = shim_file
        self.env = {**os.environ, "LD_PRELOAD": str(shim_file)}
        self.env["SGSHIM_INITIATOR"] = initiator or "iqn.2026-01.org.example.test:sg3"
        if keep_attentions:
            self.env["SGSHIM_KEEP_UA"] = "1"

    def try_(self, tool: str, *arguments: str, device: str | None = None) -> Done:
        """tool ARGUMENTS DEVICE, whatever comes of it."""
        command = [tool, *arguments, *([self.unit.url] if device is None else [device] if device else [])]
        return self._finish(command, run(command, env=self.env))

    def __call__(self, tool: str, *arguments: str) -> Done:
        """The same; it must succeed."""
        return self.expect(0, tool, *arguments)

    def expect(self, code: int, tool: str, *arguments: str) -> Done:
        """The same; it must end with this exit status."""
        done = self.try_(tool, *arguments)
        assert done.code == code, str(done)
        return done

    def raw(self, cdb: bytes, *, read: int = 0, write: bytes = b"", code: int = 0) -> bytes:
        """sg_raw with a CDB, which must end with this exit status; returns what was read."""
        done = self.raw_status(cdb, read=read, write=write)
        assert done.code == code, str(done)
        return done.data

    def raw_status(self, cdb: bytes, *, read: int = 0, write: bytes = b"") -> Done:
        """sg_raw with a CDB, whatever comes of it."""
        command = ["sg_raw"]
        if read:
            command += ["-r", str(read), "-b"]
        if write:
            command += ["-s", str(len(write))]
        command += [self.unit.url, *[f"{byte:02x}" for byte in cdb]]
        done = subprocess.run(command, input=write, capture_output=True, env=self.env, timeout=60, check=False)
        return Done(" ".join(command), done.returncode, "", done.stderr.decode(errors="replace"), done.stdout)

    def vpd(self, page: int) -> bytes:
        """A VPD page as bytes."""
        return self.raw(bytes([0x12, 1, page, 0x10, 0, 0]), read=4096)

    def dd_in(self, data: Path, lba: int) -> None:
        """Writes a file's content from lba on."""
        count = data.stat().st_size // self.unit.block_size
        self._dd(f"if={data}", f"of={self.unit.url}", f"seek={lba}", f"count={count}")

    def dd_out(self, data: Path, lba: int, blocks: int) -> bytes:
        """Reads blocks by way of a file."""
        self._dd(f"if={self.unit.url}", f"of={data}", f"skip={lba}", f"count={blocks}")
        return data.read_bytes()

    def _dd(self, *arguments: str) -> None:
        done = self.try_("sg_dd", f"bs={self.unit.block_size}", "bpt=64", *arguments, device="")
        assert done.code == 0, str(done)

    @staticmethod
    def _finish(command: list[str], done: subprocess.CompletedProcess[str]) -> Done:
        return Done(" ".join(command), done.returncode, done.stdout, done.stderr)
