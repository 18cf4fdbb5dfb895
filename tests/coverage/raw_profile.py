#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""raw_profile.py PROGRAM COUNTERS OUTPUT: what llvm-profdata reads, from a program and its file of counters.

raw_profile.py --size PROGRAM: the size that its file of counters must have.

The format is llvm/ProfileData/InstrProfData.inc of LLVM 14, raw version 8: a header, then the three sections that the
compiler made. The records of functions refer to counters by distance, so nothing in them needs relocation.
"""
import struct
import sys

MAGIC = int.from_bytes(b"\xfflprofr\x81", "big")
RAW_VERSION = 8
RECORD_BYTES = 48


def sections(path):
    """Name -> (address, content) of the ELF64 file's sections."""
    with open(path, "rb") as file:
        data = file.read()
    table, = struct.unpack_from("<Q", data, 40)
    entry, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * entry) for i in range(count)]
    strings = headers[names][4]
    found = {}
    for name, kind, _, address, offset, size in headers:
        begin = strings + name
        content = b"" if kind == 8 else data[offset:offset + size]
        found[data[begin:data.index(b"\0", begin)].decode()] = (address, content)
    return found


def main():
    program = sections(sys.argv[2] if sys.argv[1] == "--size" else sys.argv[1])
    counters_at, counters = program["__llvm_prf_cnts"]
    if sys.argv[1] == "--size":
        print(len(counters))
        return
    records_at, records = program["__llvm_prf_data"]
    _, names = program["__llvm_prf_names"]
    with open(sys.argv[2], "rb") as file:
        counted = file.read()
    if len(counted) != len(counters) or len(records) % RECORD_BYTES != 0:
        sys.exit(f"{sys.argv[2]} does not belong to {sys.argv[1]}")
    with open(sys.argv[3], "wb") as out:
        out.write(struct.pack("<11Q", MAGIC, RAW_VERSION, 0, len(records) // RECORD_BYTES, 0, len(counters) // 8, 0,
                              len(names), (counters_at - records_at) % 2**64, 0, 1))
        out.write(records + counted + names + b"\0" * (-len(names) % 8))


main()
