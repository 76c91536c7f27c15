"""The ``gatehouse`` command.

    app       the typer application, its global options, errors to exit codes
    service   run, check, safe: what systemd and an installer call
    people    enroll, roster: who may pass
    watching  events, send: what happened, and signed commands through the platform kit
    demos     demo: the main job with simulated hardware

Every error is one line on standard error and a documented exit code (``edge.errors.Exit``); ``--debug``
shows the trace.
"""

from edge.cli.app import main

__all__ = ["main"]
