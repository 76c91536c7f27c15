"""The optimized core: from frames to sightings, one child process per camera.

Control side:
    eye        Eye: the thread of one camera; raises its alarms, starts its process again
    pushed     PushedEye: the same for a camera that reads plates by itself and pushes them by HTTP
    process    VisionProcess: spawn, talk, kill, reap

Between the two:
    messages   what is said: Start, Look, Settled, Attend, Configure down;
               Ready, Sighting, Health, Stats, Failed up
    fields     the type and bounds of each field of a message
    wire       how it is framed: length, JSON, bytes; never pickle: the child decodes untrusted pictures

Child side:
    child      main: loads the models, then starts the threads
    capture    the thread that reads the camera; newest frame wins
    sight      is the picture alive? lost, frozen
    loop       Lookout: when to look, what to read, what to say
    motion     MotionGate: did anything move?
    tracking   Tracker: which of these boxes is which of those
    senses     faces and plates behind one small contract
    liveness   signs of a screen or of paper in one picture of a face
    codes      QR codes: found often, read seldom; and drawn
    crops      the evidence picture
    timing     medians of the stages' times
"""

from edge.vision.eye import Eye, EyeStats
from edge.vision.process import VisionDied, VisionProcess

# PushedEye is imported from its module: every child imports this package, and a web server takes 8 MB.
__all__ = ["Eye", "EyeStats", "VisionDied", "VisionProcess"]
