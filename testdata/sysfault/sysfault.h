/* sysfault runs a program and lets one of its changes to the file system fail,
 * or ends it just before. See sysfault.c for its use. */
#ifndef SSOVAULT_SYSFAULT_H
#define SSOVAULT_SYSFAULT_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

/* calls.c: which system calls are counted, and how their files are found. */
enum { ANY_PATH = 2 * PATH_MAX + 8 };

struct counted {
    const char *name;
    long nr;
    char path[ANY_PATH]; /* "old -> new" for a call with two */
};

struct filter {
    int all_opens; /* also those that only read */
    const char *prefixes[32];
    int nprefixes;
};

/* Tells whether thread tid of process pid is about to make a counted call, and
 * describes it in c. */
int counts(const struct filter *f, pid_t pid, pid_t tid, uint64_t nr, const uint64_t args[6], struct counted *c);

/* registers.c: what ptrace keeps different on each architecture. */
int suppress_call(pid_t tid);
int set_result(pid_t tid, long result);

/* main */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
