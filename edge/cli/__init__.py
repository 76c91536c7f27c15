"""The ``gatehouse`` command.

    app         the typer application, its global options, errors to exit codes
    service     run, check, safe: what systemd and an installer call
    people      enroll, roster: who may pass
    watching    events, send: what happened, and signed commands through the platform kit
    lanes       lane: state, test of every wire, wiring (lane_direct, lane_trial, lane_views; wiring_plan to
                wiring_layout and wiring_picture, or wiring_text; wiring_pages for the README)
    modelling   models: which networks are there; make and fetch them
    evaluating  eval: measures on pictures of your own; face_figures says them, charts draws the curves
    demos       demo: the main job with simulated hardware

Every error is one line on standard error and a documented exit code (``edge.errors.Exit``); ``--debug``
shows the trace.
"""

from edge.cli.app import main

__all__ = ["main"]
