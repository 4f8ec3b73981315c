"""`python -m tinytensor`."""

import sys

from tinytensor.cli import main

sys.exit(main())
