"""What every test needs: how many examples Hypothesis makes, and that it does not time them.

The first call of a kernel compiles it, so no example has a deadline. `HYPOTHESIS_PROFILE=thorough` makes
ten times as many examples; a run in CI makes the same ones every time, and so does `mutants`, which looks for
no smaller example that fails.
"""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "quick", deadline=None, max_examples=100, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
settings.register_profile(
    "mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in os.environ else "quick"))
