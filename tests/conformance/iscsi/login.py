# SPDX-License-Identifier: MIT
"""The login phase (RFC 7143 clause 6.3): one step at a time, or all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .chap import Chap, binary, hexadecimal, response
from .connection import Connection, ProtocolViolation
from .keys import DECLARATIONS, Negotiated
from .pdu import LoginStatus, Op, Pdu, Stage
from .session import Session
from .text import Pairs, decode, encode

INITIATOR = "iqn.2026-01.org.example.test:initiator"
_counter = iter(range(1, 1 << 24))


def new_isid() -> bytes:
    """A random-format ISID (T = 10b, clause 11.12.5) that this process hasn't used before."""
    return b"\x80" + next(_counter).to_bytes(3, "big") + b"\0\0"


class LoginFailed(Exception):
    """The target refused the login."""

    def __init__(self, pdu: Pdu) -> None:
        try:
            name = LoginStatus(pdu.login_status).name
        except ValueError:
            name = "unknown"
        super().__init__(f"login status {pdu.login_status:#06x} ({name})")
        self.pdu = pdu

    @property
    def status(self) -> int:
        return int(self.pdu.login_status)


@dataclass
class Login:
    """What a login shall say.  keys replaces or adds operational keys; a None value leaves one out."""

    target: str | None = None  # None: a discovery session
    initiator: str = INITIATOR
    isid: bytes = field(default_factory=new_isid)
    tsih: int = 0
    cid: int = 0
    cmdsn: int = 1
    chap: Chap | None = None
    auth_method: str | None = None  # instead of what chap implies
    security: bool = True  # begin in the security stage
    keys: dict[str, str | None] = field(default_factory=dict)

    def names(self) -> Pairs:
        pairs = [("InitiatorName", self.initiator)]
        if self.target is None:
            pairs.append(("SessionType", "Discovery"))
        else:
            pairs += [("SessionType", "Normal"), ("TargetName", self.target)]
        return pairs

    def operational(self) -> Pairs:
        """The operational keys offered."""
        offer: dict[str, str | None] = {
            "HeaderDigest": "None", "DataDigest": "None", "MaxRecvDataSegmentLength": "262144",
            "DefaultTime2Wait": "2", "DefaultTime2Retain": "0", "ErrorRecoveryLevel": "0",
        }
        if self.target is not None:
            offer |= {"InitialR2T": "Yes", "ImmediateData": "Yes", "MaxBurstLength": "262144",
                      "FirstBurstLength": "65536", "MaxOutstandingR2T": "1", "MaxConnections": "1"}
        offer |= self.keys
        return [(key, value) for key, value in offer.items() if value is not None]


