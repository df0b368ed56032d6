/* Preloaded into a process, counts its operations on files below a directory and kills it at the n-th.
   A write is first made in half. Storage written in C++ goes through these functions of libc too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int counted, deadly;
static char directory[4096];

void arm(int operation, const char *path) {
  snprintf(directory, sizeof directory, "%s", path);
  counted = 0;
  deadly = operation;
}

int operations(void) { return counted; }

static int is_below(const char *path) { return path && directory[0] && strncmp(path, directory, strlen(directory)) == 0; }

static int is_file_below(int file) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  ssize_t length = directory[0] ? readlink(name, path, sizeof path - 1) : -1;
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

static int is_deadly(int counts) { return counts && atomic_fetch_add(&counted, 1) + 1 == deadly; }

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OF_PATH(result, name, path, parameters, arguments) \
  result name parameters {                                 \
    if (is_deadly(is_below(path))) die();                  \
    return REAL(name) arguments;                           \
  }
#define OF_FILE(name, parameters, arguments)    \
  int name parameters {                         \
    if (is_deadly(is_file_below(file))) die();  \
    return REAL(name) arguments;                \
  }

OF_PATH(int, mkdir, path, (const char *path, mode_t mode), (path, mode))
OF_PATH(int, rmdir, path, (const char *path), (path))
OF_PATH(int, unlink, path, (const char *path), (path))
OF_PATH(int, rename, to, (const char *from, const char *to), (from, to))
OF_FILE(unlinkat, (int file, const char *path, int flags), (file, path, flags))
OF_FILE(fsync, (int file), (file))
OF_FILE(fdatasync, (int file), (file))
OF_FILE(ftruncate, (int file, off_t length), (file, length))
OF_FILE(ftruncate64, (int file, off_t length), (file, length))

#define OPEN(name)                                                           \
  int name(const char *path, int flags, ...) {                               \
    va_list rest;                                                            \
    va_start(rest, flags);                                                   \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                            \
    if (is_deadly((flags & O_CREAT) && is_below(path))) die();               \
    return REAL(name)(path, flags, mode);                                    \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int file, const void *data, size_t size) {
  if (is_deadly(is_file_below(file))) {
    REAL(write)(file, data, size / 2);
    die();
  }
  return REAL(write)(file, data, size);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
  if (is_deadly(is_file_below(file))) {
    REAL(write)(file, parts[0].iov_base, parts[0].iov_len / 2);
    die();
  }
  return REAL(writev)(file, parts, count);
}
