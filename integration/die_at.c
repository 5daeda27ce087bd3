// SPDX-License-Identifier: GPL-2.0-or-later
// Preloaded into a program under test: kills it at its Nth system call that leaves a trace (DIE_AT=N), before that call
// is made. So every place between two lasting effects is met, without a word about it in the program. What the program
// starts is left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static long left;

__attribute__((constructor)) static void begin(void) {
  const char *at = getenv("DIE_AT");
  left = at ? strtol(at, NULL, 10) : 0;
  unsetenv("DIE_AT");
  unsetenv("LD_PRELOAD");
}

static void step(void) {
  if (left > 0 && --left == 0) kill(getpid(), SIGKILL);
}

#define ORIGINAL(name) __typeof__(&name) original = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int fsync(int fd) {
  ORIGINAL(fsync);
  step();
  return original(fd);
}
int renameat(int from_fd, const char *from, int to_fd, const char *to) {
  ORIGINAL(renameat);
  step();
  return original(from_fd, from, to_fd, to);
}
int unlinkat(int fd, const char *path, int flags) {
  ORIGINAL(unlinkat);
  step();
  return original(fd, path, flags);
}
int mkdir(const char *path, mode_t mode) {
  ORIGINAL(mkdir);
  step();
  return original(path, mode);
}
int fchmod(int fd, mode_t mode) {
  ORIGINAL(fchmod);
  step();
  return original(fd, mode);
}
int flock(int fd, int operation) {
  ORIGINAL(flock);
  step();
  return original(fd, operation);
}
ssize_t write(int fd, const void *from, size_t size) {
  ORIGINAL(write);
  step();
  return original(fd, from, size);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ORIGINAL(sendmsg);
  step();
  return original(fd, message, flags);
}
