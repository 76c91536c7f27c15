"""The local override that lies over everything, durable; whether it may change now ``desired`` says."""

from edge.clock import NS_PER_S, Clock
from edge.errors import SettingsError
from edge.faults import fault_point
from edge.records import EventDraft, JsonObject, Stream
from edge.settings import Settings
from edge.store.journal import Journal
from edge.sync.local_override import Override, laid_over, override_from_json, override_to_json, paths_of

OVERRIDE_KEY = "config.override"
BEGUN, ENDED, FAILED = "config.overridden", "config.override_ended", "config.override_failed"


class Overlay:
    """One override or none.

    Thread: that of ``desired``.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self.override: Override | None = None
        self._misfit = ""

    def restore(self) -> None:
        """Read what was kept.

        Raises:
            JournalError: It cannot be read.
        """
        self.override = override_from_json(self._journal.get_state(OVERRIDE_KEY))

    @property
    def is_over(self) -> bool:
        """Whether its time has come to an end."""
        override = self.override
        return override is not None and self._clock.utc_ns() >= override.until_s * NS_PER_S

    def over(self, settings: Settings) -> Settings:
        """The settings with it; without it where it does not fit a document that came since."""
        self._misfit = ""
        try:
            return laid_over(settings, self.override)
        except SettingsError as error:
            self._misfit = str(error)
            return settings

    def keep(self, override: Override | None, kind: str) -> None:
        """Make another one, or none, durable, with its event.

        Raises:
            JournalError: The one before stands.
        """
        told = override or self.override
        data: dict[str, object] = {}
        if told is not None:
            data = {
                "by": told.by,
                "why": told.why,
                "paths": list(paths_of(told.options)),
                "until": told.until_s,
            }
        row = None if override is None else override_to_json(override)
        self._journal.put_state(OVERRIDE_KEY, row, EventDraft(Stream.AUDIT, kind, "config", data))
        self.override = override
        fault_point("config.overridden")

    def report(self) -> JsonObject | None:
        """For ``cfg/reported``: the paths, never the values."""
        override = self.override
        if override is None:
            return None
        paths = list(paths_of(override.options))
        return {"by": override.by, "until": override.until_s, "paths": paths, "misfit": self._misfit}
