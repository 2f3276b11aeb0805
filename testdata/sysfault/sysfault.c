/* sysfault [-r] [-o LOG] [-p PREFIX]... [-s SIDE] [-n N -a ACTION] -- CMD [ARG]...
 *
 * Runs CMD and counts the system calls by which it changes a file system, over
 * all its threads and whatever it becomes by exec. Only regular files and
 * directories count; memfds, pipes, sockets, /dev, /proc and /sys do not.
 *
 *   -o LOG     a line for every counted call: "K NAME PATH"
 *   -p PREFIX  count only what is at a path with this beginning
 *   -r         count every open, not only those that may change something
 *   -n N       the call that is to fail
 *   -a ACTION  kill: SIGKILL to the process before the call happens
 *              power: the same, and then what was not synced is lost (power.c);
 *                PREFIX are folders, and SIDE an empty one beside them
 *              short: a write takes half of its bytes; short+: so do all later ones
 *              ENOSPC, EIO, ...: the call does not happen and gives this error
 *              ENOSPC+, ...: so does every later counted call of its number
 *
 * The exit status is that of CMD, or 128 and the signal that ended it; 125 says
 * that sysfault itself failed, 127 that CMD could not be run.
 *
 * Each system call is stopped at by PTRACE_SYSCALL. A seccomp filter would stop
 * at the counted ones alone, but the program's children would inherit it, and
 * a traced call of a process that nobody traces gives ENOSYS. Here a child
 * process is never traced: Go starts it with CLONE_VFORK, which raises another
 * event than the one asked for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h> /* before the kernel's own */
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include "sysfault.h"

void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("sysfault: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(125); /* PTRACE_O_EXITKILL takes the program along */
}

static struct {
    struct filter filter;
    int log;
    unsigned long nth;
    int kill, power, cut, error, sticky;
    const char *side;
    pid_t pid;
    int started; /* CMD runs: before, it is still this program's own child */
    unsigned long count;
    long failing; /* the number of the call that fails from now on */
} run = {.log = -1, .failing = -1};

/* The threads that are followed; error is pending at the end of their call. */
static struct thread { pid_t tid; int error, counted; struct counted call; } threads[4096];
static int nthreads;

static struct thread *find(pid_t tid) {
    for (int i = 0; i < nthreads; i++)
        if (threads[i].tid == tid) return &threads[i];
    return NULL;
}

static struct thread *follow(pid_t tid) {
    if (nthreads == sizeof threads / sizeof *threads) fail("too many threads");
    threads[nthreads] = (struct thread){.tid = tid};
    return &threads[nthreads++];
}

static void drop(pid_t tid) {
    struct thread *t = find(tid);
    if (t != NULL) *t = threads[--nthreads];
}

static int is_thread_of(pid_t tid, pid_t pid) {
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/task/%d", (int)pid, (int)tid);
    return access(name, F_OK) == 0;
}

static void note(const struct counted *c) {
    char line[4 * ANY_PATH + 64];
    if (run.log < 0) return;
    int n = snprintf(line, sizeof line, "%lu %s ", run.count, c->name);
    for (const char *p = c->path; *p != '\0'; p++) {
        unsigned char b = (unsigned char)*p;
        if (b < 0x20 || b == 0x7f || b == '\\') n += sprintf(line + n, "\\x%02x", b);
        else line[n++] = *p;
    }
    line[n++] = '\n';
    if (write(run.log, line, (size_t)n) != n) fail("writing the log: %s", strerror(errno));
}

static void at_entry(struct thread *t, const struct ptrace_syscall_info *info) {
    struct counted *c = &t->call;
    uint64_t args[6];
    for (int i = 0; i < 6; i++) args[i] = info->entry.args[i];
    if (!run.started || !counts(&run.filter, run.pid, t->tid, info->entry.nr, args, c)) return;
    run.count++;
    t->counted = 1;
    note(c);
    int hit = run.count == run.nth;
    if (hit && run.kill) {
        /* The call must not slip through before the signal arrives. */
        if (!suppress_call(t->tid) || kill(run.pid, SIGKILL) != 0) fail("killing the program: %s", strerror(errno));
        return;
    }
    if (hit && run.sticky) run.failing = c->nr;
    if (run.kill || !(hit || run.failing == c->nr)) return;
    if (run.cut) {
        if (c->size >= 0 && args[c->size] > 1 && !set_argument(t->tid, c->size, args[c->size] / 2)) fail("cutting a write short: %s", strerror(errno));
    } else {
        if (!suppress_call(t->tid)) fail("suppressing a call: %s", strerror(errno));
        t->error = run.error;
    }
}

static void at_system_call(struct thread *t) {
    struct ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, &info) <= 0) return; /* it was killed meanwhile */
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        at_entry(t, &info);
        return;
    }
    if (info.op != PTRACE_SYSCALL_INFO_EXIT) return;
    if (run.power && t->counted && info.exit.rval >= 0) power_done(&t->call);
    t->counted = 0;
    if (t->error != 0) {
        if (!set_result(t->tid, -t->error)) fail("setting a result: %s", strerror(errno));
        t->error = 0;
    }
}

/* An exec ends the other threads without a word, and the one that made it goes
 * on under the number of the process. */
static void at_exec(void) {
    nthreads = 0;
    follow(run.pid);
    run.started = 1;
}

