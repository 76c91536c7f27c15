"""The configuration: every option typed, bounded and documented; what is unknown is an error with a hint.

One TOML file becomes one frozen ``Settings``. The same models check the sections that the platform sends
(``decision``, ``lanes``), so a remote document can say nothing that the file could not. Secrets never stand
in the file: only paths, or names of systemd credentials.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
Credential = Literal["plate", "face"]
OtherWay = Literal["staff", "qr", "reader", "plate", "exit_button"]


class Section(BaseModel):
    """Base of every section: frozen, and nothing unknown is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Device(Section):
    """Who this box is."""

    id: Name = Field(description="Name of this box; part of every topic and of its client certificate.")
    tenant: Name = Field(default="home", description="Whose box it is; first part of every topic.")
    state_dir: Path = Field(
        default=Path("/var/lib/gatehouse"), description="Journal, roster, keys and caches live here."
    )
    language: Literal["zh", "en"] = Field(
        default="zh", description="Language of texts for staff and residents."
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


class _CameraBase(Section):
    looks_for: tuple[Credential, ...] = Field(min_length=1, description="What is looked for in this camera.")
    region: tuple[float, float, float, float] = Field(
        default=(0.0, 0.0, 1.0, 1.0), description="Left, top, right, bottom as parts of the picture, 0 to 1."
    )
    min_face_px: int = Field(default=60, ge=30, le=600, description="Smallest face, pixels high.")
    min_plate_px: int = Field(default=16, ge=12, le=200, description="Smallest plate, pixels high.")
    max_fps: float = Field(default=15.0, gt=0, le=60, description="Frames per second to look at, at most.")
    stall_s: float = Field(default=3.0, ge=0.5, le=60, description="No frame for this long: camera.lost.")
    freeze_s: float = Field(
        default=8.0,
        ge=1.0,
        le=600,
        description="The very same frame for this long: camera.frozen. A real"
        " sensor's noise differs from frame to frame.",
    )

    @model_validator(mode="after")
    def _region_is_a_rectangle(self) -> "_CameraBase":
        left, top, right, bottom = self.region
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError("region must be left < right and top < bottom, all between 0 and 1")
        return self


class OpenCvCamera(_CameraBase):
    """A USB camera, a network stream, or anything else OpenCV opens."""

    type: Literal["opencv"] = "opencv"
    source: str = Field(description='"0" or "/dev/video0", "rtsp://...", "http://...", or a file.')
    width_px: int | None = Field(default=None, ge=160, le=7680, description="Asked of a USB camera.")
    height_px: int | None = Field(default=None, ge=120, le=4320, description="Asked of a USB camera.")
    open_timeout_s: float = Field(default=5.0, ge=0.5, le=60, description="For network streams.")


class ReplayCamera(_CameraBase):
    """A film, played by its own clock: for demonstrations, tests and training of staff."""

    type: Literal["replay"] = "replay"
    source: str = Field(description="A film, or a folder of pictures.")
    repeat: bool = Field(default=False, description="Begin again at the end.")
    fps: float | None = Field(
        default=None, gt=0, le=120, description="For a folder, or to override a film's."
    )
    epoch_ns: int = Field(
        default=0, ge=0, description="CLOCK_BOOTTIME at which the film began; 0: when it is opened."
    )


CameraSettings = Annotated[OpenCvCamera | ReplayCamera, Field(discriminator="type")]


class ModelSettings(Section):
    """Which networks look."""

    face_detector: Literal["auto", "hog", "yunet"] = Field(
        default="auto", description="auto: yunet if present."
    )
    face_embedder: Literal["auto", "dlib", "dlib-onnx"] = Field(
        default="auto", description="The descriptor network; all three give the same descriptors."
    )
    yunet_path: Path | None = Field(
        default=None, description="face_detection_yunet_2023mar.onnx, if you have it."
    )
    plate_reader: Literal["auto", "rapidocr", "own"] = Field(
        default="auto", description="auto: the best present."
    )
    threads: int = Field(default=1, ge=1, le=8, description="Threads of each network in each vision process.")


class LcusBoard(Section):
    """LCUS-1/2/4/8 USB relay board (CH340, A0 frames)."""

    type: Literal["lcus"] = "lcus"
    port: str = Field(description="By preference /dev/serial/by-path/...; the CH340 has no serial number.")
    baud: int = Field(default=9600, ge=1200, le=921_600, description="9600 on nearly all boards.")
    channels: int = Field(default=4, ge=1, le=8, description="Used when the board answers no status query.")
    pacing_ms: int = Field(default=60, ge=50, le=500, description="Pause between two frames.")


class ModbusBoard(Section):
    """Modbus RTU relay and input boards."""

    type: Literal["modbus"] = "modbus"
    profile: Literal["waveshare", "lc", "quirk0100", "r421a08"] = Field(description="Family of the board.")
    port: str = Field(description="Serial port of the RS-485 line.")
    baud: int = Field(default=9600, ge=1200, le=921_600, description="Of the line.")
    address: int = Field(default=1, ge=1, le=255, description="Of the board on its line.")
    outputs: int = Field(default=8, ge=0, le=32, description="Relays on the board.")
    inputs: int = Field(default=8, ge=0, le=32, description="Inputs on the board.")
    reply_timeout_ms: int = Field(
        default=300, ge=50, le=2000, description="No answer for this long: unknown."
    )
    gap_ms: int = Field(default=20, ge=4, le=500, description="Pause between two frames on the line.")
    local_echo: bool | None = Field(
        default=None, description="The adapter returns what was sent; not given: found out at start."
    )


BoardSettings = Annotated[LcusBoard | ModbusBoard, Field(discriminator="type")]


class Output(Section):
    """One relay with a meaning."""

    board: Name = Field(description="Which board.")
    channel: int = Field(ge=1, le=32, description="As printed on the board.")
    pulse_ms: int = Field(
        default=500,
        ge=0,
        le=10_000,
        description="Length of a pulse; 0 holds the level for as long as it is meant.",
    )
    safe_energised: bool = Field(default=False, description="True: the relay is energised in the safe state.")
    max_on_ms: int = Field(
        default=12_000,
        ge=100,
        le=120_000,
        description="Guard: a pulse output is never away from safe for longer.",
    )


class Input(Section):
    """One contact with a meaning."""

    board: Name = Field(description="Which board.")
    channel: int = Field(ge=1, le=32, description="As printed on the board.")
    inverted: bool = Field(default=False, description="True: an open contact means active.")
    debounce_ms: int = Field(default=0, ge=0, le=1000, description="Must stand this long to count.")


class _LaneBase(Section):
    cameras: tuple[Name, ...] = Field(default=(), description="Cameras that decide for this lane.")
    accepts: tuple[Credential, ...] = Field(default=("plate", "face"), description="Credentials taken here.")
    other_ways: tuple[OtherWay, ...] = Field(
        default=("staff",),
        description="How people pass here without their face (a face is never the only way).",
    )
    direction: Literal["in", "out", "both"] = Field(default="in", description="For the record.")
    zones: tuple[Name, ...] = Field(
        default=(), description="Zones this lane leads to; permits may name them."
    )
    poll_ms: int = Field(default=30, ge=10, le=500, description="Pace of inputs and of the state machine.")
    dry_run: bool = Field(default=False, description="Decide and record, but switch nothing.")

    @model_validator(mode="after")
    def _face_is_never_the_only_way(self) -> "_LaneBase":
        ways = set(self.other_ways) | set(self.accepts)
        if "face" in self.accepts and not ways - {"face"}:
            raise ValueError(
                "face is the only way in; name another in other_ways (staff, qr, reader, plate):"
                " the law asks for it"
            )
        return self


class BarrierTimes(Section):
    """Times of a barrier lane, seconds."""

    open_timeout_s: float = Field(default=8.0, ge=1, le=60, description="No open limit by then: open_failed.")
    close_timeout_s: float = Field(
        default=10.0, ge=1, le=60, description="No closed limit by then: close_failed."
    )
    pass_timeout_s: float = Field(
        default=25.0, ge=3, le=600, description="Open and nobody comes: close again."
    )
    clear_s: float = Field(
        default=1.0, ge=0.5, le=10, description="Loop and beam clear this long before closing."
    )
    linger_s: float = Field(default=60.0, ge=5, le=3600, description="A car stands on the loop: lingering.")
    fire_reset_s: float = Field(default=5.0, ge=5, le=600, description="After the fire input is gone.")
    dead_time_ms: int = Field(default=250, ge=200, le=5000, description="Between an OPEN and a CLOSE relay.")


class BarrierLane(_LaneBase):
    """A parking lane with a boom."""

    type: Literal["barrier"] = "barrier"
    open: Output = Field(description="Relay on the barrier's OPEN contact.")
    close: Output | None = Field(
        default=None, description="Relay on CLOSE; absent: the barrier closes itself."
    )
    stop: Output | None = Field(default=None, description="Relay on STOP.")
    open_limit: Input | None = Field(default=None, description="Boom is up.")
    closed_limit: Input | None = Field(default=None, description="Boom is down.")
    presence: Input | None = Field(default=None, description="Loop under the boom.")
    beam: Input | None = Field(default=None, description="Safety light beam, active when cut.")
    fire: Input | None = Field(default=None, description="Fire alarm: opens and holds open.")
    hold_key: Input | None = Field(default=None, description="Local key: holds open.")
    times: BarrierTimes = Field(default=BarrierTimes(), description="Times of this barrier.")

    @model_validator(mode="after")
    def _closing_needs_eyes(self) -> "BarrierLane":
        if self.close is not None and self.presence is None:
            raise ValueError(
                "close is wired but presence is not: we never lower a boom onto what we cannot see"
            )
        return self


class DoorTimes(Section):
    """Times of a door lane, seconds."""

    unlock_s: float = Field(default=4.0, ge=1, le=60, description="Unlocked for this long.")
    held_s: float = Field(default=30.0, ge=5, le=3600, description="Open for this long: held-open alarm.")
    exit_mask_s: float = Field(
        default=2.0, ge=0.5, le=30, description="After the exit button no forced alarm."
    )
    fire_reset_s: float = Field(default=5.0, ge=5, le=600, description="After the fire input is gone.")


class DoorLane(_LaneBase):
    """A pedestrian door."""

    type: Literal["door"] = "door"
    lock: Output = Field(
        description="Relay of the lock; its safe state is locked or unlocked as you wire it."
    )
    contact: Input | None = Field(default=None, description="Active while the leaf is open.")
    exit_button: Input | None = Field(default=None, description="Request to exit.")
    fire: Input | None = Field(default=None, description="Fire alarm: unlocks and holds.")
    hold_key: Input | None = Field(default=None, description="Local key: holds unlocked.")
    times: DoorTimes = Field(default=DoorTimes(), description="Times of this door.")


LaneSettings = Annotated[BarrierLane | DoorLane, Field(discriminator="type")]


class SyncSettings(Section):
    """The link to the platform."""

    enabled: bool = Field(default=True, description="False: this box works alone for ever.")
    brokers: tuple[str, ...] = Field(
        default=(), description='"mqtt://host:1883" or "mqtts://host:8883", tried in order.'
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        default="auto", description="auto: 5, then 3.1.1 if refused."
    )
    username: str | None = Field(default=None, description="For the broker.")
    password_file: Path | None = Field(default=None, description="File with the password on its first line.")
    password_credential: str | None = Field(default=None, description="Or the name of a systemd credential.")
    ca_file: Path | None = Field(default=None, description="Who may have signed the broker's certificate.")
    cert_file: Path | None = Field(default=None, description="This box's certificate (CN = device id).")
    key_file: Path | None = Field(default=None, description="And its key.")
    keepalive_s: int = Field(default=30, ge=5, le=1200, description="MQTT keep-alive.")
    reconnect_max_s: float = Field(
        default=120.0, ge=1, le=3600, description="Longest pause between two tries."
    )
    platform_keys: Path | None = Field(
        default=None, description="Public keys whose commands and configurations are obeyed (JSON)."
    )
    window: int = Field(default=20, ge=1, le=200, description="Unacknowledged messages on the wire, at most.")

    @model_validator(mode="after")
    def _is_complete(self) -> "SyncSettings":
        if self.enabled and not self.brokers:
            raise ValueError("brokers is empty; name one, or set enabled = false")
        if self.password_file and self.password_credential:
            raise ValueError("give password_file or password_credential, not both")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")
        for url in self.brokers:
            if not url.startswith(("mqtt://", "mqtts://")):
                raise ValueError(f'broker "{url}" must begin with mqtt:// or mqtts://')
        return self


class StoreSettings(Section):
    """What is kept, and for how long."""

    keep_acknowledged_days: float = Field(default=7.0, ge=0, le=365, description="Events the platform has.")
    evidence_pictures: bool = Field(default=False, description="Keep the crop that a decision was made from.")


class Settings(Section):
    """The whole configuration. ``config_rev`` is the revision of the platform's document, 0 for the file."""

    device: Device
    decision: DecisionSettings = DecisionSettings()
    models: ModelSettings = ModelSettings()
    cameras: dict[Name, CameraSettings] = Field(default_factory=dict)
    boards: dict[Name, BoardSettings] = Field(default_factory=dict)
    lanes: dict[Name, LaneSettings] = Field(default_factory=dict)
    sync: SyncSettings = SyncSettings(enabled=False)
    store: StoreSettings = StoreSettings()

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        problems = [*self._dangling_cameras(), *self._dangling_channels()]
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
                elif not set(self.cameras[camera].looks_for) & set(lane.accepts):
                    problems.append(
                        f"lanes.{lane_name}.cameras: {camera!r} looks for nothing that the lane accepts"
                    )
        return problems

    def _dangling_channels(self) -> list[str]:
        problems = []
        taken: dict[tuple[str, int], str] = {}
        for lane_name, lane in self.lanes.items():
            for option in type(lane).model_fields:
                wire = getattr(lane, option)
                if not isinstance(wire, Output | Input):
                    continue
                path = f"lanes.{lane_name}.{option}"
                if wire.board not in self.boards:
                    known = ", ".join(self.boards) or "none"
                    problems.append(f"{path}.board: no board {wire.board!r} (there are: {known})")
                if isinstance(wire, Output):
                    other = taken.setdefault((wire.board, wire.channel), path)
                    if other != path:
                        problems.append(
                            f"{path}.channel: relay {wire.channel} of {wire.board!r} is taken by {other}"
                        )
        return problems

    def lanes_of_camera(self, camera: str) -> tuple[str, ...]:
        """Names of the lanes that a camera decides for."""
        return tuple(name for name, lane in self.lanes.items() if camera in lane.cameras)
