"""What pytest must know before it collects the doctests of all modules."""

import os
from importlib.util import find_spec

collect_ignore = ["tests/io/make_keras.py"]  # a script for who has Keras
if not find_spec("torch"):
    collect_ignore.append("tinytensor/io/torch_modules.py")  # derives from PyTorch's classes


def pytest_sessionfinish(session):
    """With TINYTENSOR_NO_SKIPS a skip is an error, unless it is for files that are beside the repository."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if "TINYTENSOR_NO_SKIPS" in os.environ and reporter is not None:
        skipped = [str(each.longrepr) for each in reporter.stats.get("skipped", [])]
        unwanted = [each for each in skipped if "beside the repository" not in each]
        if unwanted:
            session.exitstatus = 1
            reporter.write_line(f"skipped, which is an error here: {unwanted}", red=True)
