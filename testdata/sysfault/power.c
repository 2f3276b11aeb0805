/* What a power cut leaves. A folder's names are on the disk as they were when the
 * folder was last synced, and a file's content when the file was: a kernel may
 * write more, and here it never does. So every folder has a copy of its names,
 * by hard links, made anew at each sync of it; and of a file that was written
 * and not synced nothing but its name is left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysfault.h"

static char side[PATH_MAX]; /* holds the copies, on the same file system */
static ino_t unsynced[4096];
static int nunsynced;

static const char *joined(char *to, const char *folder, const char *name) {
    if (snprintf(to, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) fail("%s/%s: too long", folder, name);
    return to;
}

static const char *copy_of(char *to, ino_t folder) {
    if (snprintf(to, PATH_MAX, "%s/%llu", side, (unsigned long long)folder) >= PATH_MAX) fail("%s: too long", side);
    return to;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static void remove_tree(const char *path) {
    if (access(path, F_OK) == 0 && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) fail("removing %s: %s", path, strerror(errno));
}

/* Calls each for the names in a folder. */
static void names(const char *folder, void (*each)(const char *folder, const char *name, void *arg), void *arg) {
    DIR *d = opendir(folder);
    if (d == NULL) fail("%s: %s", folder, strerror(errno));
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) each(folder, e->d_name, arg);
    closedir(d);
}

/* A folder within is noted by a link that names its inode. */
static void copy_name(const char *folder, const char *name, void *to) {
    char from[PATH_MAX], copy[PATH_MAX], inode[32];
    struct stat st;
    joined(from, folder, name);
    joined(copy, to, name);
    if (lstat(from, &st) != 0) fail("%s: %s", from, strerror(errno));
    if (S_ISLNK(st.st_mode)) fail("%s is a link, which this does not know", from);
    snprintf(inode, sizeof inode, "%llu", (unsigned long long)st.st_ino);
    if ((S_ISDIR(st.st_mode) ? symlink(inode, copy) : link(from, copy)) != 0) fail("%s: %s", copy, strerror(errno));
}

static void copy_names(const char *folder, const struct stat *st) {
    char copy[PATH_MAX];
    remove_tree(copy_of(copy, st->st_ino));
    if (mkdir(copy, 0700) != 0) fail("%s: %s", copy, strerror(errno));
    names(folder, copy_name, copy);
}

static int begin_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)where;
    if (kind == FTW_D) copy_names(path, st);
    return 0;
}

void power_begin(const char *folder, const char *prefix) {
    if (realpath(folder, side) == NULL) fail("%s: %s", folder, strerror(errno));
    if (nftw(prefix, begin_one, 16, FTW_PHYS) != 0) fail("%s: %s", prefix, strerror(errno));
}

static int find_unsynced(ino_t file) {
    for (int i = 0; i < nunsynced; i++)
        if (unsynced[i] == file) return i;
    return -1;
}

void power_done(const struct counted *c) {
    char copy[PATH_MAX];
    struct stat st;
    if (c->effect == NAMES || stat(c->path, &st) != 0) return;
    int at = find_unsynced(st.st_ino);
    switch (c->effect) {
    case SYNCS:
        if (S_ISDIR(st.st_mode)) copy_names(c->path, &st);
        else if (at >= 0) unsynced[at] = unsynced[--nunsynced];
        break;
    case WRITES:
        if (at >= 0) break;
        if (nunsynced == sizeof unsynced / sizeof *unsynced) fail("too many files that are not synced");
        unsynced[nunsynced++] = st.st_ino;
        break;
    case MAKES_FOLDER: /* its inode may have been another folder's */
        remove_tree(copy_of(copy, st.st_ino));
        break;
    case NAMES: break;
    }
}

static void build(const char *copy, const char *to);

static void build_name(const char *copy, const char *name, void *to) {
    char from[PATH_MAX], path[PATH_MAX], inode[32], folder[PATH_MAX];
    struct stat st;
    joined(from, copy, name);
    joined(path, to, name);
    if (lstat(from, &st) != 0) fail("%s: %s", from, strerror(errno));
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(from, inode, sizeof inode - 1);
        if (n < 0) fail("%s: %s", from, strerror(errno));
        inode[n] = '\0';
        build(joined(folder, side, inode), path);
    } else if (find_unsynced(st.st_ino) >= 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, st.st_mode & 07777);
        if (fd < 0) fail("%s: %s", path, strerror(errno));
        close(fd);
    } else if (link(from, path) != 0) {
        fail("%s: %s", path, strerror(errno));
    }
}

/* A folder that was never synced is empty. */
static void build(const char *copy, const char *to) {
    if (mkdir(to, 0700) != 0) fail("%s: %s", to, strerror(errno));
    if (access(copy, F_OK) == 0) names(copy, build_name, (void *)to);
}

void power_cut(const char *prefix) {
    char copy[PATH_MAX], built[PATH_MAX];
    struct stat st;
    if (stat(prefix, &st) != 0) fail("%s: %s", prefix, strerror(errno));
    build(copy_of(copy, st.st_ino), joined(built, side, "built"));
    remove_tree(prefix);
    if (rename(built, prefix) != 0) fail("%s: %s", prefix, strerror(errno));
}
