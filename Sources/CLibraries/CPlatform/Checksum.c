#include "CPlatform.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

static uint32_t table[256];
typedef uint32_t (*checksum_function)(uint32_t, const unsigned char *, size_t);

static uint32_t checksum_by_table(uint32_t state, const unsigned char *bytes, size_t byte_count) {
  for (size_t index = 0; index < byte_count; index++)
    state = table[(state ^ bytes[index]) & 0xFF] ^ (state >> 8);
  return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t checksum_by_hardware(
    uint32_t state, const unsigned char *bytes, size_t byte_count) {
  uint64_t wide = state;
  for (; byte_count >= 8; byte_count -= 8, bytes += 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  state = (uint32_t)wide;
  for (; byte_count > 0; byte_count--) state = __builtin_ia32_crc32qi(state, *bytes++);
  return state;
}

static int has_hardware(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#elif defined(__aarch64__)
__attribute__((target("crc"))) static uint32_t checksum_by_hardware(
    uint32_t state, const unsigned char *bytes, size_t byte_count) {
  for (; byte_count >= 8; byte_count -= 8, bytes += 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    state = __builtin_arm_crc32cd(state, word);
  }
  for (; byte_count > 0; byte_count--) state = __builtin_arm_crc32cb(state, *bytes++);
  return state;
}

static int has_hardware(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#else
#define checksum_by_hardware checksum_by_table
static int has_hardware(void) { return 0; }
#endif

static checksum_function chosen = checksum_by_table;

// Runs before main, so that neither the table nor the choice needs a lock later.
__attribute__((constructor)) static void choose(void) {
  for (uint32_t value = 0; value < 256; value++) {
    uint32_t state = value;
    for (int bit = 0; bit < 8; bit++) state = (state >> 1) ^ (state & 1 ? 0x82F63B78u : 0);
    table[value] = state;
  }
  if (has_hardware()) chosen = checksum_by_hardware;
}

uint32_t aegis_crc32c(uint32_t seed, const void *bytes, size_t byte_count) {
  return ~chosen(~seed, bytes, byte_count);
}

uint32_t aegis_crc32c_table(uint32_t seed, const void *bytes, size_t byte_count) {
  return ~checksum_by_table(~seed, bytes, byte_count);
}
