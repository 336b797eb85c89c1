// Counts what the code of a plugin asks of the C library, by standing in front of it.
//
// Linked into aegis-plugin-host alone: the functions below replace those of the C library for every image of that
// process, count, and pass on.
#ifndef AEGIS_CPLUGIN_PROBE_H
#define AEGIS_CPLUGIN_PROBE_H
#include <stdint.h>

/// Calls of malloc, calloc, realloc, free and their aligned kin by the calling thread since its last reset. [any thread]
uint64_t aegis_probe_allocations(void);
/// Calls of socket by the process since the last reset. [any thread]
uint64_t aegis_probe_sockets(void);
/// Starts both counts again. [any thread]
void aegis_probe_reset(void);

#endif
