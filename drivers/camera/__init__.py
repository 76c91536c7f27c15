"""Cameras: whatever delivers frames, behind one contract.

    base      Frame, Camera, EndOfFilm: what the rest of the program sees
    opencv    USB cameras (V4L2), RTSP and HTTP streams
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

TYPES = ("opencv", "replay")


def open_camera(
    name: str,
    *,
    type: str = "opencv",  # noqa: A002  (the option's name in the configuration)
    source: str,
    width_px: int | None = None,
    height_px: int | None = None,
    open_timeout_s: float = 5.0,
    read_timeout_s: float = 3.0,
    repeat: bool = False,
    fps: float | None = None,
    epoch_ns: int = 0,
) -> Camera:
    """Open a camera as the configuration describes it.

    Args:
        name: Of the camera; every frame carries it.
        type: ``opencv`` or ``replay``.
        source: ``0``, ``/dev/video0``, ``rtsp://...``, ``http://...``, a file; ``replay``: a film or folder.
        width_px: Asked of a USB camera.
        height_px: Asked of a USB camera.
        open_timeout_s: How long a network stream may take to begin.
        read_timeout_s: How long the next frame of a network stream may take.
        repeat: ``replay``: begin again at the end.
        fps: ``replay``: pictures per second of a folder, or instead of the film's own.
        epoch_ns: ``replay``: CLOCK_BOOTTIME of the film's first frame; 0: now.

    Raises:
        LinkLost: It cannot be opened now.
        PortBusy: This user may not open it.
        DriverUnavailable: There is no such type.

    Thread: the one that will read.
    """
    # Imported on use: a program that only wants the names above does not load OpenCV.
    if type == "replay":
        from drivers.camera.replay import ReplayCamera

        return ReplayCamera(name, source, repeat=repeat, fps=fps, epoch_ns=epoch_ns)
    if type != "opencv":
        raise DriverUnavailable(name, f'no camera of type "{type}"; there are: {", ".join(TYPES)}')
    from drivers.camera.opencv import OpenCvCamera, is_live

    if not is_live(source):
        from drivers.camera.replay import ReplayCamera

        return ReplayCamera(name, source, repeat=False, fps=fps, epoch_ns=epoch_ns)
    return OpenCvCamera(
        name,
        source,
        width_px=width_px,
        height_px=height_px,
        open_timeout_s=open_timeout_s,
        read_timeout_s=read_timeout_s,
    )
