"""``python -m interview_ext.cli`` is ``jupyter interview``."""

from __future__ import annotations

import sys

from interview_ext.cli import main

sys.exit(main())
