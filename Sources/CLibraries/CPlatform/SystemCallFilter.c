#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "Sandbox.h"

#if defined(__x86_64__)
#define PROCESSOR AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define PROCESSOR AUDIT_ARCH_AARCH64
#endif

#ifdef PROCESSOR

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

// Computing, waiting, and what is open already. Nothing here reaches another process or names a file to open; the calls
// that tell of a file (stat) cannot be told from those about an open descriptor and stay.
static const int harmless[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_close, SYS_fstat, SYS_newfstatat,
    SYS_statx, SYS_lseek, SYS_dup, SYS_dup3, SYS_pipe2, SYS_eventfd2, SYS_ppoll, SYS_pselect6, SYS_epoll_create1,
    SYS_epoll_ctl, SYS_epoll_pwait, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_mmap, SYS_munmap,
    SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_mincore, SYS_membarrier, SYS_futex, SYS_set_robust_list,
    SYS_get_robust_list, SYS_set_tid_address, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_getcpu, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep,
    SYS_gettimeofday, SYS_times, SYS_getitimer, SYS_getrandom, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid,
    SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getpgid, SYS_getsid, SYS_uname, SYS_sysinfo, SYS_getrusage,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigsuspend,
    SYS_sigaltstack, SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#if defined(__x86_64__)
    SYS_poll, SYS_select, SYS_dup2, SYS_pipe, SYS_epoll_create, SYS_epoll_wait, SYS_time, SYS_arch_prctl, SYS_pause,
    SYS_getpgrp,
#endif
};

static const int reading[] = {
    SYS_faccessat, SYS_readlinkat, SYS_getcwd, SYS_getdents64, SYS_fstatfs, SYS_statfs, SYS_fadvise64,
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#if defined(__x86_64__)
    SYS_access, SYS_readlink, SYS_stat, SYS_lstat, SYS_getdents,
#endif
};

static const int writing[] = {
    SYS_mkdirat, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync,
    SYS_flock, SYS_fchmod, SYS_utimensat,
#if defined(__x86_64__)
    SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_creat, SYS_truncate,
#endif
};

// Nothing that computes ever needs these: trying one is reported, not just refused.
static const struct {
  int number;
  const char *name;
} reaching[] = {
    {SYS_execve, "execve"},
    {SYS_execveat, "execveat"},
    {SYS_socket, "socket"},
    {SYS_socketpair, "socketpair"},
    {SYS_connect, "connect"},
    {SYS_bind, "bind"},
    {SYS_listen, "listen"},
    {SYS_accept, "accept"},
    {SYS_accept4, "accept4"},
    {SYS_sendto, "sendto"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_sendmmsg, "sendmmsg"},
    {SYS_recvfrom, "recvfrom"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_ptrace, "ptrace"},
    {SYS_process_vm_readv, "process_vm_readv"},
    {SYS_process_vm_writev, "process_vm_writev"},
    {SYS_tkill, "tkill"},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo"},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo"},
    {SYS_mount, "mount"},
    {SYS_umount2, "umount2"},
    {SYS_chroot, "chroot"},
    {SYS_pivot_root, "pivot_root"},
    {SYS_unshare, "unshare"},
    {SYS_setns, "setns"},
    {SYS_bpf, "bpf"},
    {SYS_keyctl, "keyctl"},
    {SYS_add_key, "add_key"},
    {SYS_perf_event_open, "perf_event_open"},
    {SYS_userfaultfd, "userfaultfd"},
    {SYS_setuid, "setuid"},
    {SYS_setgid, "setgid"},
    {SYS_setreuid, "setreuid"},
    {SYS_setresuid, "setresuid"},
    {SYS_reboot, "reboot"},
    {SYS_kexec_load, "kexec_load"},
    {SYS_init_module, "init_module"},
    {SYS_finit_module, "finit_module"},
#ifdef SYS_io_uring_setup
    {SYS_io_uring_setup, "io_uring_setup"},
#endif
#ifdef SYS_pidfd_send_signal
    {SYS_pidfd_send_signal, "pidfd_send_signal"},
#endif
#if defined(__x86_64__)
    {SYS_fork, "fork"},
    {SYS_vfork, "vfork"},
#endif
    // Reported only for arguments that reach out; see below.
    {SYS_clone, "clone"},
    {SYS_kill, "kill"},
    {SYS_tgkill, "tgkill"},
};

const char *aegis_system_call_name(uint32_t number) {
  for (size_t i = 0; i < COUNT(reaching); i++)
    if (reaching[i].number == (int)number) return reaching[i].name;
  return NULL;
}

struct program {
  struct sock_filter code[512];
  unsigned short count;
};

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t when, uint8_t otherwise) {
  program->code[program->count++] = (struct sock_filter){code, when, otherwise, k};
}

