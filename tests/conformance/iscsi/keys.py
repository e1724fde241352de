# SPDX-License-Identifier: MIT
"""Login and text keys: how each is negotiated (RFC 7143 clause 13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .text import number


class Rule(Enum):
    """How the result follows from the offer and the responder's own value (clause 6.2)."""

    AND = "and"
    OR = "or"
    MINIMUM = "min"
    MAXIMUM = "max"
    LIST = "list"
    DECLARED = "declared"


@dataclass(frozen=True)
class Key:
    """One row of clause 13: rule, default, and the range of numbers."""

    name: str
    rule: Rule
    default: str
    low: int = 0
    high: int = 0
    clause: str = ""
    leading_only: bool = False
    irrelevant_in_discovery: bool = False

    @property
    def numeric(self) -> bool:
        return self.high > 0

    @property
    def boolean(self) -> bool:
        return self.rule in (Rule.AND, Rule.OR)


_BURST = 2**24 - 1
KEYS = {
    key.name: key
    for key in (
        Key("HeaderDigest", Rule.LIST, "None", clause="13.1"),
        Key("DataDigest", Rule.LIST, "None", clause="13.1"),
        Key("MaxConnections", Rule.MINIMUM, "1", 1, 65535, "13.2", True, True),
        Key("InitialR2T", Rule.OR, "Yes", clause="13.10", leading_only=True, irrelevant_in_discovery=True),
        Key("ImmediateData", Rule.AND, "Yes", clause="13.11", leading_only=True, irrelevant_in_discovery=True),
        Key("MaxRecvDataSegmentLength", Rule.DECLARED, "8192", 512, _BURST, "13.12"),
        Key("MaxBurstLength", Rule.MINIMUM, "262144", 512, _BURST, "13.13", True, True),
        Key("FirstBurstLength", Rule.MINIMUM, "65536", 512, _BURST, "13.14", True, True),
        Key("DefaultTime2Wait", Rule.MAXIMUM, "2", 0, 3600, "13.15", True),
        Key("DefaultTime2Retain", Rule.MINIMUM, "20", 0, 3600, "13.16", True),
        Key("MaxOutstandingR2T", Rule.MINIMUM, "1", 1, 65535, "13.17", True, True),
        Key("DataPDUInOrder", Rule.OR, "Yes", clause="13.18", leading_only=True, irrelevant_in_discovery=True),
        Key("DataSequenceInOrder", Rule.OR, "Yes", clause="13.19", leading_only=True,
            irrelevant_in_discovery=True),
        Key("ErrorRecoveryLevel", Rule.MINIMUM, "0", 0, 2, "13.20", True),
    )
}

# What only declares, from either side, beside MaxRecvDataSegmentLength.
DECLARATIONS = frozenset({
    "InitiatorName", "InitiatorAlias", "TargetName", "TargetAlias", "TargetAddress", "TargetPortalGroupTag",
    "SessionType", "MaxRecvDataSegmentLength",
})


def acceptable(key: Key, offer: str, answer: str) -> bool:
    """Whether answer is a lawful reply to offer by the key's rule."""
    if key.rule is Rule.LIST:
        return answer in offer.split(",")
    if key.boolean:
        forced = "No" if key.rule is Rule.AND else "Yes"
        return answer in ("Yes", "No") and (offer != forced or answer == forced)
    value = number(answer)
    if not key.low <= value <= key.high:
        return False
    if key.rule is Rule.MINIMUM:
        return value <= number(offer)
    if key.rule is Rule.MAXIMUM:
        return value >= number(offer)
    return True


class Negotiated:
    """The values in force on a session; the defaults until a login has changed them."""

    def __init__(self) -> None:
        self._values = {name: key.default for name, key in KEYS.items()}
        self.target_max_recv = 8192
        self.initiator_max_recv = 8192

    def settle(self, offers: dict[str, str], answers: dict[str, str]) -> None:
        """Takes over what offer and answer agreed on."""
        for name, answer in answers.items():
            if name == "MaxRecvDataSegmentLength":
                self.target_max_recv = number(answer)
            elif name in KEYS and answer not in ("Irrelevant", "Reject", "NotUnderstood"):
                self._values[name] = answer
        if "MaxRecvDataSegmentLength" in offers:
            self.initiator_max_recv = number(offers["MaxRecvDataSegmentLength"])

    def text(self, name: str) -> str:
        return self._values[name]

    def flag(self, name: str) -> bool:
        return self._values[name] == "Yes"

    def number(self, name: str) -> int:
        return number(self._values[name])
