# SPDX-License-Identifier: MIT
"""tests/bench/compare measures what it says, leaves alone what it may not write, and its page needs nothing else."""
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import bench_page
import pytest
from conftest import BUILD

COMPARE = Path(__file__).with_name("compare")
ROWS = [{"case": "a & b", "one": {"iops": 1000, "iops_per_cpu_second": 500, "p50_us": 3.0},
         "two": {"iops": 100, "iops_per_cpu_second": 250, "p50_us": 7.0}},
        {"case": "c", "one": {"iops": 10.0, "p50_us": 1.0}}]


def compare(*words):
    done = subprocess.run([COMPARE, "--build", BUILD, "--rounds", "1", "--seconds", "1", *map(str, words)],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def perf_may_count():
    return shutil.which("perf") is not None and subprocess.run(
        ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One case on a daemon of its own, in all forms."""
    folder = tmp_path_factory.mktemp("compare")
    out = compare("--cases", "null 4 KiB read, depth 1", "--json", folder / "json", "--html", folder / "html", "--markdown",
                  folder / "md")
    return out, json.loads((folder / "json").read_text()), (folder / "html").read_text(), (folder / "md").read_text()


def test_json(measured):
    found = measured[1]
    assert found["targets"] == ["tgt"]
    assert [row["case"] for row in found["cases"]] == ["null 4 KiB read, depth 1", "null 4 KiB read, depth 1, --poll-us 50"]
    for row in found["cases"]:
        result = row["tgt"]
        assert result["iops"] > 0 and result["cpu_us"] > 0
        assert result["mb_per_second"] == pytest.approx(result["iops"] * 4096 / 1e6, rel=0.01)
        assert result["p50_us"] <= result["p99_us"] <= result["p999_us"] <= result["max_us"]


def test_system_calls(measured):
    """One command at a time takes at least a sleep, a recv and a send; nothing is said where perf may not be used."""
    found = measured[1]["cases"][0]["tgt"]["syscalls"]
    assert 2.5 < found < 20 if perf_may_count() else found is None


def test_markdown(measured):
    out, _, _, text = measured
    assert out.endswith(text)
    widths = {line.count("|") for line in text.splitlines()}
    assert len(widths) == 1
    assert text.splitlines()[2].startswith("| null 4 KiB read, depth 1 | tgt | ")


def test_the_page_is_one_file(measured):
    page = measured[2]
    assert not re.search(r"(src|href|url\()", page) and "http" not in page
    top = xml.fromstring(page.removeprefix("<!DOCTYPE html>"))
    assert len(top.findall(".//svg")) >= 6 and len(top.findall(".//tr")) == 3


def test_what_the_file_gives_stands_beside_direct_io(tmp_path):
    """fio's own figures for the same file and depth; the other target isn't asked for, and has no row."""
    compare("--cases", "uring direct 4 KiB read", "--json", tmp_path / "json")
    found = json.loads((tmp_path / "json").read_text())
    assert found["targets"] == ["tgt", "fio"] and len(found["cases"]) == 1
    fio = found["cases"][0]["fio"]
    assert fio["iops"] > 100 and 0.1 < fio["cpu_us"] < 1e4
    assert fio["mb_per_second"] == pytest.approx(fio["iops"] * 4096 / 1e6, rel=0.02)
    assert 0 < fio["p50_us"] <= fio["p99_us"] <= fio["p999_us"]


def test_digests_stand_beside_none(tmp_path):
    """Measured in the same rounds: figures of other minutes are another machine's."""
    compare("--cases", "digests", "--json", tmp_path / "json")
    found = json.loads((tmp_path / "json").read_text())
    assert found["targets"] == ["tgt", "tgt without"] and len(found["cases"]) == 1
    row = found["cases"][0]
    assert "--data-digest" in row["options"]
    assert row["tgt without"]["iops"] > 100 and "syscalls" not in row["tgt without"]


def test_footprint():
    out = compare("--cases", "footprint")
    idle, start, session, lun, alone, reads, writes = (
        float(word.replace(",", "")) for word in out.splitlines()[-1].split("|")[3:10])
    assert idle < 100 and start > 1000 and 0 < session < 1000 and 0 < lun < 1000
    assert 1 < alone < 1e6 and 1 < reads < 1e6 and 1 < writes < 1e6


def test_urls_are_read_only(target):
    """Both units through one run; reads only, and figures of the load only."""
    before = target.image.read_bytes()
    urls = [f"iscsi://{target.portal}/{target.name}/{lun}" for lun in (1, 2)]
    out = compare("--url", urls[0], "--url", urls[1], "--cases", "4 KiB read, depth 32")
    rows = [[word.strip() for word in line.split("|")] for line in out.splitlines() if line.startswith("| 4")]
    assert [row[1:3] for row in rows[-2:]] == [["4 KiB read, depth 32", url] for url in urls]
    assert all(row[3] and row[5:7] == ["", ""] for row in rows)
    assert target.image.read_bytes() == before


def test_write_is_asked_for(target):
    url = f"iscsi://{target.portal}/{target.name}/2"
    assert not [line for line in compare("--url", url, "--list").splitlines() if "write" in line or "70 %" in line]
    compare("--url", url, "--write", "--cases", "4 KiB write, depth 1")
    assert target.image.read_bytes() != bytes(target.image.stat().st_size)


def test_what_is_not_known_is_left_out():
    assert bench_page.cells(ROWS, ["one", "two"]) == [
        ["a & b", "one", "1,000", "", "", "", "3", "", "", "2.00"],
        ["a & b", "two", "100", "", "", "", "7", "", "", ""],
        ["c", "one", "10", "", "", "", "1", "", "", ""]]


def test_bars_are_as_long_as_the_figures():
    drawn = xml.fromstring(bench_page.chart(ROWS, ["one", "two"], "iops"))
    assert [float(bar.get("width")) for bar in drawn.findall("rect")] == [560, 56, 5.6]
    assert [text.text for text in drawn.findall("text")] == ["a & b", "1,000", "100", "c", "10.00"]
    assert bench_page.chart(ROWS, ["one", "two"], "cpu_us") == ""
