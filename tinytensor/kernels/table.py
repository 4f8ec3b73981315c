"""The plan's table, a matrix of int64: a row for the whole program, then a row for each step.

Addresses are numbers, so one compiled driver reads the table of any network.
"""

__all__ = [
    "BIAS", "COLUMNS", "FEATURES", "FEW", "INPUTS", "KIND", "LINEAR", "LINEAR_PANELS",
    "LINEAR_ROWS", "LOG_SOFTMAX", "LOOP", "MAP", "OFFSET", "OUTPUTS", "PAGES", "PANELS", "PARAMETERS",
    "RESCALE", "RESULTS", "SCALE", "SKIPS", "SOFTMAX", "SOFTMAX_PANELS", "SOFTMAX_ROWS", "STAGE_OFFSET",
    "STAGE_SCALE", "STAGE_UNIFORM", "STEPS", "TICKS", "TILES", "WIDEST_STAGE",
]  # fmt: skip

# columns of the program's row: sizes, then addresses
STEPS, FEATURES, RESULTS, WIDEST_STAGE, PANELS, FEW = range(6)
STAGE_SCALE, STAGE_OFFSET = 6, 7
LINEAR_ROWS, LINEAR_PANELS, SOFTMAX_ROWS, SOFTMAX_PANELS = range(8, 12)
STAGE_UNIFORM = 13  # whether each of the two is one number
TICKS = 12  # 0, or where to add up the time of reading, of each step, and of writing

# columns of a step's row: sizes, then addresses
KIND, INPUTS, OUTPUTS, SKIPS = range(4)
PAGES, TILES, BIAS = range(4, 7)
LOOP, PARAMETERS = 7, 8
SCALE, OFFSET = 9, 10
COLUMNS = 14

# kinds of steps
LINEAR, MAP, SOFTMAX, LOG_SOFTMAX, RESCALE = range(5)
