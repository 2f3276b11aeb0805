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
    enum effect { NAMES, WRITES, SYNCS, MAKES_FOLDER } effect;
    int size; /* which argument is the number of bytes to write, or -1 */
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

/* power.c: what a power cut leaves of the folder at prefix. power_done is told of
 * every counted call that was done. */
void power_begin(const char *side, const char *prefix);
void power_done(const struct counted *c);
void power_cut(const char *prefix);

/* registers.c: what ptrace keeps different on each architecture. */
int suppress_call(pid_t tid);
int set_result(pid_t tid, long result);
int set_argument(pid_t tid, int argument, unsigned long value); /* the third: 2 */

/* main */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
