"""Records of int64: how Python tells compiled code what a program, an instruction or a product is.

An address is a number, so one compiled driver runs every network: a new model compiles nothing. Strides and
sizes are in bytes, counts in elements.
"""

__all__: list[str] = []

# A product, as the tile reads it.
WEIGHT_STRIDE, PAGE_BYTES, TAIL, LEFT, X_STRIDE, OUT_STRIDE, INIT_STRIDE, TABLE = range(8)
# Beside these, in a thread's scratch memory: the address of what follows the sums, or 0; where the page's
# bias lies; and which part of the product, of how many, this call computes.
EPILOGUE, CONSTANTS_AT, PART, PARTS = range(8, 12)
PRODUCT = 16  # numbers
# What follows the sums (see `tile`): bytes from the bias to the first of a batch norm's numbers, or 0, and
# the bits of two bounds.
AFTER, FLOOR, CEILING = range(3)
EPILOGUE_FIELDS = 8  # numbers

# A layer's product, as `multiply` reads it: the first 8 of a product's fields, then these.
INPUTS, PAGES, PAGE_OUTPUTS, SKIPS, AHEAD, LIST_ROOM = range(8, 14)
INIT_PAGE = 14  # bytes from page to page of what the sums start from; PAGE_OUTPUTS are those of the result
WEIGHTS, BIAS = 15, 16
KINDS = 4  # of heights
HEIGHTS = 17  # rows of a tile, from the most to 1
LISTERS = HEIGHTS + KINDS  # one for each height
TILES = LISTERS + KINDS  # for each height: dense, then listed; the page in the middle, then the last page
SIDE_BY_SIDE = TILES + 4 * KINDS  # dense, then listed: four pages in one tile, for one row
MATRIX = SIDE_BY_SIDE + 2  # address of what the matrix unit is told
TAIL_STRIDE = MATRIX + 1  # bytes of the tails of one input
MOST_INPUTS = MATRIX + 2  # of one part of a sum, where a page's weights are more than L2 holds; 0: all
LAYER_EPILOGUE = MATRIX + 3
BY_ROWS = MATRIX + 4  # whether threads share the rows, which are pixels, else the pages
LAYER = 48  # numbers
MOST_ROWS = 252  # that go through a page before the next does: they stay in L2, their lists in L1

# An instruction, from which its function reads what it needs; a layer's product begins at PRODUCT_AT.
FUNCTION, SOURCE, TARGET, OTHER, FEATURES, SIZE, LOOP, PARAMETERS = range(8)
CONSTANT = 8  # address of what is the same for every row: the other operand, eps
FROM, TO = 9, 10  # first feature of the source and of the target of a copy, or of a reduction's target
REPEAT = 11  # rows that each sample has, which lie one after the other in its buffers
OTHER_REPEAT = 12  # likewise of the other operand: REPEAT, or 1 where a sample's rows share one
COUNT = 13  # of operands
DIVISOR = 14  # of a reduction's totals, which are float64 then; 0: they have the program's dtype
PRODUCT_AT = 16
INSTRUCTION = PRODUCT_AT + LAYER + 7 & ~7  # numbers

# A program: this, then its buffers, then its phases, then instructions. A buffer: its offset in the scratch
# memory, its stride, and the same stride, or 0 if it holds the rows of one turn of a phase only.
ROWS, FIRST, BUFFERS, TICKS, PHASES, PHASES_FROM = range(6)
BUFFER_TABLE = 8
BUFFER_ENTRY = 3  # numbers
INPUT, OUTPUT = 0, 1  # buffers that belong to the caller

# A call of a program by several threads together (see `together`); what they write stands on other lines.
PROGRAM, BUFFERS_AT, BLOCK_ROWS, STAGES, STAGES_FROM, MEMBERS, COUNTERS, MEMBER_COUNTERS = range(8)
DONE, FAILED = 8, 9  # pieces; whether a function raised
TOGETHER = 16  # numbers
# A phase: FROM_INSTRUCTION, TO_INSTRUCTION, and how many rows of a block these take at a time.
PHASE_ROWS = 2
PHASE = 3  # numbers
FROM_INSTRUCTION, TO_INSTRUCTION, PIECES, BY_PARTS, PIECES_BEFORE = range(5)
STAGE = 8  # numbers

# Scratch memory of one thread: address and stride of each buffer, a product, a list for each strip of rows.
MOST_BUFFERS = 512  # of different widths, or the same width in the other half
PRODUCT_OFFSET = 16 * MOST_BUFFERS
WORK_OFFSET = PRODUCT_OFFSET + 8 * PRODUCT

# What reductions over the features need of it: totals, then a block of rows as columns.
ROW_BLOCK_AT = 1024
REDUCTION_BYTES = ROW_BLOCK_AT + 64 * 256