static void answer(struct program *p, uint32_t action) { emit(p, BPF_RET | BPF_K, action, 0, 0); }
static void load(struct program *p, size_t offset) { emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }
// The low half of an argument; flags, commands and process ids have no more.
static void load_argument(struct program *p, int index) {
  load(p, offsetof(struct seccomp_data, args) + (size_t)index * 8);
}
static void on(struct program *p, int number, uint32_t action) {
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
  answer(p, action);
}

static const uint32_t refuse_access = SECCOMP_RET_ERRNO | EACCES, refuse = SECCOMP_RET_ERRNO | EPERM;

/// A call whose low argument must be one of a few values: `action` when it is not.
static void on_values(struct program *p, int number, int argument, const uint32_t *values, size_t count,
                      uint32_t action) {
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, (uint8_t)(count * 2 + 2));
  load_argument(p, argument);
  for (size_t i = 0; i < count; i++) on(p, (int)values[i], SECCOMP_RET_ALLOW);
  answer(p, action);
}

/// A call with a flag argument: `set` when any of `bits` is set, else `clear`.
static void on_bits(struct program *p, int number, int argument, uint32_t bits, uint32_t set, uint32_t clear) {
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4);
  load_argument(p, argument);
  emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
  answer(p, set);
  answer(p, clear);
}

static void build(struct program *p, unsigned rights) {
  load(p, offsetof(struct seccomp_data, arch));
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, PROCESSOR, 1, 0);
  answer(p, SECCOMP_RET_KILL_PROCESS);
  load(p, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
  // The other numbering of this processor.
  emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1);
  answer(p, SECCOMP_RET_KILL_PROCESS);
#endif
  for (size_t i = 0; i < COUNT(harmless); i++) on(p, harmless[i], SECCOMP_RET_ALLOW);

  // Every block below that loads an argument ends in an answer, so the next one still sees the number.
  const uint32_t self = (uint32_t)getpid();
  on_values(p, SYS_tgkill, 0, &self, 1, SECCOMP_RET_TRAP);
  on_values(p, SYS_kill, 0, &self, 1, SECCOMP_RET_TRAP);
  const uint32_t descriptor_commands[] = {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC};
  // Not F_SETOWN and F_SETSIG: they aim signals at others.
  on_values(p, SYS_fcntl, 1, descriptor_commands, COUNT(descriptor_commands), refuse);
  const uint32_t names[] = {PR_SET_NAME, PR_GET_NAME, 0x53564d41u /* names of mappings */};
  on_values(p, SYS_prctl, 0, names, COUNT(names), refuse);
  // Reading limits, not setting them: the pointer to new ones must be null, both halves.
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 6);
  load_argument(p, 2);
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
  load(p, offsetof(struct seccomp_data, args) + 2 * 8 + 4);
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
  answer(p, SECCOMP_RET_ALLOW);
  answer(p, refuse);
  on(p, SYS_ioctl, SECCOMP_RET_ERRNO | ENOTTY);
  // Its flags lie in memory, which a filter cannot see; the C library falls back to clone.
  on(p, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
  on_bits(p, SYS_clone, 0, CLONE_THREAD,
          rights & AEGIS_MAY_START_THREADS ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP, SECCOMP_RET_TRAP);

  const uint32_t changing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
  const uint32_t read = rights & AEGIS_MAY_READ_FILES ? SECCOMP_RET_ALLOW : refuse_access;
  const uint32_t write = rights & AEGIS_MAY_WRITE_FILES ? SECCOMP_RET_ALLOW : refuse_access;
  on_bits(p, SYS_openat, 2, changing, write, read);
#if defined(__x86_64__)
  on_bits(p, SYS_open, 1, changing, write, read);
#endif
#ifdef SYS_openat2
  on(p, SYS_openat2, SECCOMP_RET_ERRNO | ENOSYS);
#endif
  for (size_t i = 0; i < COUNT(reading); i++) on(p, reading[i], read);
  for (size_t i = 0; i < COUNT(writing); i++) on(p, writing[i], write);
  if (rights & AEGIS_MAY_FILTER) on(p, SYS_seccomp, SECCOMP_RET_ALLOW);
  for (size_t i = 0; i < COUNT(reaching); i++) on(p, reaching[i].number, SECCOMP_RET_TRAP);
  answer(p, SECCOMP_RET_ERRNO | ENOSYS);
}

int aegis_filter_system_calls(unsigned rights) {
  struct program program = {.count = 0};
  build(&program, rights);
  struct sock_fprog filter = {program.count, program.code};
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  // A positive answer is a thread that could not be brought under the filter.
  return result == 0 ? 0 : result > 0 ? -ECANCELED : -errno;
}

#else

const char *aegis_system_call_name(uint32_t number) {
  (void)number;
  return NULL;
}

int aegis_filter_system_calls(unsigned rights) {
  (void)rights;
  return -ENOTSUP;
}

#endif