static void at_stop(pid_t tid, int status) {
    struct thread *t = find(tid);
    int signal = WSTOPSIG(status), event = status >> 16;
    if (t == NULL) {
        if (!is_thread_of(tid, run.pid)) { /* a process by clone without CLONE_THREAD */
            ptrace(PTRACE_DETACH, tid, 0, 0);
            return;
        }
        t = follow(tid);
    }
    if (event == PTRACE_EVENT_STOP && (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)) {
        ptrace(PTRACE_LISTEN, tid, 0, 0); /* a job control stop is to stay one */
        return;
    }
    int deliver = 0;
    if (event == PTRACE_EVENT_EXEC) at_exec();
    else if (event == 0 && signal == (SIGTRAP | 0x80)) at_system_call(t);
    else if (event == 0) deliver = signal;
    if (ptrace(PTRACE_SYSCALL, tid, 0, deliver) != 0 && errno != ESRCH) fail("ptrace: %s", strerror(errno));
}

static int trace(void) {
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR) continue;
        if (tid < 0) fail("waitpid: %s", strerror(errno));
        if (WIFSTOPPED(status)) {
            at_stop(tid, status);
            continue;
        }
        drop(tid);
        if (tid != run.pid) continue;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

/* The child waits for the end of the pipe, so that it is followed before its
 * first call. */
static void start(char **argv) {
    int gate[2];
    char byte;
    if (pipe2(gate, O_CLOEXEC) != 0) fail("pipe: %s", strerror(errno));
    run.pid = fork();
    if (run.pid < 0) fail("fork: %s", strerror(errno));
    if (run.pid == 0) {
        close(gate[1]);
        while (read(gate[0], &byte, 1) < 0 && errno == EINTR) {
        }
        execvp(argv[0], argv);
        fprintf(stderr, "sysfault: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, run.pid, 0, options) != 0) {
        int e = errno;
        kill(run.pid, SIGKILL);
        fail("following the program: %s", strerror(e));
    }
    follow(run.pid);
    if (ptrace(PTRACE_INTERRUPT, run.pid, 0, 0) != 0) fail("ptrace: %s", strerror(errno));
    close(gate[0]);
    close(gate[1]);
}

static int error_number(const char *name) {
    static const struct { const char *name; int number; } errors[] = {
        {"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}, {"EACCES", EACCES},
        {"EPERM", EPERM}, {"ENOENT", ENOENT}, {"EEXIST", EEXIST}, {"EMFILE", EMFILE}, {"EINTR", EINTR},
        {"EINVAL", EINVAL}, {"EXDEV", EXDEV}, {"ENOTEMPTY", ENOTEMPTY}, {"EBUSY", EBUSY}, {"EFBIG", EFBIG},
        {"EOPNOTSUPP", EOPNOTSUPP}, {"ENOSYS", ENOSYS}, {"ENOLCK", ENOLCK}, {"ESTALE", ESTALE},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(name, errors[i].name) == 0) return errors[i].number;
    fail("no such action: %s", name);
}

static void action(char *word) {
    size_t n = strlen(word);
    if (strcmp(word, "kill") == 0 || strcmp(word, "power") == 0) {
        run.kill = 1;
        run.power = word[0] == 'p';
        return;
    }
    if (n > 0 && word[n - 1] == '+') {
        run.sticky = 1;
        word[n - 1] = '\0';
    }
    if (strcmp(word, "short") == 0) run.cut = 1;
    else run.error = error_number(word);
}

/* A prefix is compared with canonical paths, so its folder is made one. */
static const char *prefix(const char *given) {
    char folder[PATH_MAX], real[PATH_MAX], *whole = realpath(given, NULL), *joined;
    if (whole != NULL) return whole;
    const char *slash = strrchr(given, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - given) + 1, slash == NULL ? "." : given);
    if (realpath(folder, real) == NULL) fail("%s: %s", folder, strerror(errno));
    if (asprintf(&joined, "%s/%s", strcmp(real, "/") == 0 ? "" : real, slash == NULL ? given : slash + 1) < 0)
        fail("out of memory");
    return joined;
}

int main(int argc, char **argv) {
    int option;
    char *end;
    while ((option = getopt(argc, argv, "+ro:p:s:n:a:")) != -1) {
        switch (option) {
        case 'r': run.filter.all_opens = 1; break;
        case 'o':
            run.log = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
            if (run.log < 0) fail("%s: %s", optarg, strerror(errno));
            break;
        case 'p':
            if (run.filter.nprefixes == sizeof run.filter.prefixes / sizeof *run.filter.prefixes)
                fail("too many prefixes");
            run.filter.prefixes[run.filter.nprefixes++] = prefix(optarg);
            break;
        case 's': run.side = optarg; break;
        case 'n':
            run.nth = strtoul(optarg, &end, 10);
            if (*end != '\0' || run.nth == 0) fail("-n wants a number from 1");
            break;
        case 'a': action(optarg); break;
        default: fail("usage: sysfault [-r] [-o LOG] [-p PREFIX]... [-s SIDE] [-n N -a ACTION] -- CMD [ARG]...");
        }
    }
    if (optind == argc) fail("no command is given");
    if ((run.nth > 0) != (run.kill || run.cut || run.error != 0)) fail("-n and -a go together");
    if (run.power) {
        if (run.side == NULL || run.filter.nprefixes == 0) fail("power wants -p and -s");
        for (int i = 0; i < run.filter.nprefixes; i++) power_begin(run.side, run.filter.prefixes[i]);
    }
    start(argv + optind);
    int status = trace();
    for (int i = 0; run.power && run.count >= run.nth && i < run.filter.nprefixes; i++) power_cut(run.filter.prefixes[i]);
    return status;
}
