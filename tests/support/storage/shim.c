/* Stands between a process and libc, and makes the n-th change below one folder go wrong.

   gcc -shared -fPIC -O1 -o shim.so shim.c -ldl; LD_PRELOAD=shim.so python ...

   What counts as a change: creating, writing, cutting, syncing, renaming, linking and deleting, of
   files and of folders, by Python as by SQLite. Until `fault_arm` is called nothing is counted. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, TORN, EIO_ONCE, FULL };

static char folder[PATH_MAX];
static size_t folder_length;
static int mode = COUNT;
static long at = 0;
static atomic_long count = 0;

void fault_arm(const char *path, int how, long number) {
    mode = how;
    at = number;
    atomic_store(&count, 0);
    folder_length = strlen(path);
    memcpy(folder, path, folder_length + 1);
}

long fault_count(void) { return atomic_load(&count); }

static int inside(const char *path) {
    return folder_length && path && strncmp(path, folder, folder_length) == 0;
}

static int inside_fd(int fd) {
    char link[64], path[PATH_MAX];
    if (!folder_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}

static int inside_at(int dir, const char *path) {
    return path && path[0] == '/' ? inside(path) : inside_fd(dir);
}

/* Is it this one's turn? Dies, or returns 1 with errno set; `frees`: a full disk allows it. */
static int fault(int frees) {
    long number = atomic_fetch_add(&count, 1) + 1;
    if (mode == FULL && number >= at && !frees) { errno = ENOSPC; return 1; }
    if (number != at) return 0;
    if (mode == KILL || mode == TORN) { kill(getpid(), SIGKILL); pause(); }
    if (mode == EIO_ONCE) { errno = EIO; return 1; }
    return 0;
}

/* Of a write that is to be torn, the first half is written. Disks write 512 bytes at once. */
static int torn_now(size_t size) {
    return mode == TORN && size > 512 && atomic_load(&count) + 1 == at;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (inside_fd(fd)) {
        if (torn_now(size)) real(fd, data, size / 2);
        if (fault(0)) return -1;
    }
    return real(fd, data, size);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) { \
        REAL(ssize_t, #name, int, const void *, size_t, offset_type); \
        if (inside_fd(fd)) { \
            if (torn_now(size)) real(fd, data, size / 2, offset); \
            if (fault(0)) return -1; \
        } \
        return real(fd, data, size, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (inside_fd(fd) && fault(0)) return -1;
    return real(fd, parts, number);
}

#define ON_FD(name, frees) \
    int name(int fd) { \
        REAL(int, #name, int); \
        if (inside_fd(fd) && fault(frees)) return -1; \
        return real(fd); \
    }
ON_FD(fsync, 0)
ON_FD(fdatasync, 0)

#define CUT(name, offset_type) \
    int name(int fd, offset_type size) { \
        REAL(int, #name, int, offset_type); \
        if (inside_fd(fd) && fault(1)) return -1; \
        return real(fd, size); \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

#define ALLOCATE(name, offset_type) \
    int name(int fd, offset_type from, offset_type size) { \
        REAL(int, #name, int, offset_type, offset_type); \
        if (inside_fd(fd) && fault(0)) return errno; \
        return real(fd, from, size); \
    }
ALLOCATE(posix_fallocate, off_t)
ALLOCATE(posix_fallocate64, off64_t)

#define ON_PATH(name, frees) \
    int name(const char *path) { \
        REAL(int, #name, const char *); \
        if (inside(path) && fault(frees)) return -1; \
        return real(path); \
    }
ON_PATH(unlink, 1)
ON_PATH(rmdir, 1)

int unlinkat(int dir, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    if (inside_at(dir, path) && fault(1)) return -1;
    return real(dir, path, flags);
}

int mkdir(const char *path, mode_t rights) {
    REAL(int, "mkdir", const char *, mode_t);
    if (inside(path) && fault(0)) return -1;
    return real(path, rights);
}

int mkdirat(int dir, const char *path, mode_t rights) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    if (inside_at(dir, path) && fault(0)) return -1;
    return real(dir, path, rights);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    if ((inside_at(from_dir, from) || inside_at(to_dir, to)) && fault(0)) return -1;
    return real(from_dir, from, to_dir, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    if (inside_at(to_dir, to) && fault(0)) return -1;
    return real(from_dir, from, to_dir, to, flags);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if ((inside(from) || inside(to)) && fault(0)) return -1;
    return real(from, to);
}

int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    if (inside(to) && fault(0)) return -1;
    return real(from, to);
}

/* Only what creates a file is a change. */
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list rest; va_start(rest, flags); \
        mode_t rights = va_arg(rest, mode_t); va_end(rest); \
        if ((flags & O_CREAT) && inside(path) && access(path, F_OK) && fault(0)) return -1; \
        return real(path, flags, rights); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int dir, const char *path, int flags, ...) { \
        REAL(int, #name, int, const char *, int, ...); \
        va_list rest; va_start(rest, flags); \
        mode_t rights = va_arg(rest, mode_t); va_end(rest); \
        if ((flags & O_CREAT) && inside_at(dir, path) && faccessat(dir, path, F_OK, 0) && fault(0)) \
            return -1; \
        return real(dir, path, flags, rights); \
    }
OPENAT(openat)
OPENAT(openat64)
