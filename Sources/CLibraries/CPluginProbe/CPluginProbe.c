#define _GNU_SOURCE
#include "CPluginProbe.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

// The C library's own allocator under its other names.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Thread_local uint64_t allocations __attribute__((tls_model("initial-exec")));
static _Atomic uint64_t sockets;

uint64_t aegis_probe_allocations(void) { return allocations; }
uint64_t aegis_probe_sockets(void) { return atomic_load(&sockets); }

void aegis_probe_reset(void) {
  allocations = 0;
  atomic_store(&sockets, 0);
}

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  allocations++;
  return __libc_realloc(old, size);
}

void free(void *memory) {
  if (memory) allocations++;
  __libc_free(memory);
}

void *memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  allocations++;
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  void *memory = __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *out = memory;
  return 0;
}

int socket(int domain, int type, int protocol) {
  atomic_fetch_add(&sockets, 1);
  return (int)syscall(SYS_socket, domain, type, protocol);
}
