"""Cameras: whatever delivers frames, behind one contract.

    base      Frame, Camera, EndOfFilm: what the rest of the program sees
    opencv    USB cameras (V4L2), RTSP and HTTP streams
    device    what is asked of a USB camera: format, size, rate, exposure, buffers
    picamera  cameras on a Raspberry Pi's own connector (picamera2, loaded only there)
    mjpeg     MJPEG over HTTP, decoded at a fraction of its size
    buffers   memory for pictures, used again
    replay    a film or a folder of pictures, played by its own clock
    address   what a source names, how it is shown without its password, whether anybody is there
    video     the one place that opens a ``cv2.VideoCapture``, silently

A camera belongs to one thread of one vision process. Opening and reading may block for as long as the
time-outs say; a device that blocks longer is cured by ending that process, which is why it has its own.
"""

from drivers.camera.address import shown
from drivers.camera.base import Camera, EndOfFilm, Frame
from drivers.errors import DriverUnavailable

__all__ = ["Camera", "EndOfFilm", "Frame", "open_camera", "shown"]

TYPES = ("opencv", "picamera", "replay")


def open_camera(
    name: str,
    *,
    type: str = "opencv",  # noqa: A002  (the option's name in the configuration)
    source: str,
    width_px: int | None = None,
    height_px: int | None = None,
    format: str = "mjpg",  # noqa: A002  (the same)
    exposure_us: int | None = None,
    buffers: int = 1,
    decoder: str = "software",
    upside_down: bool = False,
    open_timeout_s: float = 5.0,
    read_timeout_s: float = 3.0,
    repeat: bool = False,
    fps: float | None = None,
    epoch_ns: int = 0,
    reduce: int = 1,
) -> Camera:
    """Open a camera as the configuration describes it.

    Args:
        name: Of the camera; every frame carries it.
        type: ``opencv``, ``picamera`` or ``replay``.
        source: ``0``, ``/dev/video0``, ``rtsp://...``, ``http://...``, a file; ``replay``: a film or folder;
            ``picamera``: its number.
        width_px: Asked of a USB camera; ``picamera``: of its pictures.
        height_px: The same.
        format: Asked of a USB camera: ``mjpg``, ``yuyv``, ``auto``.
        exposure_us: Fixed exposure of a USB camera or ``picamera``; None: automatic.
        buffers: Pictures that a USB camera's driver may hold back.
        decoder: Of a stream: ``software``, or FFmpeg's name of one.
        upside_down: ``picamera``: turn the picture by 180 degrees.
        open_timeout_s: How long a network stream may take to begin.
        read_timeout_s: How long the next frame of a network stream may take.
        repeat: ``replay``: begin again at the end.
        fps: Pictures per second: asked of a USB camera, of ``picamera``; ``replay``: of a folder, or instead
            of the film's own.
        epoch_ns: ``replay``: CLOCK_BOOTTIME of the film's first frame; 0: now.
        reduce: 2, 4 or 8: decode an MJPEG stream over HTTP at this fraction of its size.

    Raises:
        LinkLost: It cannot be opened now.
        PortBusy: This user may not open it.
        DriverUnavailable: There is no such type, or a library is missing for it.

    Thread: the one that will read.
    """
    # Imported on use: a program that only wants the names above does not load OpenCV.
    if type == "replay":
        from drivers.camera.replay import ReplayCamera

        return ReplayCamera(name, source, repeat=repeat, fps=fps, epoch_ns=epoch_ns)
    if type == "picamera":
        from drivers.camera.picamera import PiCamera

        return PiCamera(
            name,
            int(source),
            width_px=width_px or 1280,
            height_px=height_px or 720,
            fps=fps or 15.0,
            exposure_us=exposure_us,
            upside_down=upside_down,
            read_timeout_s=read_timeout_s,
        )
    if type != "opencv":
        raise DriverUnavailable(name, f'no camera of type "{type}"; there are: {", ".join(TYPES)}')
    if reduce > 1:
        from drivers.camera.mjpeg import MjpegCamera

        return MjpegCamera(
            name, source, reduce=reduce, open_timeout_s=open_timeout_s, read_timeout_s=read_timeout_s
        )
    from drivers.camera.device import DeviceWishes
    from drivers.camera.opencv import OpenCvCamera, is_live

    if not is_live(source):
        from drivers.camera.replay import ReplayCamera

        return ReplayCamera(name, source, repeat=False, fps=fps, epoch_ns=epoch_ns)
    return OpenCvCamera(
        name,
        source,
        wishes=DeviceWishes(width_px, height_px, fps, format, exposure_us, buffers),
        decoder=decoder,
        open_timeout_s=open_timeout_s,
        read_timeout_s=read_timeout_s,
    )
