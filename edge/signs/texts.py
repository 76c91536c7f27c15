"""What signs say: short words for every reason, and the templates of each event in Chinese and English.

A lane's LED has four lines of four Chinese characters, read from a moving car. So a reason has at most eight,
says what to do where that helps, and accuses nobody: who is on the deny list is asked to see the office.
"""

from collections.abc import Mapping
from typing import Literal

from edge.records import Reason

Language = Literal["zh", "en"]
CHOICES: Mapping[Language, int] = {"en": 0, "zh": 1}

REASONS: Mapping[Reason, tuple[str, str]] = {
    Reason.PERMIT: ("Welcome", "请通行"),
    Reason.STAFF_COMMAND: ("Please pass", "请通行"),
    Reason.EXIT_BUTTON: ("Please pass", "请通行"),
    Reason.NOT_ENOUGH: ("Please wait", "识别中请稍候"),
    Reason.UNKNOWN_FACE: ("Face not known", "人脸未登记"),
    Reason.UNKNOWN_PLATE: ("Plate not known", "车牌未登记"),
    Reason.AMBIGUOUS: ("Please call office", "请联系物业"),
    Reason.INVALID_PLATE: ("Plate not readable", "车牌无法识别"),
    Reason.DENY_LISTED: ("Please call office", "请联系物业"),
    Reason.NOT_YET_VALID: ("Not valid yet", "尚未到有效期"),
    Reason.EXPIRED: ("Permit expired", "授权已过期"),
    Reason.WRONG_LANE: ("Use another gate", "请走其他通道"),
    Reason.CREDENTIAL_NOT_ACCEPTED: ("Not accepted here", "此处不可用"),
    Reason.CLOCK_UNSET: ("Please call office", "请联系物业"),
    Reason.STALE_ROSTER: ("Please call office", "请联系物业"),
    Reason.TOO_LATE: ("Please try again", "请重试"),
    Reason.LANE_FAULT: ("Lane out of order", "通道故障"),
    Reason.KILL_SWITCH: ("Please call office", "请联系物业"),
    Reason.UNKNOWN_CARD: ("Card not known", "卡未登记"),
    Reason.LIVENESS_NOT_MET: ("QR, card or PIN please", "请出示第二凭证"),
    Reason.FACE_WANTED: ("Look at the camera", "请看摄像头"),
    Reason.SECOND_FACTOR_MISSING: ("Time is over", "已超时请重试"),
    Reason.SECOND_FACTOR_OF_ANOTHER: ("Not your own", "非本人凭证"),
    Reason.PIN_ALONE: ("Face first, then PIN", "请先看摄像头"),
    Reason.PIN_WRONG: ("Wrong PIN", "密码错误"),
    Reason.PIN_LOCKED: ("PIN locked, wait", "密码暂锁定"),
    Reason.QR_UNREADABLE: ("No pass of ours", "非本社区二维码"),
    Reason.QR_UNKNOWN_ISSUER: ("No pass of ours", "非本社区二维码"),
    Reason.QR_FORGED: ("Pass not genuine", "通行码无效"),
    Reason.QR_USED: ("Pass was used", "通行码已使用"),
    Reason.QR_REVOKED: ("Pass withdrawn", "通行码已作废"),
    Reason.QR_HOLDER_UNKNOWN: ("Pass not valid", "通行码无效"),
    Reason.CANNOT_RECORD: ("Please call office", "请联系物业"),
}
"""English and Chinese. A reason that is missing here is said in the words of the journal."""
WAIT = ("Please wait", "请稍候")

TEMPLATES: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
    "zh": {
        "idle": ("一车一杆", "减速慢行", "{date}", "{time}"),
        "full": ("车位已满", "请稍候", "{date}", "{time}"),
        "welcome": ("{plate}", "欢迎光临", "剩余{days}天"),
        "farewell": ("{plate}", "一路平安", "剩余{days}天"),
        "refused": ("{plate}", "{reason}"),
        "prompt": ("{text}",),
        "opened": ("请通行",),
    },
    "en": {
        "idle": ("Welcome", "{date}", "{time}"),
        "full": ("Lot full", "{date}", "{time}"),
        "welcome": ("{plate}", "Welcome", "{days} days"),
        "farewell": ("{plate}", "Drive safely", "{days} days"),
        "refused": ("{plate}", "{reason}"),
        "prompt": ("{text}",),
        "opened": ("Please pass",),
    },
}
VOICES: Mapping[Language, Mapping[str, str]] = {
    "zh": {
        "welcome": "{plate},欢迎光临",
        "farewell": "{plate},一路平安",
        "refused": "{plate},{reason}",
        "prompt": "{text}",
        "opened": "请通行",
    },
    "en": {
        "welcome": "{plate}, welcome",
        "farewell": "{plate}, drive safely",
        "refused": "{plate}, {reason}",
        "prompt": "{text}",
        "opened": "Please pass",
    },
}
WEEKDAYS: Mapping[Language, tuple[str, ...]] = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
