"""What stands on the displays beside the lanes, and what they say.

- ``texts``: short words for every reason, templates in Chinese and English.
- ``composing``: from an event to lines and a sentence. Pure.
- ``sign``: one card and its thread.
- ``all_signs``: all of them, and who hears of what.
"""

from edge.signs.all_signs import Signs
from edge.signs.sign import Saying, Sign, SignStatus

__all__ = ["Saying", "Sign", "SignStatus", "Signs"]
