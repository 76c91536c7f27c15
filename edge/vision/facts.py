"""What tracks do besides being there, as events for the journal. Pure."""

from edge.records import EventDraft, Stream
from edge.vision.messages import Passed

CROSSED = "camera.crossed"
LOITERS = "camera.loiters"


def event_of(camera: str, session: str, passed: Passed) -> EventDraft:
    """The event that says it.

    Args:
        camera: Whose line was crossed, or before which somebody stays.
        session: Of the run, so that the track can be found in sightings and decisions.
        passed: What happened.
    """
    data = {
        "kind": passed.kind.value,
        "track": f"{session}-{passed.track_id}",
        "in_view_s": round(passed.in_view_ms / 1000, 1),
        "came_from": passed.came or None,
    }
    if passed.what == "loiters":
        return EventDraft(Stream.SYS, LOITERS, camera, data)
    return EventDraft(Stream.SYS, CROSSED, camera, {"direction": passed.what, **data})
