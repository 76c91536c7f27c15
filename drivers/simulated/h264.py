"""A simulated camera that sends H.264, as nearly all real ones do: an encoder without compression, RTP, RTSP.

The encoder knows two kinds of picture: one in which every macroblock is plain samples (I_PCM), and one that
says "as before" (every macroblock skipped). That is a whole, valid stream of the baseline profile (ITU-T
H.264, 7.3), which any decoder takes, and it needs no library. What it does not model: compression.
"""

import base64
import struct

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.cameras import CameraFault, Client
from drivers.simulated.rtsp import SimulatedRtspCamera, rtp_header

_PAYLOAD_H264 = 96  # the first dynamic one, RFC 3551
_FRAGMENT = 1400
_FU_A = 28  # RFC 6184, 5.8
_SPS, _PPS, _IDR, _SLICE = 0x67, 0x68, 0x65, 0x41
_I_PCM = 25  # mb_type of an I slice, table 7-11
_FRAMES = 16  # log2_max_frame_num_minus4 = 0
_START = b"\x00\x00\x00\x01"


class _Bits:
    """Bits, most significant first."""

    def __init__(self) -> None:
        self._text = ""

    def u(self, value: int, length: int) -> "_Bits":
        """An unsigned number of fixed length."""
        self._text += format(value, f"0{length}b")
        return self

    def ue(self, *values: int) -> "_Bits":
        """Exponential Golomb codes (9.1)."""
        for value in values:
            code = format(value + 1, "b")
            self._text += "0" * (len(code) - 1) + code
        return self

    def aligned(self) -> bytes:
        """Everything so far, filled up with zeros."""
        text = self._text + "0" * (-len(self._text) % 8)
        return int(text or "0", 2).to_bytes(len(text) // 8, "big")

    def ended(self) -> bytes:
        """Everything, with the stop bit (7.3.2.11)."""
        return self.u(1, 1).aligned()


def encode_picture(grey: NDArray[np.uint8], number: int = 0) -> bytes:
    """One picture with everything that is needed to begin with it: SPS, PPS and an IDR slice, Annex B.

    Args:
        grey: (height, width) uint8, both multiples of 16; the picture has no colour.
        number: Of the picture; neighbours must differ.
    """
    height, width = grey.shape
    sps = _Bits().u(66, 8).u(0b11000000, 8).u(40, 8)
    # ids, frame_num length, order type 2, one reference, no gaps; size in macroblocks; frames only.
    sps.ue(0, 0, 2, 1).u(0, 1).ue(width // 16 - 1, height // 16 - 1).u(1, 1).u(1, 1).u(0, 1).u(0, 1)
    pps = _Bits().ue(0, 0).u(0, 2).ue(0, 0, 0).u(0, 3).ue(0, 0, 0).u(0b100, 3)
    # first macroblock, I (all of the picture), ids, frame_num 0, dec_ref_pic_marking, qp, deblocking off.
    head = _Bits().ue(0, 7, 0).u(0, 4).ue(number % 2).u(0, 2).ue(0, 1)
    samples = np.clip(grey, 16, 235)
    chroma = b"\x80" * 128
    first, *rest = (
        samples[y : y + 16, x : x + 16].tobytes() for y in range(0, height, 16) for x in range(0, width, 16)
    )
    body = head.ue(_I_PCM).aligned() + first + chroma
    # From here on every macroblock begins at a byte, so its type is one, and the stop bit too.
    kind = _Bits().ue(_I_PCM).aligned()
    body += b"".join(kind + macroblock + chroma for macroblock in rest) + b"\x80"
    return _unit(_SPS, sps.ended()) + _unit(_PPS, pps.ended()) + _unit(_IDR, body)


def encode_repeat(width: int, height: int, number: int) -> bytes:
    """A picture that is as the one before; ``number`` counts from 1 after each whole picture."""
    head = _Bits().ue(0, 5, 0).u(number % _FRAMES, 4).u(0, 3).ue(0, 1)
    return _unit(_SLICE, head.ue(width * height // 256).ended())


class SimulatedH264Camera(SimulatedRtspCamera):
    """Serves access units over RTSP: Annex B, each whole, as ``encode_picture`` makes them.

    A frozen one sends its first picture once and then says "as before" for ever, as encoders do.
    """

    def media(self) -> str:
        """The lines of the session description about the pictures."""
        parameters = ",".join(
            base64.b64encode(unit).decode() for unit in split(self.pictures[0]) if unit[0] in (_SPS, _PPS)
        )
        return (
            f"m=video 0 RTP/AVP {_PAYLOAD_H264}\r\nc=IN IP4 0.0.0.0\r\n"
            f"a=rtpmap:{_PAYLOAD_H264} H264/90000\r\n"
            f"a=fmtp:{_PAYLOAD_H264} packetization-mode=1;sprop-parameter-sets={parameters}\r\n"
        )

    def send(self, client: Client, picture: bytes, number: int) -> None:
        """Send one access unit in as many packets as it takes."""
        if self.fault is not CameraFault.FROZEN:
            client.repeats = 0
        elif client.repeats:
            picture = encode_repeat(*self.size, client.repeats)
        if self.fault is CameraFault.FROZEN:
            client.repeats += 1
        units = split(picture) or [picture]
        for unit in units:
            for packet in self._packets(unit, unit is units[-1], client, number):
                client.connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first picture, from its SPS; as ``encode_picture`` writes it."""
        bits = "".join(format(byte, "08b") for byte in split(self.pictures[0])[0][4:16])
        at, values = 0, []
        for place in range(6):
            if place == 4:
                at += 1  # gaps_in_frame_num_value_allowed_flag
            zeros = bits.index("1", at) - at
            values.append(int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1)
            at += 2 * zeros + 1
        return (values[4] + 1) * 16, (values[5] + 1) * 16

    def _packets(self, unit: bytes, is_last: bool, client: Client, number: int) -> list[bytes]:
        """One unit as RTP packets (RFC 6184): whole, or in fragments (FU-A)."""
        pieces = [unit]
        if len(unit) > _FRAGMENT:
            kind, body = unit[0], unit[1:]
            parts = [body[at : at + _FRAGMENT] for at in range(0, len(body), _FRAGMENT)]
            pieces = [
                bytes((kind & 0xE0 | _FU_A, kind & 0x1F | 0x80 * (i == 0) | 0x40 * (i == len(parts) - 1)))
                + part
                for i, part in enumerate(parts)
            ]
        packets = []
        for piece in pieces:
            ends = is_last and piece is pieces[-1]
            packets.append(rtp_header(_PAYLOAD_H264, ends, client.packets, number, self.fps) + piece)
            client.packets += 1
        return packets


def split(stream: bytes) -> list[bytes]:
    """The units of an Annex B stream, without their start codes; empty when it is none."""
    return [unit for unit in stream.split(_START)[1:] if unit] if stream.startswith(_START) else []


def _unit(header: int, payload: bytes) -> bytes:
    """One NAL unit with its start code; what looks like a start code inside is broken up (7.4.1.1)."""
    broken, zeros = bytearray(), 0
    for byte in payload:
        if zeros == 2 and byte <= 3:
            broken.append(3)
            zeros = 0
        broken.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return _START + bytes((header,)) + bytes(broken)
