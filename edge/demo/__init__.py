"""``gatehouse demo``: the main job with everything around the box simulated.

play       who comes when: films for the cameras, a script for the concrete
portraits  the door's film, from two public-domain portraits
stage      broker, platform, simulated site and the daemon, each watched and started anew when it dies
story      journal rows to lines of the story, and what is counted
view       the live picture in the terminal
summary    the table at the end, and whether everything was shown
"""

from edge.demo.stage import run_demo

__all__ = ["run_demo"]
