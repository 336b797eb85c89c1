// What Swift cannot say about Linux: processor hints, futexes, byte-range locks, affinity, checksums.
//
// Everything returns a plain integer: 0 or a count on success, -errno on failure, unless a line says otherwise.
#ifndef AEGIS_CPLATFORM_H
#define AEGIS_CPLATFORM_H
#include <stddef.h>
#include <stdint.h>

#include "Sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Tells the processor that this is a spin loop. [any thread, no effect on memory]
static inline void aegis_cpu_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

/// Cycle counter for benchmarks; not ordered with other instructions. Unit: the machine's own.
static inline uint64_t aegis_cycle_count(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t value;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
  return 0;
#endif
}

/// Nanoseconds since an arbitrary start; never goes back. [any thread, vDSO]
int64_t aegis_monotonic_nanoseconds(void);
/// Nanoseconds since 1970-01-01 UTC; may be set back. [any thread, vDSO]
int64_t aegis_realtime_nanoseconds(void);

/// Sleeps while `*word == expected`, at most `timeout_nanoseconds` (negative: no limit). Works across processes.
/// 0 when woken, -EAGAIN when the word differed, -ETIMEDOUT, -EINTR.
int aegis_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_nanoseconds);
/// Wakes at most `count` sleepers; returns how many.
int aegis_futex_wake(const uint32_t *word, int count);

/// Binds the calling thread to one processor.
int aegis_pin_thread(int cpu);
/// Number of processors the calling thread may run on.
int aegis_cpu_count(void);
/// Names the calling thread; the kernel keeps the first 15 bytes.
int aegis_name_thread(const char *name);

/// CRC-32C (Castagnoli) of `byte_count` bytes, going on from `seed` (0 to begin). Hardware instruction when the
/// processor has it, chosen when the program loads. [any thread]
uint32_t aegis_crc32c(uint32_t seed, const void *bytes, size_t byte_count);
/// The same from a table; the twin that tests compare with.
uint32_t aegis_crc32c_table(uint32_t seed, const void *bytes, size_t byte_count);

/// Takes an exclusive lock on one byte of an open file without waiting. It ends with the open file description, so
/// with the process however it dies. -EAGAIN when another holds it.
int aegis_lock_byte(int descriptor, int64_t offset);
/// A file without a name, closed on exec. A descriptor, or -errno.
int aegis_memory_file(const char *name);
/// Allocates the blocks of a file, so that a later write to a mapping cannot fail for lack of space.
int aegis_allocate(int descriptor, int64_t byte_count);
/// Brings the pages of a writable mapping in, ready for writing.
int aegis_populate(void *address, size_t byte_count);
/// Writes the text of an error number into `buffer`, always ended by a zero byte.
void aegis_error_text(int error_number, char *buffer, size_t byte_count);

/// Splits the process: 0 in the child, the child's id in the parent. The child keeps the mappings, but of the open
/// files only the first three. It has one thread and must not allocate
/// when the parent had several: for the tests and benchmarks of shared memory only.
int aegis_fork(void);
/// Ends a forked child at once, running nothing that was registered for exit.
_Noreturn void aegis_exit_now(int status);

#ifdef __cplusplus
}
#endif
#endif
