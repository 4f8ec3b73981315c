"""What every test needs: Hypothesis without deadlines, as the first call of a kernel compiles it."""

from hypothesis import settings

settings.register_profile("tinytensor", deadline=None, print_blob=True)
settings.load_profile("tinytensor")
