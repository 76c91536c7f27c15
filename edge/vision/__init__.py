"""The optimized core: from frames to sightings, one child process per camera.

Control side:
    eye        Eye: the thread of one camera; raises its alarms, starts its process again
    pushed     PushedEye: the same for a camera that reads plates by itself and pushes them by HTTP
    process    VisionProcess: spawn, talk, kill, reap
    condition  is the picture fit to be looked at? black, dirty, moved ...: alarms with hysteresis
    shelf      reference pictures of the cameras, kept for the next process

Between the two:
    messages   what is said: Start, Look, Settled, Attend, Compare, Configure down;
               Ready, Sighting, Passed, Health, Learnt, Stats, Failed up
    facts      crossings of the line and loitering, as events
    fields     the type and bounds of each field of a message
    wire       how it is framed: length, JSON, bytes; never pickle: the child decodes untrusted pictures

Child side:
    child      main: loads the models, then starts the threads
    capture    the thread that reads the camera; newest frame wins
    sight      is the picture alive? lost, frozen   pulse   do pictures come as often as usual?
    watch      when the picture is measured   gauge, picture   its numbers, against the reference picture
    loop       Lookout: when to look, what to read, what to say
    motion     MotionGate: did anything move, and where?
    areas      what counts of a picture, and the parts of it that a network is shown
    search     one kind of thing looked for: where, and what was found
    story      what is known of a track, and whether it is worth another read
    passing    where a track came from, which way it crossed the line, where it went
    telling    sightings in the loop's words
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
