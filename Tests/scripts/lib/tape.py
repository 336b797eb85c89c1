"""The checksum of tape records, computed here anew: CRC-32C, and the stamp behind a record."""

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data, seed):
    crc = ~seed & 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return ~crc & 0xFFFFFFFF


def stamp(record, index):
    return crc32c(record, index * 0x9E3779B9 & 0xFFFFFFFF) | (index & 0xFFFFFFFF) << 32
