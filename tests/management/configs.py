# SPDX-License-Identifier: MIT
"""A targets.conf that a test writes, and a daemon that reads it."""
import time
from threading import Thread

from daemons import IQN
from iscsi import scsi
from iscsi.login import Login, login


class Config:
    """A file and a daemon started with it."""

    def __init__(self, start, folder, text="", *options):
        self.path = folder / "targets.conf"
        self.folder = folder
        self.write(text)
        self.daemon = start("--config", str(self.path), *options)

    def write(self, text):
        self.path.write_text(text)

    def image(self, name, size=1 << 20):
        path = self.folder / name
        if not path.exists():
            path.write_bytes(bytes(size))
        return path

    def update(self, text=None, **members):
        """Reads the file again (as text, when it is given) by a request; the result."""
        if text is not None:
            self.write(text)
        answer = self.daemon.ask({"op": "update", "mode": "config", **members})
        assert answer["rc"] == 0, answer
        return answer["result"]

    def changes(self, text, **members):
        """The same, where nothing may fail; what was changed, as "op mode"."""
        result = self.update(text, **members)
        assert not result["failed"] and not result["refused"], result
        return [f"{change['op']} {change['mode']}" for change in result["changes"]]

    def target(self, name="t"):
        found = [t for t in self.daemon.show("target")["targets"] if t["name"] == IQN + name]
        return found[0] if found else None

    def unit(self, name="t", lun=1):
        return next(unit for unit in self.target(name)["luns"] if unit["lun"] == lun)

    def login(self, name="t", **arguments):
        return login("127.0.0.1", self.daemon.port, Login(IQN + name, **arguments))


def target(*lines, name="t"):
    return "".join([f"<target {IQN}{name}>\n", *[f"    {line}\n" for line in lines], "</target>\n"])


def store(path, *lines):
    return "\n".join([f"<backing-store {path}>", *lines, "</backing-store>"])


class Io(Thread):
    """Writes and reads on a session, all the time; what isn't GOOD, a unit attention too, is an error."""

    def __init__(self, session):
        super().__init__()
        self.session = session
        session.clear_attentions()
        self.count, self.stopping, self.problem = 0, False, None

    def run(self):
        try:
            while not self.stopping:
                data = self.count.to_bytes(8, "big") * 64
                lba = self.count % 1024
                for result in (self.session.execute(scsi.write10(lba, 1), data_out=data, timeout=20),
                               self.session.execute(scsi.read10(lba, 1), read=512, timeout=20)):
                    assert result.good, result
                assert result.data == data
                self.count += 1
        except Exception as error:  # whatever it is, the test says it
            self.problem = error

    def __enter__(self):
        self.start()
        self.wait(20)
        return self

    def wait(self, more):
        """Until that many more have been done."""
        goal, deadline = self.count + more, time.monotonic() + 20
        while self.count < goal and not self.problem:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert not self.problem, self.problem

    def __exit__(self, *_):
        self.stopping = True
        self.join(30)
        assert not self.is_alive() and not self.problem, self.problem