# Windows over images (see `windows`): how many classes and steps and where they are, then what the product's
# fields are to be, and for each height of a tile its rows and the machine code of its pages, middle and last.
CLASSES, CLASSES_AT, STEPS, STEPS_AT, STEP_BYTES, LANES_LEFT, BYTE_TABLE = range(7)
WINDOW_HEIGHTS, WINDOW_TILES = 8, 12
RESUMING = 8  # tiles that go on from the sums in the result lie so far behind those that start from the bias
WINDOW_EPILOGUE = 28
MOST_TAPS = 29  # of one part of a long sum: its weights stay in L1 while a chunk of pixels goes through it
BY_STEPS = 30  # whether threads share the steps, if these can be divided evenly, else the windows
PIXEL_GROUP = 31  # pixels that a tile computes together: 1, or those of a window of a maximum
WINDOWS = 32  # numbers
WINDOW_KINDS = 4  # of heights
# A class of windows that read the same taps: its list of taps, and for each pixel two offsets in bytes.
TAPS_AT, TAP_COUNT, SOURCES_AT, TARGETS_AT, PIXEL_COUNT, WINDOW_DIVISOR, INIT_SHIFT, CLASS_LEFT = range(8)
DOWN_TILE = 8  # machine code for pixels below each other, of which tables have the first; or 0
CLASS = 9  # numbers; CLASS_LEFT is what the product's LEFT is for its windows, or 0
# A step: a page of outputs, or of channels.
STEP_WEIGHTS, STEP_TAIL, STEP_BIAS, X_SHIFT, OUT_SHIFT, LAST_PAGE, DOWN_WEIGHTS, STEP_VECTORS = range(8)
STEP = 8  # numbers
WINDOW_CHUNK = 240  # pixels that share a page of weights before the next page is read
OUT_TABLE = 8 * (WINDOW_CHUNK + 16)  # bytes from the addresses of windows to those of pixels
WINDOW_WORK = 2 * OUT_TABLE  # bytes of scratch memory

# What a tile of bytes finds behind TABLE: bytes from the start of sums to multipliers, the bounds as float32,
# the zero point, and where the last group lies in a row and among the weights.
MULTIPLIERS, LOW, HIGH, ZERO_POINT, LAST_BYTE, LAST_GROUP = range(6)
SCALE, ZERO, SECOND_SCALE, SECOND_ZERO = range(6, 10)  # of the operands of a loop over bytes, as float32
WHOLE_STEPS, STEP_COUNT, LAST_ROW, LAST_STEP = range(10, 14)  # of a tile in the matrix unit
PIXEL_BYTES, INTERLEAVING = 14, 15  # of a depthwise tile: from pixel to pixel, and 64 bytes for `vpermb`
ROUNDING = 24  # numbers

# What the matrix unit is told of a layer: from how many rows on it is used, its machine code, a configuration
# for every number of rows, and for each one or two vectors of outputs where their parts lie.
FEWEST, CONFIGURE, RELEASE, CONFIGURATIONS_AT, COLUMNS_AT, COLUMNS_COUNT, MATRIX_TILES = range(7)
MATRIX_SIZE = MATRIX_TILES + 8  # numbers: for 16 rows and for 32, two vectors or one, the last full or not
COLUMN_WEIGHTS, COLUMN_INIT, COLUMN_OUT, COLUMN_KIND = range(4)
COLUMN = 4  # numbers
MATRIX_WORK = 4096  # bytes of scratch memory

# A matrix product's plan: a layer's fields, then lanes of a tail, the first column in one, bytes of C's row.
END_LANES, TAILS_FROM, C_ROW = range(LAYER, LAYER + 3)
PLAN = LAYER + 3

# A call of it: what is neither A's rows nor C's, how many rows, and whether threads share rows or pages.
PLAN_AT, A_COLUMN, B, B_ROW, B_COLUMN, BIAS_AT, K_COUNT, ROW_COUNT, BY_PAGES = range(9)
CALL = 9
CALL_OFFSET = 1024  # where it lies in the scratch memory of a thread that works alone

# Its blocks, and where in the scratch memory of a thread its tails, rows of A and pages of B lie.
K_BLOCK = 512  # a page of four vectors is 128 KiB then, and streams from L2
ROW_BLOCK = 120  # rows of A that share a page
PACKED_BYTES = 1 << 20  # of B, which L2 or L3 holds
ROOM = 8 * (K_BLOCK + 16)  # bytes from row to row of A's copy, at most
TAILS_AT = 4096
ROWS_AT = TAILS_AT + 64 * K_BLOCK
PAGES_AT = ROWS_AT + ROW_BLOCK * ROOM
SCRATCH = PAGES_AT + PACKED_BYTES + 16 * ROOM + 4096
