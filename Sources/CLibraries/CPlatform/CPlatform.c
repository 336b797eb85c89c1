#define _GNU_SOURCE 1
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t aegis_monotonic_nanoseconds(void) { return nanoseconds(CLOCK_MONOTONIC); }
int64_t aegis_realtime_nanoseconds(void) { return nanoseconds(CLOCK_REALTIME); }

int aegis_futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_nanoseconds) {
  struct timespec limit = {.tv_sec = timeout_nanoseconds / 1000000000,
                           .tv_nsec = timeout_nanoseconds % 1000000000};
  struct timespec *timeout = timeout_nanoseconds < 0 ? NULL : &limit;
  return syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0) == 0 ? 0 : -errno;
}

int aegis_futex_wake(const uint32_t *word, int count) {
  long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
  return woken < 0 ? -errno : (int)woken;
}

int aegis_pin_thread(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : -errno;
}

int aegis_cpu_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -errno;
}

int aegis_name_thread(const char *name) {
  char kept[16];
  snprintf(kept, sizeof kept, "%s", name);
  return prctl(PR_SET_NAME, kept, 0, 0, 0) == 0 ? 0 : -errno;
}

int aegis_lock_byte(int descriptor, int64_t offset) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1, .l_pid = 0};
  return fcntl(descriptor, F_OFD_SETLK, &lock) == 0 ? 0 : -errno;
}

int aegis_memory_file(const char *name) {
  int descriptor = memfd_create(name, MFD_CLOEXEC);
  return descriptor < 0 ? -errno : descriptor;
}

int aegis_allocate(int descriptor, int64_t byte_count) {
  int error;
  do {
    error = posix_fallocate(descriptor, 0, byte_count);
  } while (error == EINTR);
  return -error;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int aegis_populate(void *address, size_t byte_count) {
  if (madvise(address, byte_count, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return -errno;
  // Kernels before 5.14: touch every page. Adding zero keeps what another mapping may have written meanwhile.
  long page = sysconf(_SC_PAGESIZE);
  for (size_t offset = 0; offset < byte_count; offset += (size_t)page)
    __atomic_fetch_add((unsigned char *)address + offset, 0, __ATOMIC_RELAXED);
  return 0;
}

void aegis_error_text(int error_number, char *buffer, size_t byte_count) {
  if (byte_count == 0) return;
  const char *text = strerror_r(error_number, buffer, byte_count);
  if (text != buffer) snprintf(buffer, byte_count, "%s", text);
}

int aegis_fork(void) {
  int child = fork();
  // Mappings stay, descriptors go: a claim on a file must not live on in a child that never asked for it. Kernels
  // without the call (before 5.9) leave them open.
  if (child == 0) syscall(SYS_close_range, 3u, ~0u, 0u);
  return child < 0 ? -errno : child;
}

void aegis_exit_now(int status) { _exit(status); }
