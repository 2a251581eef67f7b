/* Fail one input or output call of a program, and count the calls; loaded before its other libraries (LD_PRELOAD).
 *
 * Only calls on files below one folder count. What is to fail is in a file, WFC3TVB_FAULTS, which all processes of the
 * program share in memory, and which library.py writes: so the count goes on from a process to its children, and a
 * process may change it while it runs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order of KINDS in library.py. */
enum kind { OPEN, READ, WRITE, SYNC, RENAME, LINK, UNLINK, MKDIR, MMAP, RESIZE, N_KINDS };

struct control {
    char folder[PATH_MAX];        /* empty: nothing counts */
    char hit[PATH_MAX];           /* path of the first call that failed */
    int kind, error;              /* kind -1: nothing fails, calls are counted and listed */
    long first, last;             /* numbers of the calls that fail, from 1 */
    atomic_long counts[N_KINDS];  /* calls so far */
    atomic_long failed;           /* calls that failed */
};

static struct control *control;
static int trace = -1;            /* file in which counted calls are listed: kind, number, path */
enum { TRACE_FROM = 900 };        /* descriptors from here on, which programs do not close all at once */

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("WFC3TVB_FAULTS");
    int (*open_)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = path ? open_(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *(*mmap_)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
    void *at = mmap_(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    control = at == MAP_FAILED ? NULL : at;
    close(file);
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.trace", path);
    file = open_(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    trace = fcntl(file, F_DUPFD_CLOEXEC, TRACE_FROM);
    close(file);
}

/* Count a call on a path, and return whether it fails; errno is set. */
static int fails(enum kind kind, const char *path)
{
    size_t length = strlen(control->folder);
    if (strncmp(path, control->folder, length) != 0 || (path[length] != '/' && path[length] != 0))
        return 0;
    long n = atomic_fetch_add(&control->counts[kind], 1) + 1;
    if (control->kind == -1)
        dprintf(trace, "%d %ld %s\n", kind, n, path);
    if ((int)kind != control->kind || n < control->first || n > control->last)
        return 0;
    if (atomic_fetch_add(&control->failed, 1) == 0)
        snprintf(control->hit, sizeof control->hit, "%s", path);
    errno = control->error;
    return 1;
}

static int active(void)
{
    return control != NULL && control->folder[0] != 0;
}

/* Write the path of an open file; 0 where it has none, as a pipe. */
static int path_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return path[0] == '/';
}

static int fails_file(enum kind kind, int file)
{
    char path[PATH_MAX];
    int before = errno;
    if (!active() || !path_of(file, path))
        return 0;
    errno = before;
    return fails(kind, path);
}

static int fails_at(enum kind kind, int folder, const char *name)
{
    char path[2 * PATH_MAX] = "";
    int before = errno;
    if (!active() || name == NULL)
        return 0;
    if (name[0] != '/') {
        if (folder == AT_FDCWD ? getcwd(path, PATH_MAX) == NULL : !path_of(folder, path))
            path[0] = 0;
        strcat(path, "/");
    }
    strncat(path, name, PATH_MAX - 1);
    errno = before;
    return fails(kind, path);
}

/* Every function that follows fails where its turn has come, and else calls the one of the C library. */
#define NEXT(name) ((__typeof__(&name))next(#name))
#define CALL(result, name, types, test, arguments)  \
    result name types                               \
    {                                               \
        return test ? (result)-1 : NEXT(name) arguments; \
    }

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

#define MODE(flags)                                 \
    mode_t mode = 0;                                \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {        \
        va_list rest;                               \
        va_start(rest, flags);                      \
        mode = va_arg(rest, mode_t);                \
        va_end(rest);                               \
    }

#define OPEN_CALL(name)                             \
    int name(const char *path, int flags, ...)      \
    {                                               \
        MODE(flags)                                 \
        return fails_at(OPEN, AT_FDCWD, path) ? -1 : NEXT(name)(path, flags, mode); \
    }
OPEN_CALL(open)
OPEN_CALL(open64)

#define OPENAT_CALL(name)                           \
    int name(int folder, const char *path, int flags, ...) \
    {                                               \
        MODE(flags)                                 \
        return fails_at(OPEN, folder, path) ? -1 : NEXT(name)(folder, path, flags, mode); \
    }
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

/* What a fortified program calls in their place. */
int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }
int __openat_2(int folder, const char *path, int flags) { return openat(folder, path, flags); }
int __openat64_2(int folder, const char *path, int flags) { return openat64(folder, path, flags); }

CALL(int, creat, (const char *path, mode_t mode), fails_at(OPEN, AT_FDCWD, path), (path, mode))
CALL(int, creat64, (const char *path, mode_t mode), fails_at(OPEN, AT_FDCWD, path), (path, mode))
FILE *fopen(const char *path, const char *mode)
{
    return fails_at(OPEN, AT_FDCWD, path) ? NULL : NEXT(fopen)(path, mode);
}
FILE *fopen64(const char *path, const char *mode)
{
    return fails_at(OPEN, AT_FDCWD, path) ? NULL : NEXT(fopen64)(path, mode);
}

