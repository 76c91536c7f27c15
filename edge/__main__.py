"""``python -m edge`` is ``gatehouse``."""

import sys

from edge.cli import main

sys.exit(main())
