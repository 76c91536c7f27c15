"""Many sightings of one track in, one identity out; pure logic with time given.

- ``plates``: votes of one plate track under the grammar of plates.
- ``faces``: votes of one face track, in which reads that show nobody count against everybody.
- ``liveness``: how much speaks for a living face; ``challenge``: turn your head, as a state machine.
- ``visits``: several tracks of one arrival are one visit.
"""

from edge.evidence.faces import FaceEvidence
from edge.evidence.plates import PlateEvidence
from edge.evidence.visits import Visits

__all__ = ["FaceEvidence", "PlateEvidence", "Visits"]