CALL(ssize_t, read, (int file, void *to, size_t n), fails_file(READ, file), (file, to, n))
CALL(ssize_t, pread, (int file, void *to, size_t n, off_t at), fails_file(READ, file), (file, to, n, at))
CALL(ssize_t, pread64, (int file, void *to, size_t n, off64_t at), fails_file(READ, file), (file, to, n, at))
CALL(ssize_t, readv, (int file, const struct iovec *to, int n), fails_file(READ, file), (file, to, n))
CALL(ssize_t, write, (int file, const void *from, size_t n), fails_file(WRITE, file), (file, from, n))
CALL(ssize_t, pwrite, (int file, const void *from, size_t n, off_t at), fails_file(WRITE, file), (file, from, n, at))
CALL(ssize_t, pwrite64, (int file, const void *from, size_t n, off64_t at), fails_file(WRITE, file), (file, from, n, at))
CALL(ssize_t, writev, (int file, const struct iovec *from, int n), fails_file(WRITE, file), (file, from, n))
ssize_t sendfile(int to, int from, off_t *at, size_t n)
{
    return fails_file(WRITE, to) ? -1 : NEXT(sendfile)(to, from, at, n);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t n)
{
    ssize_t (*real)(int, int, off64_t *, size_t) = next("sendfile64");
    return fails_file(WRITE, to) ? -1 : real(to, from, at, n);
}
CALL(ssize_t, copy_file_range, (int from, off64_t *start, int to, off64_t *at, size_t n, unsigned flags),
     fails_file(WRITE, to), (from, start, to, at, n, flags))

CALL(int, fsync, (int file), fails_file(SYNC, file), (file))
CALL(int, fdatasync, (int file), fails_file(SYNC, file), (file))

CALL(int, rename, (const char *old, const char *name), fails_at(RENAME, AT_FDCWD, name), (old, name))
CALL(int, renameat, (int from, const char *old, int folder, const char *name), fails_at(RENAME, folder, name),
     (from, old, folder, name))
CALL(int, renameat2, (int from, const char *old, int folder, const char *name, unsigned flags),
     fails_at(RENAME, folder, name), (from, old, folder, name, flags))
CALL(int, link, (const char *old, const char *name), fails_at(LINK, AT_FDCWD, name), (old, name))
CALL(int, linkat, (int from, const char *old, int folder, const char *name, int flags), fails_at(LINK, folder, name),
     (from, old, folder, name, flags))
CALL(int, symlink, (const char *old, const char *name), fails_at(LINK, AT_FDCWD, name), (old, name))
CALL(int, unlink, (const char *name), fails_at(UNLINK, AT_FDCWD, name), (name))
CALL(int, unlinkat, (int folder, const char *name, int flags), fails_at(UNLINK, folder, name), (folder, name, flags))
CALL(int, rmdir, (const char *name), fails_at(UNLINK, AT_FDCWD, name), (name))
CALL(int, mkdir, (const char *name, mode_t mode), fails_at(MKDIR, AT_FDCWD, name), (name, mode))
CALL(int, mkdirat, (int folder, const char *name, mode_t mode), fails_at(MKDIR, folder, name), (folder, name, mode))

void *mmap(void *at, size_t n, int protection, int flags, int file, off_t from)
{
    int failed = !(flags & MAP_ANONYMOUS) && fails_file(MMAP, file);
    return failed ? MAP_FAILED : NEXT(mmap)(at, n, protection, flags, file, from);
}
void *mmap64(void *at, size_t n, int protection, int flags, int file, off64_t from)
{
    int failed = !(flags & MAP_ANONYMOUS) && fails_file(MMAP, file);
    return failed ? MAP_FAILED : NEXT(mmap64)(at, n, protection, flags, file, from);
}

CALL(int, ftruncate, (int file, off_t n), fails_file(RESIZE, file), (file, n))
CALL(int, ftruncate64, (int file, off64_t n), fails_file(RESIZE, file), (file, n))
CALL(int, fallocate, (int file, int mode, off_t at, off_t n), fails_file(RESIZE, file), (file, mode, at, n))
CALL(int, fallocate64, (int file, int mode, off64_t at, off64_t n), fails_file(RESIZE, file), (file, mode, at, n))
/* These two return the error. */
int posix_fallocate(int file, off_t at, off_t n)
{
    return fails_file(RESIZE, file) ? control->error : NEXT(posix_fallocate)(file, at, n);
}
int posix_fallocate64(int file, off64_t at, off64_t n)
{
    return fails_file(RESIZE, file) ? control->error : NEXT(posix_fallocate64)(file, at, n);
}
