"""Hardware: cameras, relay boards, and the lines to them. Knows nothing of ``edge`` or ``models``.

    errors      one tree for everything that can go wrong out there
    link        serial ports and pseudo-terminals; the only importer of pyserial
    loop        a line inside one process, with faults, for tests
    camera/     frames from V4L2, RTSP, files and film
    relay/      relay and input boards: LCUS, Modbus RTU families, and others, behind one contract
    simulated/  the other side of each wire, on a pseudo-terminal; a barrier and a door with physics

Every driver blocks, belongs to one thread, maps foreign failures to ``drivers.errors``, and stamps times with
CLOCK_BOOTTIME nanoseconds. Retries, pulses and interlocks are the lanes' business, not the drivers'.
"""
