"""The section ``[enrolment]``: how persons' faces come to this box."""

from pydantic import Field

from edge.settings_boards import Section


class EnrolmentSettings(Section):
    """How faces are enrolled."""

    from_platform: bool = Field(
        default=True, description="The platform may enrol faces by signed command; withdraw it always may."
    )
    keep_pictures: bool = Field(
        default=True,
        description="False: no picture is kept, whatever a consent allows; a new network needs all anew.",
    )
    camera_limit_s: float = Field(
        default=60.0, ge=10, le=600, description="How long a person may take before the camera."
    )
