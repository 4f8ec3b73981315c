"""What the machine code of tiles, lists and columns depends on beside the CPU.

Kept machine code is found by these; the modules that build it are imported if there is none.
"""

from typing import Any, NamedTuple

__all__ = [
    "GROUP",
    "POOLED",
    "RAGGED",
    "BytesLaneTile",
    "BytesLoop",
    "ColumnTile",
    "LaneTile",
    "Lister",
    "Matvec",
    "Tile",
    "tail_width",
]

GROUP = 16  # inputs compared at once; a shorter row has no list
POOLED = 4  # pixels of a window of a maximum that a tile computes, 2 by 2
RAGGED = -1  # the end of a tile whose last vector is not full


class Tile(NamedTuple):
    """The shape of a tile, which is all that its machine code depends on beside the CPU."""

    dtype: str  # of weights and sums: "float32" or "float64"; "int8": see `bytes_tile`
    lanes: int  # of a vector
    rows: int
    vectors: int  # of a page of weights
    pages: int = 1  # side by side in one tile: for one row, whose sums would wait for each other
    end: int = 0  # 0, RAGGED, or how many lanes of a shared tail vector belong to each row
    listed: bool = False
    bytes_in: bool = False  # x is uint8, and a table of 256 numbers says what each byte means
    taps: bool = False  # rows are windows of an image, anywhere; the list has the taps of the window
    dot: str = ""  # int8: the instruction that multiplies groups of four bytes
    output: str = ""  # int8: the dtype of the result, "uint8" or "float32"
    partial: bool = False  # int8: rows have no whole number of groups, the last shares bytes with another
    resumes: bool = False  # taps: sums go on from those in the result; the last vector is full
    pooled: bool = False  # taps: the largest of each POOLED rows is stored; there are no tails

    @property
    def name(self) -> str:
        """A symbol."""
        end = "ragged" if self.end == RAGGED else f"tail{self.end}"
        kind = f"{self.dtype}x{self.lanes}"
        return (
            f"tile_{kind}_{self.rows}x{self.pages}x{self.vectors}_{end}"
            f"{'_listed' * self.listed}{'_bytes' * self.bytes_in}{'_taps' * self.taps}"
            f"{self.dot}{self.output}{'_partial' * self.partial}"
            f"{'_resumes' * self.resumes}{'_pooled' * self.pooled}"
        )

    @property
    def sums(self) -> int:
        """Registers that hold sums."""
        tails = -(-self.rows * self.end // self.lanes) if self.end > 0 else 0
        return self.rows * self.vectors * self.pages + tails

    def registers(self, masks: bool) -> int:
        """Vector registers that a step needs; masks: whether the CPU has others for those (AVX-512)."""
        tails = self.sums - self.rows * self.vectors * self.pages
        # inputs and weights of the tails, and which lanes of them; or which lanes of the last vector
        others = tails + 1 + int(masks) if tails else int(self.end == RAGGED and not masks)
        return self.sums + self.vectors * self.pages + 1 + others

    def build(self) -> Any:
        """LLVM code of it."""
        if self.dtype == "int8":
            from tinytensor.kernels.bytes_tile import build_bytes_tile

            return build_bytes_tile(self)
        from tinytensor.kernels.tile import build_tile

        return build_tile(self)


def tail_width(left: int, lanes: int) -> int:
    """The end of a tile for so many left-over outputs: lanes of a shared vector, or RAGGED for many."""
    if not left:
        return 0
    width = 1 << (left - 1).bit_length()
    return width if 2 * width <= lanes else RAGGED


class Lister(NamedTuple):
    """What a lister's machine code depends on beside the CPU."""

    source: str  # "float32", "float64", "uint8", or "group" of four bytes
    rows: int
    compress: bool  # whether the CPU compresses vectors of 16-bit integers

    @property
    def name(self) -> str:
        """A symbol."""
        return f"list_{self.source}_{self.rows}{'_compress' * self.compress}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.lists import build_lister

        return build_lister(self)


class Matvec(NamedTuple):
    """What the machine code depends on beside the CPU."""

    dtype: str
    lanes: int
    columns: int = 1

    @property
    def name(self) -> str:
        """A symbol."""
        return f"matvec_{self.dtype}x{self.lanes}_{self.columns}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.matvec import build_matvec

        return build_matvec(self)


class LaneTile(NamedTuple):
    """What the machine code of a depthwise convolution or a pooling depends on beside the CPU."""

    operation: str  # "multiply", "max" or "average"
    dtype: str
    lanes: int
    rows: int
    vectors: int
    ragged: bool = False  # the last vector is not full
    outputs: int = 1  # of each channel, which are neighbours

    @property
    def name(self) -> str:
        """A symbol."""
        shape = f"{self.dtype}x{self.lanes}_{self.rows}x{self.vectors}_{self.outputs}"
        return f"lane_{self.operation}_{shape}{'_ragged' * self.ragged}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.lane_tile import build_lane_tile

        return build_lane_tile(self)


class ColumnTile(NamedTuple):
    """What the machine code of a depthwise convolution down an image depends on beside the CPU."""

    dtype: str
    lanes: int
    rows: int  # of the result, below each other
    size: tuple[int, int]  # of the kernel
    columns: tuple[int, int]  # of the kernel, the first and the one behind the last: others are padding
    stride: int  # down the image
    padding: tuple[int, int]  # rows of the inputs above the image and below it

    @property
    def name(self) -> str:
        """A symbol."""
        (height, width), (first, last), (above, below) = self.size, self.columns, self.padding
        shape = f"{self.rows}x{height}x{width}_{first}to{last}_{self.stride}_{above}and{below}"
        return f"column_{self.dtype}x{self.lanes}_{shape}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.column_tile import build_column_tile

        return build_column_tile(self)


class BytesLoop(NamedTuple):
    """What the machine code of a loop over bytes depends on beside the CPU."""

    operation: str  # "quantize", "add" or "lookup"
    lanes: int

    @property
    def name(self) -> str:
        """A symbol."""
        return f"bytes_{self.operation}x{self.lanes}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.bytes_loops import build_bytes_loop

        return build_bytes_loop(self)


class BytesLaneTile(NamedTuple):
    """What the machine code of a depthwise convolution or a pooling of bytes depends on beside the CPU."""

    operation: str  # "multiply", "rows" (multiply by rows of taps), "max" or "average"
    lanes: int
    rows: int
    vectors: int
    ragged: bool = False  # the last vector is not full
    dot: str = ""  # multiply: which instructions the CPU has
    output: str = "uint8"  # or "float32"
    loads: int = 1  # rows: pixels that are loaded one by one, or 1 for all at once

    @property
    def name(self) -> str:
        """A symbol."""
        shape = f"{self.lanes}_{self.rows}x{self.vectors}{'_ragged' * self.ragged}"
        return f"bytes_lane_{self.operation}x{shape}_{self.dot}_{self.output}_{self.loads}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.bytes_lane_tile import build_bytes_lane_tile

        return build_bytes_lane_tile(self)


class MatrixTile(NamedTuple):
    """A function of the matrix unit: a tile's product, or what comes before the first and after the last."""

    operation: str  # "multiply", "configure" or "release"
    squares: int = 1  # of 16 rows, 1 or 2
    vectors: int = 1  # of outputs, 1 or 2
    output: str = ""  # "uint8" or "float32"
    ragged: bool = False  # the last vector is not full

    @property
    def name(self) -> str:
        """A symbol."""
        shape = f"{self.squares}x{self.vectors}{'_ragged' * self.ragged}"
        return f"matrix_{self.operation}_{shape}_{self.output}"

    def build(self) -> Any:
        """LLVM code of it."""
        from tinytensor.kernels.matrix_tile import build_matrix_tile

        return build_matrix_tile(self)
