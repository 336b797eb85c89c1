#define _GNU_SOURCE 1
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "Sandbox.h"

// One process, one set of last words: a signal handler has no other way to reach them.
static struct aegis_last_words *words;
static int words_descriptor = -1;
// A stack that overflowed cannot carry the handler.
static _Alignas(16) unsigned char spare_stack[64 << 10];

static void die(int signal, siginfo_t *info, void *context) {
  (void)context;
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0) words->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
  if (signal == SIGSYS) words->system_call = (uint32_t)info->si_syscall;
  if (signal == SIGSEGV || signal == SIGBUS) words->address = (uint64_t)(uintptr_t)info->si_addr;
  __atomic_store_n(&words->signal, (uint32_t)signal, __ATOMIC_RELEASE);
  void *frames[24];
  int count = backtrace(frames, 24);
  // The first two are this handler and the return from it.
  for (int i = 2; i < count; i++) {
    if (write(words_descriptor, "\x02", 1) != 1) break;
    backtrace_symbols_fd(frames + i, 1, words_descriptor);
  }
  // The default action is back (SA_RESETHAND) and nothing is blocked (SA_NODEFER).
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

int aegis_keep_last_words(struct aegis_last_words *page, int descriptor) {
  words = page;
  words_descriptor = descriptor;
  // Loads the library that walks stacks while files can still be opened.
  void *frame;
  backtrace(&frame, 1);
  stack_t stack = {.ss_sp = spare_stack, .ss_size = sizeof spare_stack, .ss_flags = 0};
  if (sigaltstack(&stack, NULL) != 0) return -errno;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = die;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
  for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
    if (sigaction(fatal[i], &action, NULL) != 0) return -errno;
  return 0;
}

static void *watch_peer(void *argument) {
  struct pollfd peer = {.fd = (int)(intptr_t)argument, .events = 0, .revents = 0};
  while (poll(&peer, 1, -1) < 0 && errno == EINTR) {
  }
  _exit(0);
}

int aegis_end_with_peer(int socket) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error) return -error;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  // It must take no signal away from the thread that runs the plugin.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  error = pthread_create(&thread, &attributes, watch_peer, (void *)(intptr_t)socket);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return -error;
}

void aegis_print_by_line(void) { setvbuf(stdout, NULL, _IOLBF, 4096); }
