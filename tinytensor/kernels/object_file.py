"""Machine code from an object file into memory by a few system calls: to load LLVM for that takes 25 ms.

LLVM compiles for x86-64 in its large code model: whatever code refers to is a 64-bit address that stands in
it. So the sections are copied, the addresses are written, and the memory that was writable becomes
executable. Anything else, such as the short distances of other code models, is left to LLVM.

Source: System V ABI, AMD64 supplement, chapter 4 (object files); `elf(5)` of the Linux manual.
"""

import ctypes
import mmap
import struct
import sys
from collections.abc import Mapping
from functools import cache

__all__ = ["Unfamiliar", "load"]

HEADER = struct.Struct("<8s8xHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQq")
ELF64_LITTLE_ENDIAN, OBJECT_FILE, X86_64 = b"\x7fELF\2\1\1\0", 1, 62
PROGBITS, SYMTAB, RELA, UNWIND = 1, 2, 4, 0x70000001  # types of sections; kernels raise nothing to unwind
WRITE, ALLOC = 1, 2  # flags of sections
R_X86_64_64 = 1  # the address of a symbol, plus a number
SPECIAL = 0xFF00  # numbers of sections from here on are none


class Unfamiliar(Exception):
    """An object file, or a system, that this loader does not know."""


@cache
def library_address(name: str) -> int:
    """Where a function of the C library or of CPython starts."""
    try:
        return ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0
    except AttributeError as error:
        raise Unfamiliar(f"the symbol {name}") from error


def executable(content: bytearray, memory: mmap.mmap, address: int) -> None:
    """Fill memory with code; it is writable first, then executable, and never freed."""
    memory[: len(content)] = content
    protect = ctypes.pythonapi["mprotect"]
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if protect(address, len(memory), mmap.PROT_READ | mmap.PROT_EXEC):
        raise Unfamiliar("a system that makes no memory executable")
    # when the process ends, a thread that has just ended may still be in its last instructions
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))


def load(content: bytes, wanted: tuple[str, ...], objects: Mapping[str, int]) -> list[int]:
    """Load machine code; the addresses of its functions.

    Args:
        content: the object file, whole.
        wanted: names of its functions.
        objects: addresses that its code knows by name, beside those of libraries.

    Raises:
        Unfamiliar: there is something in it that this loader does not know.
    """
    magic, kind, machine, _, _, _, first, _, _, _, _, _, count, _ = HEADER.unpack_from(content)
    if sys.platform != "linux" or (magic, kind, machine) != (ELF64_LITTLE_ENDIAN, OBJECT_FILE, X86_64):
        raise Unfamiliar("another system or CPU")
    sections = [SECTION.unpack_from(content, first + SECTION.size * i) for i in range(count)]
    places: dict[int, int] = {}  # of the sections that are loaded, in memory
    image = bytearray()
    for number, (_, kind, flags, _, begin, size, _, _, alignment, _) in enumerate(sections):
        if flags & ALLOC and kind != UNWIND:
            if kind != PROGBITS or flags & WRITE:
                raise Unfamiliar(f"a section of type {kind} with flags {flags}")
            image += bytes(-len(image) % max(1, alignment))
            places[number] = len(image)
            image += content[begin : begin + size]
    memory = mmap.mmap(-1, max(1, len(image)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    (table,) = (each for each in sections if each[1] == SYMTAB)
    names = sections[table[6]][4]
    symbols: list[int | str] = []  # their addresses; the names of those that are elsewhere
    found: dict[str, int] = {}
    for name_at, _, _, section, value, _ in SYMBOL.iter_unpack(content[table[4] : table[4] + table[5]]):
        name = content[names + name_at : content.index(0, names + name_at)].decode()
        symbols.append(name if section not in places else base + places[section] + value)
        if section in places:
            found[name] = base + places[section] + value
    for _, kind, _, _, begin, size, _, target, _, _ in sections:
        if kind != RELA or target not in places:
            continue
        for offset, info, addend in RELOCATION.iter_unpack(content[begin : begin + size]):
            symbol = symbols[info >> 32]
            if info & 0xFFFFFFFF != R_X86_64_64:
                raise Unfamiliar(f"a relocation of type {info & 0xFFFFFFFF}")
            if isinstance(symbol, str):
                symbol = objects[symbol] if symbol in objects else library_address(symbol)
            struct.pack_into("<Q", image, places[target] + offset, symbol + addend)
    executable(image, memory, base)
    return [found[name] for name in wanted]
