"""What every test needs: the number of examples that Hypothesis makes, and random numbers of its own.

The first call of a kernel compiles it, so no example has a deadline. `HYPOTHESIS_PROFILE=thorough` makes
ten times as many examples; a run in CI makes the same ones every time, and so does `mutants`, which looks for
no smaller example that fails.
"""

import os

import numpy as np
import pytest
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

BEGUN = {}  # by module: the state of its random numbers after its import


@pytest.fixture(autouse=True)
def random_numbers_of_a_test_do_not_depend_on_others(request):
    rng = getattr(request.module, "RNG", None)
    if isinstance(rng, np.random.Generator):
        rng.bit_generator.state = BEGUN.setdefault(request.module, rng.bit_generator.state)
