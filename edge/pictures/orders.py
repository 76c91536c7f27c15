"""What the platform may ask about pictures by signed command: that some are deleted."""

from concurrent.futures import Future

from edge.errors import UsageError
from edge.pictures.desk import PictureDesk
from edge.sync.command_desk import CommandOutcome, Handler
from edge.sync.commands import Command, Result


def picture_handlers(desk: PictureDesk) -> dict[str, Handler]:
    """The commands by name."""

    def delete(command: Command) -> "Future[CommandOutcome]":
        names = command.args.get("sha256")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UsageError("pictures-delete: argument 'sha256' is no list of texts")
        answer: Future[CommandOutcome] = Future()

        def done(count: "Future[int]") -> None:
            if not answer.set_running_or_notify_cancel():
                return
            if count.cancelled():
                answer.set_result(CommandOutcome(Result.REJECTED, "the box ends", code="stopping"))
            elif (error := count.exception()) is not None:
                answer.set_exception(error)
            else:
                told = {"deleted": count.result(), "asked": len(names)}
                answer.set_result(CommandOutcome(Result.DONE, f"{told['deleted']} pictures are gone", told))

        desk.delete(names).add_done_callback(done)
        return answer

    return {"pictures-delete": delete}
