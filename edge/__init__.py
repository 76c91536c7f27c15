"""Gatehouse: the edge daemon of a smart residential community.

One car's journey is one function per arrow::

    drivers.camera  Frame -> vision  Sighting -> evidence  Identity -> access  Decision -> lanes  relay bytes
                                                          store.journal  Event -> sync  the platform's table

Map, from the bottom upwards; a part imports only from parts above it in this list::

    errors         what goes wrong, and the exit codes       clock      boot time for durations, UTC for times
    records        what flows: Sighting ... Event            settings   every option, typed and bounded
    settings_file  TOML in, every fault at once out          worker     named threads, slots, the last catch
    settings_lanes boards and lanes, the larger half of settings
    faults         named points at which tests kill us       health     alarms, stalls, the word to systemd

    access         roster, policy: who may pass, and why     evidence   sightings of a track -> one identity
    store          journal, roster and gallery on disk, vault

    vision         one child process per camera: motion, detection, tracks, sightings
    lanes          boards, barrier and door machines, actuation
    sync           MQTT: events up; configuration, commands, roster down
    platform       the other end of sync, for demo, tests and integrators
    deciding       the thread where sightings become decisions
    commanding     what obeys the platform's signed commands
    enrolment      from pictures of a person to templates
    simulation     boards of type simulated: a whole site inside the daemon

    app            the composition root: starts everything in order, stops it in reverse
    cli            the ``gatehouse`` command               demo       the main job with simulated hardware
"""
