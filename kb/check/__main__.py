"""`python -m kb.check` is `python -m aam kb check`."""

import sys

from aam.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["kb", "check", *sys.argv[1:]]))
