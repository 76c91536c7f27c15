"""Devices that call us over HTTP: plate cameras that read by themselves and push what they read.

listener   one small HTTP server, in its owner's thread      vzenith   the push of 臻识-style plate cameras
"""

from drivers.push.listener import PushListener
from drivers.push.vzenith import PlatePush, parse_push, reply_to

__all__ = ["PlatePush", "PushListener", "parse_push", "reply_to"]
