/* What a plan does to a call, before and after the real function. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "p11fault.h"

CK_FUNCTION_LIST_PTR real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static char plan_file[PATH_MAX];
static const struct plan *plan;
static struct stat plan_stat;
static int armed[FUNCTIONS]; /* a flip that waits for a call with output */
static int closed_for_absence;

static int same_file(const struct stat *a, const struct stat *b) {
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A replaced plan holds from the next call on, so that a test can take a
 * device away from a process that runs. Plans are a few kilobytes and are not
 * freed: calls under way still work by them. */
static const struct plan *current_plan(void) {
    struct stat st;
    if (stat(plan_file, &st) != 0) complain("%s: %s", plan_file, strerror(errno));
    if (plan == NULL || !same_file(&st, &plan_stat)) {
        const struct plan *fresh = plan_read(plan_file);
        if (plan != NULL && strcmp(plan->library, fresh->library) != 0)
            complain("%s: the library cannot change while it is loaded", plan_file);
        plan = fresh;
        plan_stat = st;
    }
    return plan;
}

/* module_open finds the module's own path, reads the plan and loads the real
 * library. It may be called any number of times. */
void module_open(void) {
    pthread_mutex_lock(&lock);
    if (real == NULL) {
        Dl_info self;
        char path[PATH_MAX];
        if (dladdr(&plan_file, &self) == 0 || realpath(self.dli_fname, path) == NULL)
            complain("the module does not find its own path");
        if (snprintf(plan_file, sizeof plan_file, "%s.conf", path) >= (int)sizeof plan_file)
            complain("the module's path is too long");
        ledger_open(path);
        void *library = dlopen(current_plan()->library, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) complain("%s", dlerror());
        CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
        if (get == NULL) complain("%s", dlerror());
        CK_RV rv = get(&real);
        if (rv != CKR_OK) complain("C_GetFunctionList of %s: 0x%lX", plan->library, (unsigned long)rv);
    }
    pthread_mutex_unlock(&lock);
}

static void pause_for(uint64_t microseconds) {
    struct timespec t = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

static void garbage(int fd, uint64_t n) {
    char block[4096];
    for (size_t i = 0; i < sizeof block; i++) block[i] = (char)(i * 37 + 11); /* no text, no JSON, every byte value */
    while (n > 0) {
        ssize_t w = write(fd, block, n < sizeof block ? n : sizeof block);
        if (w < 0 && errno == EINTR) continue;
        if (w <= 0) return; /* nobody reads: that is the program's choice */
        n -= (uint64_t)w;
    }
}

/* The parent goes first: were it the other way round, the parent could see its
 * helper die and act on it. */
static _Noreturn void kill_both(void) {
    if (getppid() > 1) kill(getppid(), SIGKILL);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static _Noreturn void crash(void) {
    /* The default action first: Go's runtime would make a panic of it, and a
     * library's crash must look as it does in a C program. */
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)8 = 1;
    abort();
}

static void close_sessions(const struct call *c) {
    CK_SLOT_ID slots[64];
    CK_ULONG n = sizeof slots / sizeof *slots;
    CK_SESSION_INFO info;
    if (c->subject == SLOT) {
        real->C_CloseAllSessions(c->handle);
    } else if (c->subject == SESSION && real->C_GetSessionInfo(c->handle, &info) == CKR_OK) {
        real->C_CloseAllSessions(info.slotID);
    } else if (real->C_GetSlotList(CK_TRUE, slots, &n) == CKR_OK) {
        for (CK_ULONG i = 0; i < n; i++) real->C_CloseAllSessions(slots[i]);
    }
}

static void refuse(struct call *c, CK_RV rv) {
    if (c->refused) return;
    c->refused = 1;
    c->rv = rv;
}

/* While the token is away, what concerns it fails. A token that was pulled out
 * takes its sessions with it (PKCS#11 2.40, 5.6), in every process. */
static void absence(struct call *c) {
    c->gone = ledger_gone();
    pthread_mutex_lock(&lock);
    int first = c->gone && !closed_for_absence;
    closed_for_absence = c->gone;
    pthread_mutex_unlock(&lock);
    if (first) {
        struct call all = {.subject = NOTHING};
        close_sessions(&all);
    }
    if (!c->gone || c->fn == F_C_GetSlotInfo) return;
    if (c->subject == SLOT) refuse(c, CKR_TOKEN_NOT_PRESENT);
    if (c->subject == SESSION) refuse(c, CKR_DEVICE_REMOVED);
}

static void apply(struct call *c, const struct rule *r) {
    switch (r->action) {
    case RETURN_CODE: refuse(c, r->arg); break;
    case AFTER_CODE: c->after = 1, c->after_rv = r->arg; break;
    case KILL:
        if (c->plan->log) ledger_log_end(c->seq, c->fn, "kill");
        kill_both();
    case KILL_AFTER: c->kill_after = 1; break;
    case HANG:
        if (c->plan->log) ledger_log_end(c->seq, c->fn, "hang");
        for (;;) pause();
    case CRASH:
        if (c->plan->log) ledger_log_end(c->seq, c->fn, "crash");
        crash();
    case EXIT_CODE:
        if (c->plan->log) ledger_log_end(c->seq, c->fn, "exit");
        _exit((int)r->arg);
    case GARBAGE:
        garbage(1, r->arg);
        garbage(2, r->arg);
        break;
    case SLEEP_MS: pause_for(r->arg * 1000); break;
    case LOSE_SESSIONS:
        close_sessions(c);
        refuse(c, CKR_SESSION_HANDLE_INVALID);
        break;
    case VANISH: ledger_vanish(); break;
    case BREAK_OFF: c->break_off = 1, c->after = 1, c->after_rv = r->arg; break;
    case VANISH_HALFWAY: c->break_off = c->vanish_halfway = 1, c->after = 1, c->after_rv = CKR_DEVICE_REMOVED; break;
    case FLIP:
        pthread_mutex_lock(&lock);
        armed[c->fn] = 1;
        pthread_mutex_unlock(&lock);
        break;
    }
}

/* enter counts a call and does what the plan wants before it. Afterwards the
 * real function is to be called unless c->refused is set. */
void enter(struct call *c, enum function fn, enum subject subject, CK_ULONG handle) {
    uint64_t nth;
    memset(c, 0, sizeof *c);
    c->fn = fn, c->subject = subject, c->handle = handle;
    pthread_mutex_lock(&lock);
    c->plan = current_plan();
    pthread_mutex_unlock(&lock);
    c->seq = ledger_count(fn, &nth);
    if (c->plan->delay_us > 0) pause_for(c->plan->delay_us);
    for (int i = 0; i < c->plan->nrules; i++) {
        const struct rule *r = &c->plan->rules[i];
        uint64_t count = r->fn == ANY_FUNCTION ? c->seq : nth;
        if ((r->fn == ANY_FUNCTION || r->fn == fn) && count >= r->first && count <= r->last) apply(c, r);
    }
    absence(c);
}

/* breaks_off gives the template by which the real function leaves half an object
 * on the token: SoftHSM refuses an attribute that it does not know only when the
 * object is there, and lets it lie. */
int breaks_off(const struct call *c, CK_ATTRIBUTE_PTR *t, CK_ULONG *n, CK_ATTRIBUTE *broken) {
    static CK_BYTE nothing;
    if (c->refused || !c->break_off) return 0;
    if (*n >= MAX_TEMPLATE) complain("a template of %lu attributes", (unsigned long)*n);
    memcpy(broken, *t, *n * sizeof *broken);
    broken[(*n)++] = (CK_ATTRIBUTE){CKA_VENDOR_DEFINED | 0x7E57, &nothing, sizeof nothing};
    *t = broken;
    return 1;
}

void broke_off(struct call *c) {
    if (!c->vanish_halfway) return;
    ledger_vanish();
    absence(c);
    c->refused = 0; /* the answer is after_rv */
}

/* leave does what the plan wants after the real function gave rv. */
CK_RV leave(struct call *c, CK_RV rv) {
    if (c->refused) rv = c->rv;
    if (c->kill_after) {
        if (c->plan->log) ledger_log_end(c->seq, c->fn, "kill-after");
        kill_both();
    }
    if (c->after) rv = c->after_rv;
    if (c->plan->log) ledger_log(c->seq, c->fn, rv);
    return rv;
}

void flip_output(const struct call *c, CK_RV rv, CK_BYTE_PTR out, CK_ULONG_PTR len) {
    if (c->refused || rv != CKR_OK || out == NULL || *len == 0) return;
    pthread_mutex_lock(&lock);
    if (armed[c->fn]) out[*len / 2] ^= 0x10;
    armed[c->fn] = 0;
    pthread_mutex_unlock(&lock);
}