class LoginPhase:
    """The login phase of one connection, step by step."""

    def __init__(self, connection: Connection, want: Login) -> None:
        self.connection = connection
        self.want = want
        self.itt = 0x10
        self.tsih = want.tsih
        self.answers: Pairs = []
        self.offers: dict[str, str] = {}
        self.last: Pdu | None = None

    def request(self, csg: int, nsg: int | None, pairs: Pairs | bytes, *, more: bool = False,
                **fields: int) -> Pdu:
        """One Login request PDU (not sent).  nsg None: no transit."""
        flags = csg << 2 | (0 if nsg is None else 0x80 | nsg) | (0x40 if more else 0)
        data = pairs if isinstance(pairs, bytes) else encode(pairs)
        pdu = Pdu(Op.LOGIN, data, immediate=True, flags=flags, tsih=self.tsih, itt=self.itt, cid=self.want.cid,
                  cmdsn=self.want.cmdsn, expstatsn=self.connection.expstatsn or 0)
        pdu.isid = self.want.isid
        for name, value in fields.items():
            setattr(pdu, name, value)
        return pdu

    def step(self, csg: int, nsg: int | None, pairs: Pairs | bytes, **fields: int) -> Pdu:
        """Sends one request and returns the response; raises LoginFailed for a Status-Class other than 0."""
        if not isinstance(pairs, bytes):
            self.offers |= dict(pairs)
        self.connection.send(self.request(csg, nsg, pairs, **fields))
        return self.read(csg)

    def read(self, csg: int | None = None) -> Pdu:
        """A response, continuations (C bit) joined into its data."""
        data = b""
        while True:
            pdu = self.connection.recv()
            if pdu.opcode != Op.LOGIN_RESPONSE:
                raise ProtocolViolation(f"{pdu!r} answers a Login request")
            if pdu.login_status:
                raise LoginFailed(pdu)
            self._check(pdu, csg)
            data += pdu.data
            if not pdu.flags & 0x40:
                break
            self.connection.send(self.request(pdu.flags >> 2 & 3, None, b""))
        pdu.data = data
        self.answers += decode(data)
        self.last = pdu
        return pdu

    def _check(self, pdu: Pdu, csg: int | None) -> None:
        if pdu.itt != self.itt or pdu.isid != self.want.isid:
            raise ProtocolViolation(f"ITT or ISID changed: {pdu!r}")
        if csg is not None and pdu.flags >> 2 & 3 != csg:
            raise ProtocolViolation(f"CSG {pdu.flags >> 2 & 3} answers CSG {csg} (11.13.1)")
        if pdu.flags & 0x40 and pdu.flags & 0x80:
            raise ProtocolViolation("C and T both set (11.13.2)")
        if pdu.version_active != 0 or pdu.version_max != 0:
            raise ProtocolViolation("a version other than 0 (11.13.3)")

    def value(self, key: str) -> str:
        """The last answer for a key."""
        for name, value in reversed(self.answers):
            if name == key:
                return value
        raise ProtocolViolation(f"no {key} in the answers {self.answers}")

    def authenticate(self) -> None:
        """The security stage, up to the transit into the operational stage."""
        chap = self.want.chap
        method = self.want.auth_method or ("CHAP" if chap else "None")
        pairs = self.want.names() + [("AuthMethod", method)]
        if chap is None:
            pdu = self.step(Stage.SECURITY, Stage.OPERATIONAL, pairs)
        else:
            self.step(Stage.SECURITY, None, pairs)
            pdu = self._chap(chap)
        for _ in range(8):
            if pdu.flags & 0x80:
                return
            pdu = self.step(Stage.SECURITY, Stage.OPERATIONAL, [])
        raise ProtocolViolation("the target never leaves the security stage")

    def _chap(self, chap: Chap) -> Pdu:
        if self.value("AuthMethod") != "CHAP":
            raise ProtocolViolation(f"AuthMethod={self.value('AuthMethod')} answers CHAP")
        self.step(Stage.SECURITY, None, [("CHAP_A", ",".join(map(str, chap.algorithms)))])
        algorithm = int(self.value("CHAP_A"))
        if algorithm not in chap.algorithms:
            raise ProtocolViolation(f"CHAP_A={algorithm} was not offered")
        proof = response(algorithm, int(self.value("CHAP_I")), chap.secret.encode(), binary(self.value("CHAP_C")))
        pairs = [("CHAP_N", chap.user), ("CHAP_R", hexadecimal(proof))]
        if chap.mutual:
            pairs += [("CHAP_I", str(chap.identifier)), ("CHAP_C", hexadecimal(chap.challenge))]
        pdu = self.step(Stage.SECURITY, Stage.OPERATIONAL, pairs)
        if chap.mutual:
            wanted = response(algorithm, chap.identifier, (chap.target_secret or "").encode(), chap.challenge)
            if binary(self.value("CHAP_R")) != wanted:
                raise ProtocolViolation("the target's CHAP response is wrong")
            if chap.target_user is not None and self.value("CHAP_N") != chap.target_user:
                raise ProtocolViolation(f"the target says CHAP_N={self.value('CHAP_N')}")
        return pdu

    def negotiate(self) -> Session:
        """The operational stage, up to the full feature phase."""
        pairs = self.want.operational()
        if not self.want.security:
            pairs = self.want.names() + pairs
        pdu = self.step(Stage.OPERATIONAL, Stage.FULL_FEATURE, pairs)
        for _ in range(8):
            if pdu.flags & 0x80:
                return self.session(pdu)
            pdu = self.step(Stage.OPERATIONAL, Stage.FULL_FEATURE, self._replies())
        raise ProtocolViolation("the target never enters the full feature phase")

    def _replies(self) -> Pairs:
        """What the target offered by itself is accepted."""
        pairs = [(key, value) for key, value in self.answers
                 if key not in self.offers and key not in DECLARATIONS and not key.startswith("CHAP_")]
        self.offers |= dict(pairs)
        return pairs

    def session(self, pdu: Pdu) -> Session:
        """The session that the final response opened."""
        if pdu.flags & 0x03 != Stage.FULL_FEATURE:
            raise ProtocolViolation(f"NSG {pdu.flags & 3} at the end of login")
        if pdu.tsih == 0:
            raise ProtocolViolation("TSIH 0 in the final response (11.13.4)")
        params = Negotiated()
        params.settle(self.offers, dict(self.answers))
        self.connection.max_recv = params.initiator_max_recv
        self.connection.header_digest = params.text("HeaderDigest") == "CRC32C"
        self.connection.data_digest = params.text("DataDigest") == "CRC32C"
        session = Session(self.connection, params, self.want.cmdsn)
        session.tsih, session.isid = pdu.tsih, self.want.isid
        return session


def login(host: str, port: int, want: Login) -> Session:
    """Connects and logs in; raises LoginFailed when the target refuses."""
    connection = Connection(host, port)
    try:
        phase = LoginPhase(connection, want)
        if want.security:
            phase.authenticate()
        return phase.negotiate()
    except BaseException:
        connection.close()
        raise
