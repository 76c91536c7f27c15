"""Gatehouse: the edge daemon of a smart residential community.

One car's journey is one function per arrow::

    drivers.camera  Frame -> vision  Sighting -> evidence  Identity -> access  Decision -> lanes  relay bytes
                                                          store.journal  Event -> sync  the platform's table

Map, from the bottom upwards; a part imports only from parts above it in this list::

    errors         what goes wrong, and the exit codes       clock      boot time for durations, UTC for times
    records        what flows: Sighting ... Event            settings   every option, typed and bounded
    reason_texts   why, in words for people
    settings_file  TOML in, every fault at once out          worker     named threads, slots, the last catch
    settings_boards  every family of relay and input boards
    settings_lanes barrier and door lanes: wires, times    settings_wires      relays and contacts by meaning
    settings_passages  turnstile, mantrap; all lanes together   settings_enrolment  how faces come to this box
    settings_push  cameras that read plates themselves   settings_models  networks, also your own
    settings_cameras  cameras that give pictures      settings_sync  the link, and what may be asked from afar
    settings_signs  displays and their texts              settings_readers    card readers
    settings_sets  permits and faces that a platform publishes
    settings_looking  what counts of a camera's picture, and the line that is crossed
    settings_pictures  whether pictures of passages are kept, and sent
    settings_lane_side  what must fit between displays, readers, lanes and lines
    faults         named points at which tests kill us       health     alarms, stalls, the word to systemd

    access         roster, policy: who may pass, and why     evidence   sightings of a track -> one identity
    store          journal, roster and gallery on disk, vault

    children       processes of ours that decode what strangers give
    vision         one child process per camera: motion, detection, tracks, sightings
    lanes          boards, barrier and door machines, actuation
    signs          displays beside the lanes              readers    cards and keypads beside the lanes
    sync           MQTT: events up; configuration, commands, roster down
    platform       the other end of sync, for demo, tests and integrators
    jws            signed documents: commands, configurations, passes
    known          roster, gallery and rule of one moment    following  ... brought up to date with the store
    scope          what the platform publishes for many boxes, on this one
    timekeeping    a clock that never believes less than it knew
    prompting      what a display shall say now, by lane
    presenting     cards, PINs and QR passes, judged      asking     challenges, second factors, prompts
    pictures       of passages: kept sealed, sent, deleted, as consent and configuration say
    deciding       the thread where sightings become decisions
    commanding     what obeys the platform's signed commands
    face_models    which detector, embedder and set of templates this configuration means
    enrolment      from pictures of a person to templates
    simulation     boards of type simulated: a whole site inside the daemon
    kill_switch    nothing opens by itself or from afar     logbook    the last log lines, redacted
    crew           workers that come and go       errands    what takes seconds
    keyholding     files with public keys
    site           lanes and cameras, live with the configuration     by_hand    asked by people on the box
    self_test      the doctor's checks inside the daemon     remote     commands about the box itself
    read_rate      of the cars that crossed, how many were read
    overview       how lanes and boards do now            hatch      a local socket for people on the box

    doctor         every part of a box looked at, for installers
    together       what the parts that run say and do together
    app            the composition root: starts everything in order, stops it in reverse
    bench          how fast this machine is, measured with our own parts
    cli            the ``gatehouse`` command               demo       the main job with simulated hardware
"""
