"""Hardware: cameras, relay boards, and the lines to them. Knows nothing of ``edge`` or ``models``.

    errors      one tree for everything that can go wrong out there
    link        serial ports and pseudo-terminals; the only importer of pyserial
    ports       how a port is named, and where a USB adapter is now     port_problems   why one does not open
    tcp_link    a host on the network as a line     lines   from a port as configured to its line
    loop        a line inside one process, with faults, for tests
    camera/     frames from V4L2, RTSP, files and film
    relay/      relay and input boards: LCUS, Modbus RTU families, and others, behind one contract
    display/    LED signs and voice cards of a lane: FK, KF
    reader/     card readers and keypads: OSDP through libosdp, Wiegand behind a bridge
    scanning    frames in a noisy stream       checksum   CRC-16/MODBUS, for what is not Modbus
    simulated/  the other side of each wire, on a pseudo-terminal; a barrier and a door with physics

Every driver blocks, belongs to one thread, maps foreign failures to ``drivers.errors``, and stamps times with
CLOCK_BOOTTIME nanoseconds. Retries, pulses and interlocks are the lanes' business, not the drivers'.
"""
