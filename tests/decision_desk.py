"""A decider whose lanes, camera, journal and display only remember: for tests of what is decided."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.access import Person, Roster
from edge.access.passes import Pass, subject_mark, write_pass
from edge.access.pins import PinDigest
from edge.clock import NS_PER_S, ManualClock
from edge.deciding import Decider
from edge.errors import JournalError
from edge.health import Alarms
from edge.known import Known
from edge.records import Box, Decision, EventDraft, Kind, Presented, Prompt, Reason, Sighting, Verdict
from edge.settings import Settings
from edge.settings_file import parse_settings
from models.face import Gallery

SET = "faces-dlib-resnet"
EILEEN, WANG = Person("eileen", "Eileen"), Person("wang-li", "王丽")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PINS = {
    "eileen": PinDigest.of("482915", bytes(16)),
    "wang-li": PinDigest.of("730164", bytes(16)),
}
LIVE_CUES = {"frame": 1.0, "texture": 1.0, "colour": 0.9, "glare": 1.0, "raw_frame": 0.1}
SPOOF_CUES = LIVE_CUES | {"frame": 0.0, "raw_frame": 1.4}


def settings(**lane: Any) -> Settings:
    door = {
        "type": "door",
        "cameras": ["cam"],
        "lock": {"board": "relay", "channel": 2},
        "accepts": ["face"],
        "liveness": "passive",
    }
    gate = {"type": "door", "cameras": ["cam"], "lock": {"board": "relay", "channel": 1}, "accepts": ["qr"]}
    return parse_settings(
        {
            "device": {"id": "box"},
            "cameras": {"cam": {"type": "replay", "source": "x", "looks_for": ["qr", "face"]}},
            "boards": {"relay": {"type": "lcus", "port": "/dev/null"}},
            "lanes": {"door": door | lane, "gate": gate},
            "passes": {"keys": "pass_keys.json"},
            "sync": {"brokers": ["mqtt://platform"], "platform_keys": "keys.json"},
        }
    )


def template(direction: int) -> bytes:
    values = np.zeros(128, "<f4")
    values[direction] = 1.0
    return values.tobytes()


class Desk:
    """A decider whose lanes, camera, journal and display only remember."""

    def __init__(self, clock: ManualClock, **lane: Any) -> None:
        self.clock, self.alarms = clock, Alarms(clock)
        self.told: list[Decision] = []
        self.notes: list[EventDraft] = []
        self.prompts: list[Prompt] = []
        self.settled: list[int] = []
        self.attended: list[int] = []
        self.spent: dict[str, int] = {}
        self.disk_refuses = False
        gallery = Gallery.build(
            SET,
            [("eileen", np.frombuffer(template(0), "<f4")), ("wang-li", np.frombuffer(template(1), "<f4"))],
        )
        self.known = Known(Roster.of(1, [EILEEN, WANG]), gallery, pins=PINS)
        self.decider = Decider(
            settings(**lane),
            self.known,
            clock,
            self.alarms,
            submit=self._submit,
            settle=lambda sighting: self.settled.append(sighting.track_id),
            pass_keys={"desk": KEY.public_key()},
            spend=self._spend,
            note=self.notes.append,
            show=self.prompts.append,
            attend=lambda sighting, _for_s: self.attended.append(sighting.track_id),
        )
        self.seq = 0

    def _submit(self, lane: str, decision: Decision) -> bool:
        assert decision.lane == lane
        self.told.append(decision)
        return True

    def _spend(self, jti: str, uses: int, exp_utc_s: int) -> bool:
        if self.disk_refuses:
            raise JournalError("the disk refuses")
        assert exp_utc_s > 0
        self.spent[jti] = self.spent.get(jti, 0) + 1
        return self.spent[jti] <= uses

    def face(
        self,
        who: int = 0,
        cues: Mapping[str, float] = SPOOF_CUES,
        reads: int = 4,
        track: int = 1,
        **fields: Any,
    ) -> None:
        for _ in range(reads):
            self.clock.advance(0.1)
            self.seq += 1
            now_ns = self.clock.boot_ns()
            given: dict[str, Any] = {"cues": cues, **fields}
            self.decider.take(
                Sighting(
                    *("cam", "run-1", track, Kind.FACE, self.seq, now_ns, now_ns),
                    *(Box(100, 50, 200, 180), 0.9),
                    template=template(who),
                    **given,
                )
            )
            self.decider.turn()

    def code(self, text: str, after_s: float = 0.1) -> None:
        """A code before the camera, which serves both lanes."""
        self.clock.advance(after_s)
        self.seq += 1
        now_ns = self.clock.boot_ns()
        self.decider.take(
            Sighting(
                "cam", "run-1", 99, Kind.QR, self.seq, now_ns, now_ns, Box(0, 0, 200, 200), 1.0, text=text
            )
        )
        self.decider.turn()

    def present(self, kind: Any, value: str, lane: str = "door", after_s: float = 0.5) -> Decision | None:
        """Something at a reader."""
        self.clock.advance(after_s)
        decision = self.decider.judge(Presented(lane, kind, value, self.clock.boot_ns(), "reader"))
        self.decider.turn()
        return decision

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.decider.turn()

    def of(self, lane: str) -> list[tuple[Verdict, Reason, str]]:
        return [(d.verdict, d.reason, d.credential) for d in self.told if d.lane == lane]

    def a_pass(self, **changes: Any) -> str:
        now_s = self.clock.utc_ns() // NS_PER_S
        given = Pass("pass-0001", now_s - 10, now_s + 3600, subject=subject_mark("eileen"), kid="desk")
        return write_pass(replace(given, **changes), KEY)
