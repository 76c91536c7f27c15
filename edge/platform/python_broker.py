"""``python -m edge.platform.python_broker PORT``: an MQTT 3.1.1 broker for machines without mosquitto.

Only for the demo: it keeps nothing across restarts, asks for no password and listens on this machine only.
"""

import asyncio
import logging
import sys

from amqtt.broker import Broker


async def serve(port: int) -> None:
    """Run until the process is ended."""
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(settings)
    await broker.start()
    await asyncio.Event().wait()


def main() -> None:
    """Take the port from the command line."""
    logging.disable(logging.CRITICAL)  # it logs every refused MQTT 5 client as an error
    asyncio.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
