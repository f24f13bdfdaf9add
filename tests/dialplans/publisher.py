"""A publisher of its own process, to be killed: `publisher.py HOME SOURCE` publishes and ends."""

import sys
from pathlib import Path

from dialplans.versions import Versions

if __name__ == "__main__":
    home, source = map(Path, sys.argv[1:3])
    Versions(home, keep=5).publish(source, who="killed", why="one of many")
