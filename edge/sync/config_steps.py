"""The fault points of the configuration's state machine: one behind each durable row."""

from edge.faults import fault_point
from edge.sync.config_state import Phase


def row_written(phase: Phase) -> None:
    """Die here when a test says so; each name stands in the code, for whoever looks for it."""
    match phase:
        case Phase.RECEIVED:
            fault_point("config.received")
        case Phase.VERIFIED:
            fault_point("config.verified")
        case Phase.STAGED:
            fault_point("config.staged")
        case Phase.TRIAL:
            fault_point("config.trial")
        case Phase.HEALTHY:
            fault_point("config.healthy")
        case Phase.CONFIRMED:
            fault_point("config.confirmed")
        case Phase.APPLIED:
            fault_point("config.applied")
        case Phase.REJECTED:
            fault_point("config.rejected")
        case Phase.ROLLED_BACK:
            fault_point("config.rolled_back")
