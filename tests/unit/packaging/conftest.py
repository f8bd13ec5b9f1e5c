"""The parts of packaging/mesos are no installed packages: the tests find them as their own programs do."""

import sys
from pathlib import Path

MESOS = Path(__file__).parents[3] / "packaging/mesos"
sys.path[:0] = [str(MESOS), str(MESOS / "python")]
