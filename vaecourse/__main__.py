"""`python -m vaecourse` is the same as `vaecourse`, for machines where the command is not found."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
