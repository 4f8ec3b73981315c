"""ZIP archives, arrays in them, and pickles that lie."""

import io
import struct
import zipfile

HUGE = 1 << 40


def array_file(header, data=bytes(16), version=b"\x01\x00"):
    text = header.encode("latin1")
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(text)) + text + data


def header(descr="<f4", order=False, shape=(2, 2)):
    return repr({"descr": descr, "fortran_order": order, "shape": shape}) + "\n"


def archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def bomb(names, size):
    """Arrays of zeros that shrink a thousandfold, written bit by bit."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            with archive.open(name, "w") as file:
                file.write(array_file(header(shape=(size >> 2,)), b""))
                for _ in range(size >> 16):
                    file.write(bytes(1 << 16))
    return buffer.getvalue()


NAME = "0.weight.npy"


def arrays():
    for shape in (
        (HUGE, HUGE),
        (-2, -2),
        (2, 2, 0, HUGE),
        (5,),
        (2.0, 2),
        ("2",),
        (True, 4),
        (1,) * 100,
        4,
        None,
        (1 << 62, 4),
    ):
        yield archive([(NAME, array_file(header(shape=shape)))])
    for descr in (
        "O",
        "|O",
        "<c8",
        "<U4",
        "|S4",
        "<M8[s]",
        "V4",
        ">f4",
        "<f2",
        "<f16",
        [("a", "<f4")],
        "",
        "x" * 50,
        "<f4,<f4",
        ("<f4", (2,)),
    ):
        yield archive([(NAME, array_file(header(descr)))])
    for text in (
        "", "{", "()" * 4000, "(" * 9000, "__import__('os').abort()\n", "{'descr': '<f4'}\n",
        "[" * 5000 + "\n", "-" * 9000 + "1", "9" * 9900, "\x00" * 100,
        "{'descr': '<f4', 'fortran_order': 3, 'shape': (2, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}",
    ):  # fmt: skip
        yield archive([(NAME, array_file(text))])
    for version in (b"\x00\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"):
        yield archive([(NAME, array_file(header(), version=version))])
    yield archive([(NAME, array_file(header(), data=bytes(15)))])
    yield archive([(NAME, array_file(header(), data=bytes(17)))])


def archives():
    good = array_file(header())
    yield archive([(NAME, good), ("evil.py", b"raise SystemExit")])
    yield bomb([NAME], 1 << 27)
    yield bomb([f"{i}.weight.npy" for i in range(8)], 1 << 24)
    yield archive([(f"{i}.npy", b"") for i in range(20_000)])
    yield archive([("../" * 20 + "etc/x.npy", good), ("/etc/x.npy", good)])
    yield archive(
        [("tinytensor.config.npy", array_file(header("|u1", shape=(16,)), b'{"class": "ReLU"')), (NAME, good)]
    )
    content = bytearray(archive([(NAME, good)]))
    directory = content.index(b"PK\x01\x02")
    for at, value in (
        (20, 1 << 31),
        (24, 1 << 31),
        (24, 0),
        (42, 1 << 30),
        (42, 5),
        (46 - 18, 1000),
        (10, 9),
        (8, 1),
    ):
        changed = bytearray(content)
        struct.pack_into("<I" if at > 18 else "<H", changed, directory + at, value)
        yield bytes(changed)
    end = content.index(b"PK\x05\x06")
    for at, value in ((8, 500), (10, 500), (12, 1 << 31), (16, 1 << 31), (12, 0), (16, 0)):
        changed = bytearray(content)
        struct.pack_into("<I" if at > 10 else "<H", changed, end + at, value)
        yield bytes(changed)
    yield bytes(content[:directory]) + bytes(content[directory:end]) * 2 + bytes(content[end:])


# Pickles


def pickles():
    yield b"\x80\x02cos\nsystem\nU\x04true\x85R."
    yield b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
    for module, name in (
        ("builtins", "eval"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy", "dtype.type"),
    ):
        yield b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n."
    yield b"\x80\x02" + b"(" * 100_000 + b"."
    yield b"\x80\x02" + b"]q\x00" + b"h\x00\x86q\x00" * 60 + b"."
    yield b"\x80\x02}" + b"(h\x00" * 50 + b"."
    for opcode in (b"X", b"B", b"T"):
        yield b"\x80\x03" + opcode + b"\xff\xff\xff\x7f" + b"x."
    yield b"\x80\x04\x8e" + b"\xff" * 8 + b"x."
    yield b"\x80\x04\x95" + b"\xff" * 8 + b"."
    yield b"\x80\x02r\xff\xff\xff\xff."
    yield b"\x80\x02}r\xff\xff\xff\x7f."
    yield b"\x80\x02\x8b\xff\xff\xff\x7f."
    yield b"\x80\x02I" + b"9" * 50_000 + b"\n."
    yield b"\x80\x02}." + b"x" * 1000
    yield b"\x80\x02K\x01."
    yield b"\x80\x05" + bytes(range(256))
    yield b"\x80\x02P1\n."
    yield b"\x80\x02\x82\x01."
