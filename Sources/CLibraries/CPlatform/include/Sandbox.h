// What a process can give up for good before it runs code it does not trust.
//
// Everything returns 0 or a descriptor on success, -errno on failure, unless a line says otherwise.
#ifndef AEGIS_SANDBOX_H
#define AEGIS_SANDBOX_H
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A file without a name that can be sealed, closed on exec.
int aegis_sealable_memory(const char *name);
/// Fixes the size of such a file for ever, and with `forbids_new_writers` refuses every writable mapping and every
/// write from now on; mappings that exist keep working. No further seal can be set.
int aegis_seal_memory(int descriptor, int forbids_new_writers);
/// A pipe closed on exec: `ends[0]` reads, `ends[1]` writes.
int aegis_pipe(int ends[2]);
/// Has a process that is about to be started close every descriptor from `first` on.
int aegis_spawn_closing_from(posix_spawn_file_actions_t *actions, int first);
/// A descriptor that becomes readable when the process ends, closed on exec.
int aegis_open_process(int process);

/// What a process may use at most. A bound of 0 is a bound, not "no limit".
struct aegis_resource_bounds {
  uint64_t address_space_bytes;
  uint64_t file_bytes;
  uint64_t open_files;
  /// Threads and processes of the user together, as the kernel counts them; not enforced for root.
  uint64_t processes;
};
/// Sets the bounds as hard limits, and that no core is dumped.
int aegis_bound_resources(const struct aegis_resource_bounds *bounds);

/// Gives up all capabilities and every way to gain privileges by running another program.
int aegis_drop_privileges(void);

/// The revision of Landlock the kernel offers; negative when none.
int aegis_landlock_revision(void);
/// Forbids, by Landlock, every change of the file system but below `writable_folder` (NULL: nowhere), and where the
/// kernel can, also TCP and signals to other processes. Reading and mapping stay allowed.
/// Binds the calling thread and all it starts later.
int aegis_restrict_files(const char *writable_folder);

/// Opening and reading of files.
#define AEGIS_MAY_READ_FILES 1u
/// Opening for writing, and changing folders: give it only together with `aegis_restrict_files`.
#define AEGIS_MAY_WRITE_FILES 2u
/// Threads; never other processes.
#define AEGIS_MAY_START_THREADS 4u
/// One more filter, which can only be narrower.
#define AEGIS_MAY_FILTER 8u
/// Restricts the system calls of all threads of the process to those that compute: memory, clocks, locks, and reading
/// and writing what is open. What tries to reach other processes, other programs or a network raises SIGSYS; opening
/// files without the right fails with EACCES; the rest fails with ENOSYS. -ENOTSUP on processors not known here.
int aegis_filter_system_calls(unsigned rights);

/// What a dying process says of itself, in memory that outlives it. All zero while it lives.
struct aegis_last_words {
  uint32_t signal;
  /// The number of the forbidden system call after SIGSYS.
  uint32_t system_call;
  /// The address it could not use after SIGSEGV or SIGBUS.
  uint64_t address;
  /// Most memory it ever had in use.
  uint64_t peak_bytes;
};
/// From now on a fatal signal of this process fills `words` and writes one line per frame of its stack to
/// `descriptor`, each after the byte 2; then the process dies of that signal as it would have.
int aegis_keep_last_words(struct aegis_last_words *words, int descriptor);
/// Starts a thread that ends the process when the other end of a socket is gone.
int aegis_end_with_peer(int socket);
/// Makes printing through the C library's standard output end up there line by line, pipe or not.
void aegis_print_by_line(void);
/// The name of a system call that the filter names in a report; NULL when it has none here.
const char *aegis_system_call_name(uint32_t number);

/// Copies `count` 8-byte words out of memory that somebody else may be changing: every word is read exactly once.
static inline void aegis_copy_words(uint64_t *to, const void *from, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = __atomic_load_n((const uint64_t *)from + i, __ATOMIC_RELAXED);
}

#ifdef __cplusplus
}
#endif
#endif
