#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sysfault.h"

/* How a call names its file: a descriptor in args[a]; a path in args[a] relative
 * to the working directory; a path in args[a+1] relative to the descriptor in
 * args[a]. b is the second file of a rename or a link. */
enum naming { FD, PATH, AT };

static const struct row {
    const char *name;
    long nr;
    enum naming naming;
    int a, b;
    enum { CHANGES, OPENS, OPENS_HOW } kind;
    int flags; /* where the flags of an open are */
} rows[] = {
#define ROW(call, ...) {#call, SYS_##call, __VA_ARGS__},
    ROW(openat, AT, 0, -1, OPENS, 2)
    ROW(write, FD, 0, -1, CHANGES, 0)
    ROW(writev, FD, 0, -1, CHANGES, 0)
    ROW(pwrite64, FD, 0, -1, CHANGES, 0)
    ROW(pwritev, FD, 0, -1, CHANGES, 0)
    ROW(pwritev2, FD, 0, -1, CHANGES, 0)
    ROW(sendfile, FD, 0, -1, CHANGES, 0)
    ROW(splice, FD, 2, -1, CHANGES, 0)
    ROW(copy_file_range, FD, 2, -1, CHANGES, 0)
    ROW(fallocate, FD, 0, -1, CHANGES, 0)
    ROW(ftruncate, FD, 0, -1, CHANGES, 0)
    ROW(truncate, PATH, 0, -1, CHANGES, 0)
    ROW(fsync, FD, 0, -1, CHANGES, 0)
    ROW(fdatasync, FD, 0, -1, CHANGES, 0)
    ROW(sync_file_range, FD, 0, -1, CHANGES, 0)
    ROW(syncfs, FD, 0, -1, CHANGES, 0)
    ROW(flock, FD, 0, -1, CHANGES, 0)
    ROW(fchmod, FD, 0, -1, CHANGES, 0)
    ROW(fchown, FD, 0, -1, CHANGES, 0)
    ROW(fchmodat, AT, 0, -1, CHANGES, 0)
    ROW(fchownat, AT, 0, -1, CHANGES, 0)
    ROW(utimensat, AT, 0, -1, CHANGES, 0)
    ROW(mkdirat, AT, 0, -1, CHANGES, 0)
    ROW(mknodat, AT, 0, -1, CHANGES, 0)
    ROW(unlinkat, AT, 0, -1, CHANGES, 0)
    ROW(symlinkat, AT, 1, -1, CHANGES, 0)
    ROW(linkat, AT, 0, 2, CHANGES, 0)
#ifdef SYS_renameat
    ROW(renameat, AT, 0, 2, CHANGES, 0)
#endif
    ROW(renameat2, AT, 0, 2, CHANGES, 0)
#ifdef SYS_openat2
    ROW(openat2, AT, 0, -1, OPENS_HOW, 2)
#endif
#ifdef SYS_fchmodat2
    ROW(fchmodat2, AT, 0, -1, CHANGES, 0)
#endif
#ifdef SYS_open /* x86-64 kept the older calls, and C libraries use them */
    ROW(open, PATH, 0, -1, OPENS, 1)
    ROW(creat, PATH, 0, -1, CHANGES, 0)
    ROW(chmod, PATH, 0, -1, CHANGES, 0)
    ROW(chown, PATH, 0, -1, CHANGES, 0)
    ROW(lchown, PATH, 0, -1, CHANGES, 0)
    ROW(mkdir, PATH, 0, -1, CHANGES, 0)
    ROW(mknod, PATH, 0, -1, CHANGES, 0)
    ROW(rmdir, PATH, 0, -1, CHANGES, 0)
    ROW(unlink, PATH, 0, -1, CHANGES, 0)
    ROW(symlink, PATH, 1, -1, CHANGES, 0)
    ROW(link, PATH, 0, 1, CHANGES, 0)
    ROW(rename, PATH, 0, 1, CHANGES, 0)
#endif
#undef ROW
};

/* Reads memory of the thread, which may end before n bytes do. */
static size_t peek(pid_t tid, uint64_t at, void *to, size_t n) {
    struct iovec local = {to, n}, remote = {(void *)(uintptr_t)at, n};
    ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    return got < 0 ? 0 : (size_t)got;
}

/* Reads a path page by page: the page after its last one may not exist. */
static int peek_path(pid_t tid, uint64_t at, char *to) {
    long page = sysconf(_SC_PAGESIZE);
    size_t n = 0;
    while (n < PATH_MAX) {
        size_t step = (size_t)page - (size_t)((at + n) % (uint64_t)page);
        if (step > PATH_MAX - n) step = PATH_MAX - n;
        size_t got = peek(tid, at + n, to + n, step);
        if (memchr(to + n, '\0', got) != NULL) return 1;
        if (got < step) return 0;
        n += got;
    }
    return 0;
}

/* Where a link of /proc leads. Without this knowledge a call would be taken for
 * an uncounted one, so a refusal is the end: run as root, or let the program
 * stay dumpable. */
