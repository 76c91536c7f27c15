"""A simulated RTSP camera: RTSP 1.0 (RFC 2326), JPEG in RTP (RFC 2435), interleaved in the TCP connection.

It offers TCP only, as the driver must ask for it: a client that asks for UDP gets 461 and no stream.
"""

import struct

from drivers.simulated.cameras import Client, SimulatedCamera

_PAYLOAD_JPEG = 26  # RFC 3551, table 5
_CLOCK_HZ = 90_000
_FRAGMENT = 1400
_TABLES_FOLLOW = 255  # Q of RFC 2435, 3.1.8: the quantisation tables come with the picture
_TYPE_420 = 1  # RFC 2435, 3.1.3 and appendix: 4:2:0, no restart markers
_DQT, _SOF0, _SOS = 0xDB, 0xC0, 0xDA


class SimulatedRtspCamera(SimulatedCamera):
    """Serves its pictures over RTSP. They must be baseline JPEGs, 4:2:0, with the standard Huffman tables."""

    scheme = "rtsp"

    def answer(self, client: Client, request: bytes) -> bool:
        """Answer one request; pictures follow after PLAY, with keep-alive requests in between."""
        lines = request.decode(errors="replace").split("\r\n")
        method, url, _ = (lines[0] + "  ").split(" ", 2)
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        status, extra, body = "200 OK", "", ""
        if self.path not in url:
            status = "404 Not Found"
        elif method == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=gate\r\nt=0 0\r\n{self.media()}a=control:track1\r\n"
            extra = f"Content-Type: application/sdp\r\nContent-Base: {self.url}/\r\n"
        elif method == "SETUP" and "TCP" not in headers.get("transport", ""):
            status = "461 Unsupported Transport"
        elif method == "SETUP":
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n"
        else:
            extra = "Session: 1\r\n"
        client.connection.sendall(
            f"RTSP/1.0 {status}\r\nCSeq: {headers.get('cseq', '0')}\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        client.plays = client.plays or (method == "PLAY" and status.startswith("200"))
        return method != "TEARDOWN"

    def media(self) -> str:
        """The lines of the session description about the pictures."""
        return f"m=video 0 RTP/AVP {_PAYLOAD_JPEG}\r\nc=IN IP4 0.0.0.0\r\n"

    def send(self, client: Client, picture: bytes, number: int) -> None:
        """Send one picture in as many packets as it takes."""
        for packet in _packets(picture, client.packets, number, self.fps):
            client.connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            client.packets += 1


def rtp_header(payload: int, is_last: bool, sequence: int, number: int, fps: float) -> bytes:
    """The fixed part of an RTP packet (RFC 3550, 5.1).

    Args:
        payload: Type of what follows.
        is_last: The picture ends with this packet.
        sequence: Of the packet.
        number: Of the picture.
        fps: Pictures a second.
    """
    stamp = round(number * _CLOCK_HZ / fps) & 0xFFFFFFFF
    return struct.pack(">BBHII", 0x80, payload | 0x80 * is_last, sequence & 0xFFFF, stamp, 0x6A7E)


def _packets(jpeg: bytes, sequence: int, number: int, fps: float) -> list[bytes]:
    """One picture as RTP packets; something that is no JPEG goes out as it is."""
    tables, width, height, scan = _dissect(jpeg)
    packets: list[bytes] = []
    for at in range(0, max(1, len(scan)), _FRAGMENT):
        piece = scan[at : at + _FRAGMENT]
        last = at + _FRAGMENT >= len(scan)
        rtp = rtp_header(_PAYLOAD_JPEG, last, sequence + len(packets), number, fps)
        main = struct.pack(">I", at) + bytes((_TYPE_420, _TABLES_FOLLOW, width // 8, height // 8))
        quantisation = b"" if at else struct.pack(">BBH", 0, 0, len(tables)) + tables
        packets.append(rtp + main + quantisation + piece)
    return packets


def _dissect(jpeg: bytes) -> tuple[bytes, int, int, bytes]:
    """Quantisation tables, width, height and scan of a baseline JPEG (ITU-T T.81, annex B)."""
    tables, width, height, at = b"", 8, 8, 2
    while jpeg[:2] == b"\xff\xd8" and at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4])
        segment = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _DQT:
            # One segment may hold several tables, each with a byte for precision and number before it.
            tables += b"".join(segment[i + 1 : i + 65] for i in range(0, len(segment), 65))
        elif marker == _SOF0:
            height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
        elif marker == _SOS:
            return tables, width, height, jpeg[at:-2]
    return bytes(128), width, height, jpeg
