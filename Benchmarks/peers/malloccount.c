// An allocator in front of the C library's that counts every call of the malloc family, in all threads.
//
//   cc -O2 -shared -fPIC -o malloccount.so malloccount.c -ldl
//   LD_PRELOAD=./malloccount.so PROGRAM
//
// A program asks with aegis_malloc_count(), found through dlsym. Positive control: a program that allocates n times
// must see the count rise by n at least; IngestBenchmark does so before it believes a zero.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_ulong count;
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);
static void *(*next_memalign)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void (*next_free)(void *);

// dlsym allocates while we look for the real functions: these bytes serve it, and are never given back.
static char early[1 << 16];
static size_t early_used;

static void *early_bytes(size_t size) {
  size_t start = (early_used + 15) & ~(size_t)15;
  if (start + size > sizeof early) return NULL;
  early_used = start + size;
  return early + start;
}

static int is_early(const void *bytes) { return (const char *)bytes >= early && (const char *)bytes < early + sizeof early; }

static _Thread_local int searching;

__attribute__((constructor)) static void find(void) {
  if (next_free != NULL || searching) return;
  searching = 1;
  next_malloc = dlsym(RTLD_NEXT, "malloc");
  next_calloc = dlsym(RTLD_NEXT, "calloc");
  next_realloc = dlsym(RTLD_NEXT, "realloc");
  next_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
  next_memalign = dlsym(RTLD_NEXT, "memalign");
  next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
  next_free = dlsym(RTLD_NEXT, "free");
  searching = 0;
}

static void one(void) { atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); }

void *malloc(size_t size) {
  if (next_malloc == NULL) find();
  if (next_malloc == NULL) return early_bytes(size);
  one();
  return next_malloc(size);
}

void *calloc(size_t items, size_t size) {
  if (next_calloc == NULL) find();
  if (next_calloc == NULL) return early_bytes(items * size);  // static memory is zero
  one();
  return next_calloc(items, size);
}

void *realloc(void *bytes, size_t size) {
  if (next_realloc == NULL) find();
  if (next_realloc == NULL || is_early(bytes)) {
    void *fresh = malloc(size);
    if (fresh != NULL && bytes != NULL) {
      size_t left = (size_t)(early + sizeof early - (char *)bytes);
      memcpy(fresh, bytes, size < left ? size : left);
    }
    return fresh;
  }
  one();
  return next_realloc(bytes, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  if (next_aligned_alloc == NULL) find();
  one();
  return next_aligned_alloc(alignment, size);
}

void *memalign(size_t alignment, size_t size) {
  if (next_memalign == NULL) find();
  one();
  return next_memalign(alignment, size);
}

int posix_memalign(void **bytes, size_t alignment, size_t size) {
  if (next_posix_memalign == NULL) find();
  one();
  return next_posix_memalign(bytes, alignment, size);
}

void free(void *bytes) {
  if (bytes == NULL || is_early(bytes)) return;
  if (next_free == NULL) find();
  next_free(bytes);
}

unsigned long aegis_malloc_count(void) { return atomic_load_explicit(&count, memory_order_relaxed); }