static int proc_link(pid_t tid, const char *name, char *to) {
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/%s", (int)tid, name);
    ssize_t n = readlink(link, to, PATH_MAX - 1);
    if (n < 0 && (errno == EACCES || errno == EPERM)) fail("%s: %s", link, strerror(errno));
    if (n < 0) return 0;
    to[n] = '\0';
    return 1;
}

static int below(const char *path, const char *folder) {
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int on_disk(const char *path) {
    return path[0] == '/' && !below(path, "/dev") && !below(path, "/proc") && !below(path, "/sys") &&
           strncmp(path, "/memfd:", 7) != 0;
}

/* Makes the folder of path canonical; the last element may be absent or a link. */
static void canonical(char *path) {
    char folder[PATH_MAX], real[PATH_MAX], name[NAME_MAX + 2];
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash[1] == '\0' || strlen(slash) > NAME_MAX) return;
    snprintf(name, sizeof name, "%s", slash);
    snprintf(folder, sizeof folder, "%.*s", (int)(slash == path ? 1 : slash - path), path);
    if (realpath(folder, real) == NULL) return;
    if (strcmp(real, "/") == 0) real[0] = '\0';
    if (strlen(real) + strlen(name) >= PATH_MAX) return;
    strcpy(path, real);
    strcat(path, name);
}

static int fd_path(pid_t tid, int fd, char *to) {
    char name[32];
    snprintf(name, sizeof name, "fd/%d", fd);
    return proc_link(tid, name, to);
}

static int path_of(pid_t pid, pid_t tid, enum naming naming, const uint64_t args[6], int a, char *to) {
    char given[PATH_MAX], folder[PATH_MAX];
    if (naming == FD) {
        char link[64];
        struct stat st;
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)tid, (int)args[a]);
        return fd_path(tid, (int)args[a], to) && stat(link, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    }
    if (!peek_path(tid, args[naming == AT ? a + 1 : a], given)) return 0;
    int at = naming == AT ? (int)args[a] : AT_FDCWD, n;
    if (strncmp(given, "/proc/self/", 11) == 0) {
        n = snprintf(to, PATH_MAX, "/proc/%d/%s", (int)pid, given + 11);
    } else if (given[0] == '/') {
        n = snprintf(to, PATH_MAX, "%s", given);
    } else if (!(at == AT_FDCWD ? proc_link(tid, "cwd", folder) : fd_path(tid, at, folder))) {
        return 0;
    } else if (given[0] == '\0') { /* AT_EMPTY_PATH: the descriptor itself */
        n = snprintf(to, PATH_MAX, "%s", folder);
    } else {
        n = snprintf(to, PATH_MAX, "%s/%s", folder, given);
    }
    if (n >= PATH_MAX) return 0;
    canonical(to);
    return 1;
}

static int wanted(const struct filter *f, const char *path) {
    if (!on_disk(path)) return 0;
    for (int i = 0; i < f->nprefixes; i++)
        if (strncmp(path, f->prefixes[i], strlen(f->prefixes[i])) == 0) return 1;
    return f->nprefixes == 0;
}

static int opens_for_change(const struct row *r, pid_t tid, const uint64_t args[6]) {
    uint64_t flags = args[r->flags];
    if (r->kind == OPENS_HOW && peek(tid, args[r->flags], &flags, sizeof flags) != sizeof flags) return 0;
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

static enum effect effect_of(const char *name) {
    static const struct { const char *name; enum effect effect; } effects[] = {
        {"write", WRITES}, {"writev", WRITES}, {"pwrite64", WRITES}, {"pwritev", WRITES}, {"pwritev2", WRITES},
        {"sendfile", WRITES}, {"splice", WRITES}, {"copy_file_range", WRITES}, {"fallocate", WRITES},
        {"ftruncate", WRITES}, {"truncate", WRITES}, {"fsync", SYNCS}, {"fdatasync", SYNCS},
        {"mkdir", MAKES_FOLDER}, {"mkdirat", MAKES_FOLDER},
    };
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        if (strcmp(name, effects[i].name) == 0) return effects[i].effect;
    return NAMES;
}

int counts(const struct filter *f, pid_t pid, pid_t tid, uint64_t nr, const uint64_t args[6], struct counted *c) {
    const struct row *r = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && r == NULL; i++)
        if ((uint64_t)rows[i].nr == nr) r = &rows[i];
    if (r == NULL) return 0;
    if (r->kind != CHANGES && !f->all_opens && !opens_for_change(r, tid, args)) return 0;
    char old[PATH_MAX], new[PATH_MAX];
    if (!path_of(pid, tid, r->naming, args, r->a, old)) return 0;
    int two = r->b >= 0 && path_of(pid, tid, r->naming, args, r->b, new);
    if (!wanted(f, old) && !(two && wanted(f, new))) return 0;
    c->name = r->name;
    c->nr = r->nr;
    c->effect = effect_of(r->name);
    c->size = strcmp(r->name, "write") == 0 || strcmp(r->name, "pwrite64") == 0 ? 2 : -1;
    if (two) snprintf(c->path, sizeof c->path, "%s -> %s", old, new);
    else snprintf(c->path, sizeof c->path, "%s", old);
    return 1;
}
