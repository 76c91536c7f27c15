"""The configuration: every option typed, bounded and documented; what is unknown is an error with a hint.

One TOML file becomes one frozen ``Settings``. The same models check the sections that the platform sends
(``decision``, ``lanes``), so a remote document can say nothing that the file could not. Secrets never stand
in the file: only paths, or names of systemd credentials.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.settings_boards import (
    AnyBoard,
    BoardSettings,
    DevantechBoard,
    GpioBoard,
    KmtronicBoard,
    LcusBoard,
    ModbusBoard,
    Name,
    NumatoBoard,
    ReaderBoard,
    Section,
    SimulatedBoard,
    port_faults,
)
from edge.settings_cameras import CameraSettings, OpenCvCamera, PiCamera, ReplayCamera
from edge.settings_enrolment import EnrolmentSettings
from edge.settings_lane_side import lane_side_faults
from edge.settings_lanes import (
    BarrierLane,
    BarrierTimes,
    DoorLane,
    DoorTimes,
    HoldWindow,
    LaneBase,
    LaneTimes,
)
from edge.settings_models import EmbedderModel, LivenessModel, ModelSettings
from edge.settings_passages import (
    Lane,
    LaneSettings,
    MantrapLane,
    MantrapTimes,
    TurnstileLane,
    TurnstileTimes,
)
from edge.settings_pictures import PictureSettings, picture_faults, wanted_crops
from edge.settings_push import VzenithCamera
from edge.settings_readers import BridgeReaderSettings, OsdpReaderSettings, ReaderSettings
from edge.settings_sets import SetSettings
from edge.settings_signs import DisplaySettings, FkDisplay, KfDisplay
from edge.settings_sync import RemoteSettings, SyncSettings
from edge.settings_wires import AlarmOutput, Input, LightOutput, LockOutput, Output, ReleaseOutput, StopOutput

__all__ = [
    "AlarmOutput",
    "AnyBoard",
    "BarrierLane",
    "BarrierTimes",
    "BoardSettings",
    "BridgeReaderSettings",
    "CameraSettings",
    "DecisionSettings",
    "DevantechBoard",
    "Device",
    "DoorLane",
    "DoorTimes",
    "EmbedderModel",
    "EnrolmentSettings",
    "FkDisplay",
    "GpioBoard",
    "HoldWindow",
    "Input",
    "KfDisplay",
    "KmtronicBoard",
    "Lane",
    "LaneBase",
    "LaneSettings",
    "LaneTimes",
    "LcusBoard",
    "LightOutput",
    "LivenessModel",
    "LockOutput",
    "MantrapLane",
    "MantrapTimes",
    "ModbusBoard",
    "ModelSettings",
    "NumatoBoard",
    "OpenCvCamera",
    "OsdpReaderSettings",
    "Output",
    "PiCamera",
    "PictureSettings",
    "ReaderBoard",
    "ReleaseOutput",
    "RemoteSettings",
    "ReplayCamera",
    "Section",
    "SetSettings",
    "Settings",
    "SimulatedBoard",
    "StopOutput",
    "StoreSettings",
    "SyncSettings",
    "TurnstileLane",
    "TurnstileTimes",
    "VzenithCamera",
]


class Device(Section):
    """Who this box is."""

    id: Name = Field(description="Name of this box; part of every topic and of its client certificate.")
    tenant: Name = Field(default="home", description="Whose box it is; first part of every topic.")
    state_dir: Path = Field(
        default=Path("/var/lib/gatehouse"), description="Journal, roster, keys and caches live here."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least to log."
    )


class DecisionSettings(Section):
    """When the evidence is enough, and how long a decision stays good. May be sent by the platform."""

    automatic_opening: bool = Field(
        default=True, description="False is the kill switch: nothing opens by recognition, staff still can."
    )
    deadline_ms: int = Field(
        default=2000, ge=200, le=10_000, description="From capture: later than this nothing is actuated."
    )
    agreeing_reads: int = Field(
        default=2, ge=2, le=10, description="Reads of one track that must agree before anything opens."
    )
    face_false_accepts: float = Field(
        default=0.001,
        ge=0.00001,
        le=0.05,
        description="Share of strangers that may be taken for somebody, for each attempt; the limit is made"
        " from the gallery itself.",
    )
    face_distance: float | None = Field(
        default=None, gt=0.2, le=0.6, description="A fixed largest descriptor distance instead."
    )
    face_margin: float = Field(
        default=0.03, ge=0.0, le=0.5, description="How much farther the nearest other resident must be."
    )
    plate_margin: float = Field(
        default=1.0,
        ge=0.0,
        le=20.0,
        description="Log-probability by which the best plate must lead the second.",
    )
    official_plates: bool = Field(
        default=False,
        description="Read military, armed police, embassy, consulate and civil aviation plates as well.",
    )
    stranger_after_ms: int = Field(
        default=1200, ge=200, le=10_000, description="A face or plate nobody knows this long is refused."
    )
    visit_gap_s: float = Field(
        default=10.0, ge=1.0, le=300.0, description="Seen again within this pause counts as the same visit."
    )


AnyCamera = Annotated[OpenCvCamera | PiCamera | ReplayCamera | VzenithCamera, Field(discriminator="type")]


class PassSettings(Section):
    """QR passes: whose signature makes one."""

    keys: Path | None = Field(
        default=None, description="Public keys of the issuers (JSON); made by: gatehouse pass keys."
    )


class StoreSettings(Section):
    """What is kept, and for how long."""

    keep_acknowledged_days: float = Field(default=7.0, ge=0, le=365, description="Events the platform has.")
    limit_events: int = Field(
        default=150_000, ge=1000, le=5_000_000, description="More are not kept; access and audit go last."
    )
    reserve_mb: int = Field(
        default=64, ge=0, le=4096, description="Room on the disk held back for when it is full."
    )
    when_unwritable: Literal["closed", "open"] = Field(
        default="closed", description="open: who may pass is let in although it cannot be journaled now."
    )


class Settings(Section):
    """The whole configuration. ``config_rev`` is the revision of the platform's document, 0 for the file."""

    device: Device
    decision: DecisionSettings = DecisionSettings()
    models: ModelSettings = ModelSettings()
    cameras: dict[Name, AnyCamera] = Field(default_factory=dict)
    boards: dict[Name, BoardSettings] = Field(default_factory=dict)
    lanes: dict[Name, LaneSettings] = Field(default_factory=dict)
    displays: dict[Name, DisplaySettings] = Field(default_factory=dict)
    readers: dict[Name, ReaderSettings] = Field(default_factory=dict)
    sync: SyncSettings = SyncSettings(enabled=False)
    store: StoreSettings = StoreSettings()
    enrolment: EnrolmentSettings = EnrolmentSettings()
    passes: PassSettings = PassSettings()
    sets: SetSettings = SetSettings()
    remote: RemoteSettings = RemoteSettings()
    pictures: PictureSettings = PictureSettings()

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        problems = [
            *self._dangling_cameras(),
            *self._dangling_channels(),
            *port_faults(self.boards),
            *lane_side_faults(self.lanes, self.boards, self.displays, self.readers),
            *self._face_only_lanes(),
            *self._helpless_liveness(),
            *picture_faults(self.pictures, self.lanes, self.sync),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _dangling_cameras(self) -> list[str]:
        problems = []
        for lane_name, lane in self.lanes.items():
            for camera in lane.cameras:
                if camera not in self.cameras:
                    known = ", ".join(self.cameras) or "none"
                    problems.append(f"lanes.{lane_name}.cameras: no camera {camera!r} (there are: {known})")
                elif not set(self.cameras[camera].looks_for) & lane.hears_of:
                    problems.append(
                        f"lanes.{lane_name}.cameras: {camera!r} looks for nothing that the lane accepts"
                    )
        return problems

    def _dangling_channels(self) -> list[str]:
        problems = []
        relays: dict[tuple[str, int], str] = {}
        for lane_name, lane in self.lanes.items():
            contacts: dict[tuple[str, int], str] = {}
            for option in type(lane).model_fields:
                wire = getattr(lane, option)
                if not isinstance(wire, Output | Input):
                    continue
                path = f"lanes.{lane_name}.{option}"
                board = self.boards.get(wire.board)
                if board is None:
                    known = ", ".join(self.boards) or "none"
                    problems.append(f"{path}.board: no board {wire.board!r} (there are: {known})")
                    continue
                is_relay = isinstance(wire, Output)
                noun, count = ("relay", board.outputs) if is_relay else ("input", board.inputs)
                if wire.channel > count:
                    has = f"it has {count}" if count else "it has none"
                    problems.append(
                        f"{path}.channel: board {wire.board!r} has no {noun} {wire.channel}, {has}"
                    )
                # A fire contact may serve several lanes; a relay has one meaning, a contact one in its lane.
                taken = relays if is_relay else contacts
                other = taken.setdefault((wire.board, wire.channel), path)
                if other != path:
                    what = f"{noun} {wire.channel} of {wire.board!r}"
                    problems.append(f"{path}.channel: {what} is taken by {other}")
        return problems

    def _face_only_lanes(self) -> list[str]:
        """ACC-4: whoever does not give their face must get through a lane that looks for faces, today."""
        problems = []
        for name, lane in self.lanes.items():
            sought = {kind for c in lane.cameras if c in self.cameras for kind in self.cameras[c].looks_for}
            if "face" not in sought & set(lane.accepts):
                continue
            by_plate = "plate" in sought & set(lane.accepts)
            by_qr = "qr" in sought & set(lane.accepts) and self.passes.keys is not None
            can_command = self.sync.enabled and self.sync.platform_keys is not None
            by_staff = "staff" in lane.other_ways and (can_command or lane.hold_key is not None)
            by_card = "card" in lane.accepts and name in {r.lane for r in self.readers.values()}
            if not (by_plate or by_staff or by_qr or by_card):
                problems.append(
                    f"lanes.{name}: face is the only way in. The law asks for another: plates as well, or"
                    " QR passes (accepts and a camera's looks_for name qr, passes.keys), or cards"
                    " (accepts names card, a reader stands there), or"
                    " staff (sync.platform_keys for remote opening, or a wired hold_key)"
                )
        return problems

    def _helpless_liveness(self) -> list[str]:
        """What is asked for must be there to be had."""
        problems = []
        for name, lane in self.lanes.items():
            if "qr" in lane.accepts and self.passes.keys is None:
                problems.append(f"lanes.{name}.accepts: qr needs passes.keys, whose signature makes a pass")
            if lane.liveness == "none" or "face" not in lane.accepts:
                continue
            if lane.liveness == "model" and self.models.liveness is None:
                problems.append(f"lanes.{name}.liveness: model needs models.liveness, your classifier")
            sought = {kind for c in lane.cameras if c in self.cameras for kind in self.cameras[c].looks_for}
            by_qr = "qr" in lane.second_factors and "qr" in sought and self.passes.keys is not None
            by_reader = {"pin", "card"} & set(lane.second_factors) and name in {
                reader.lane for reader in self.readers.values()
            }
            if not by_qr and not by_reader:
                problems.append(
                    f"lanes.{name}.second_factors: nobody could present one. QR needs a camera of the lane"
                    " that looks for qr, and passes.keys; PIN and card need a reader at the lane"
                )
        return problems

    def as_run(self, camera: CameraSettings, name: str) -> CameraSettings:
        """A camera's section as its process gets it: what was left to us is decided."""
        lanes = self.lanes_of_camera(name)
        left: dict[str, object] = {}
        if camera.liveness_cues is None:
            left["liveness_cues"] = any(self.lanes[lane].liveness != "none" for lane in lanes)
        if camera.crops is None:
            left["crops"] = wanted_crops(self.pictures, self.lanes, lanes)
        return camera.model_copy(update=left)

    def lanes_of_camera(self, camera: str) -> tuple[str, ...]:
        """Names of the lanes that a camera decides for."""
        return tuple(name for name, lane in self.lanes.items() if camera in lane.cameras)
