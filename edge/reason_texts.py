"""What people are told about a decision: a line in English and one in Chinese for every reason. Pure."""

from collections.abc import Mapping

from edge.records import Reason

REASON_TEXT: Mapping[Reason, tuple[str, str]] = {
    Reason.PERMIT: ("permit is valid", "授权有效"),
    Reason.STAFF_COMMAND: ("opened by staff", "工作人员开门"),
    Reason.EXIT_BUTTON: ("exit button pressed", "出门按钮"),
    Reason.NOT_ENOUGH: ("not enough to decide yet", "信息不足,继续识别"),
    Reason.UNKNOWN_FACE: ("face is not enrolled", "人脸未登记"),
    Reason.UNKNOWN_PLATE: ("plate is not on the roster", "车牌未登记"),
    Reason.AMBIGUOUS: ("two candidates are too close", "存在两个相近的候选,不放行"),
    Reason.INVALID_PLATE: ("not a plate under GA 36", "不是有效车牌"),
    Reason.DENY_LISTED: ("on the deny list", "在禁止名单中"),
    Reason.NOT_YET_VALID: ("permit is not valid yet", "授权尚未生效"),
    Reason.EXPIRED: ("permit has expired", "授权已过期"),
    Reason.WRONG_LANE: ("no permit for this lane", "无此通道权限"),
    Reason.CREDENTIAL_NOT_ACCEPTED: ("this lane does not accept this credential", "此通道不接受该凭证"),
    Reason.CLOCK_UNSET: ("the clock is not set and the permit has dates", "时钟未校准,无法核对有效期"),
    Reason.STALE_ROSTER: ("the roster is older than this lane allows", "名单过期,等待同步"),
    Reason.TOO_LATE: ("decided too late, not actuated", "超过时限,不动作"),
    Reason.LANE_FAULT: ("the lane has a fault", "通道故障"),
    Reason.KILL_SWITCH: ("automatic opening is switched off", "自动开门已停用"),
    Reason.UNKNOWN_CARD: ("card is not on the roster", "卡未登记"),
    Reason.LIVENESS_NOT_MET: (
        "face known, but not shown to be alive: a second factor is asked for",
        "人脸已识别,活体未确认,请出示二维码或输入密码",
    ),
    Reason.FACE_WANTED: ("second factor is good, now the face", "凭证有效,请看摄像头"),
    Reason.SECOND_FACTOR_MISSING: ("no second factor in time", "未在时限内出示第二凭证"),
    Reason.SECOND_FACTOR_OF_ANOTHER: (
        "second factor belongs to another person",
        "第二凭证不属于此人",
    ),
    Reason.PIN_ALONE: ("a PIN without a face that was recognised", "请先完成人脸识别再输入密码"),
    Reason.PIN_WRONG: ("wrong PIN", "密码错误"),
    Reason.PIN_LOCKED: (
        "too many wrong PINs, this lane takes none for a while",
        "密码错误次数过多,已暂时锁定",
    ),
    Reason.QR_UNREADABLE: ("not a pass of this community", "不是本社区通行码"),
    Reason.QR_UNKNOWN_ISSUER: ("issuer of the pass is not known here", "通行码签发方未知"),
    Reason.QR_FORGED: ("signature of the pass does not fit", "通行码签名无效"),
    Reason.QR_USED: ("pass has been used", "通行码已使用"),
    Reason.QR_REVOKED: ("pass has been taken back", "通行码已作废"),
    Reason.QR_HOLDER_UNKNOWN: (
        "holder or host of the pass is not on the roster",
        "通行码持有人或邀请人不在名单",
    ),
    Reason.CANNOT_RECORD: ("the use of the pass cannot be recorded", "无法记录通行码使用,不放行"),
}
