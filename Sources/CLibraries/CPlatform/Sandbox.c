#define _GNU_SOURCE 1
#include "Sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int aegis_sealable_memory(const char *name) {
  int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return descriptor < 0 ? -errno : descriptor;
}

int aegis_seal_memory(int descriptor, int forbids_new_writers) {
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (forbids_new_writers) seals |= F_SEAL_FUTURE_WRITE;
  return fcntl(descriptor, F_ADD_SEALS, seals) == 0 ? 0 : -errno;
}

int aegis_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int aegis_spawn_closing_from(posix_spawn_file_actions_t *actions, int first) {
  return -posix_spawn_file_actions_addclosefrom_np(actions, first);
}

int aegis_open_process(int process) {
  long descriptor = syscall(SYS_pidfd_open, process, 0);  // closed on exec by itself
  return descriptor < 0 ? -errno : (int)descriptor;
}

static int bound(int resource, uint64_t value) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0) return -errno;
  // A limit that is lower already stays.
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value) limit.rlim_max = value;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(resource, &limit) == 0 ? 0 : -errno;
}

int aegis_bound_resources(const struct aegis_resource_bounds *bounds) {
  int error = bound(RLIMIT_CORE, 0);
  if (!error) error = bound(RLIMIT_AS, bounds->address_space_bytes);
  if (!error) error = bound(RLIMIT_FSIZE, bounds->file_bytes);
  if (!error) error = bound(RLIMIT_NOFILE, bounds->open_files);
  if (!error) error = bound(RLIMIT_NPROC, bounds->processes);
  return error;
}

int aegis_drop_privileges(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  return syscall(SYS_capset, &header, none) == 0 ? 0 : -errno;
}

// Own copies of the kernel's layouts: its headers on older systems know only the first fields.
struct ruleset {
  uint64_t files, net, scoped;
};
struct __attribute__((packed)) path_rule {
  uint64_t allowed;
  int32_t descriptor;
};

enum { landlock_version = 1, landlock_path_rule = 1 };
static const uint64_t landlock_execute = 1, landlock_read_file = 4, landlock_read_folder = 8;

int aegis_landlock_revision(void) {
  long revision = syscall(SYS_landlock_create_ruleset, NULL, 0, landlock_version);
  return revision < 0 ? -errno : (int)revision;
}

static int allow_below(int ruleset, const char *folder, uint64_t rights) {
  int descriptor = open(folder, O_PATH | O_CLOEXEC);
  if (descriptor < 0) return -errno;
  struct path_rule rule = {rights, descriptor};
  int error = syscall(SYS_landlock_add_rule, ruleset, landlock_path_rule, &rule, 0) == 0 ? 0 : -errno;
  close(descriptor);
  return error;
}

int aegis_restrict_files(const char *writable_folder) {
  int revision = aegis_landlock_revision();
  if (revision < 0) return revision;
  // 13 rights in the first revision; then linking across folders, truncating, and device controls.
  uint64_t all = (1ull << 13) - 1;
  if (revision >= 2) all |= 1ull << 13;
  if (revision >= 3) all |= 1ull << 14;
  if (revision >= 5) all |= 1ull << 15;
  struct ruleset rules = {all, revision >= 4 ? 3 : 0, revision >= 6 ? 3 : 0};
  size_t size = revision >= 6 ? 24 : revision >= 4 ? 16 : 8;
  long ruleset = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
  if (ruleset < 0) return -errno;
  int error = allow_below((int)ruleset, "/", landlock_execute | landlock_read_file | landlock_read_folder);
  // Device, socket and pipe nodes stay forbidden there, too.
  uint64_t writable = all & ~(landlock_execute | 1ull << 6 | 1ull << 9 | 1ull << 10 | 1ull << 11 | 1ull << 15);
  if (!error && writable_folder) error = allow_below((int)ruleset, writable_folder, writable);
  if (!error && syscall(SYS_landlock_restrict_self, (int)ruleset, 0) != 0) error = -errno;
  close((int)ruleset);
  return error;
}
