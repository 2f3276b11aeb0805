/* What outlives a process: <module>.count, <module>.log, <module>.gone.
 *
 * "The 17th call" means the 17th of all processes together, since a program
 * under test reaches the module through helpers that come and go. The counts
 * lie in a file that every process maps; the additions are atomic. Its records
 * bear the functions' names, so that a reader needs no list of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p11fault.h"

static struct record {
    char name[32];
    uint64_t count;
} *records; /* the last one, "*", counts all calls */

static char log_file[PATH_MAX], gone_file[PATH_MAX];

static void beside(char *to, const char *module, const char *suffix) {
    if (snprintf(to, PATH_MAX, "%s.%s", module, suffix) >= PATH_MAX) complain("the module's path is too long");
}

void ledger_open(const char *module) {
    char file[PATH_MAX];
    struct stat st;
    size_t size = (FUNCTIONS + 1) * sizeof *records;
    beside(log_file, module, "log");
    beside(gone_file, module, "gone");
    beside(file, module, "count");
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) complain("%s: %s", file, strerror(errno));
    /* The first process writes the names; the lock lets the second one wait
     * for it, not see half a file. */
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR) complain("%s: %s", file, strerror(errno));
    if (fstat(fd, &st) != 0) complain("%s: %s", file, strerror(errno));
    int fresh = st.st_size == 0;
    if (!fresh && (size_t)st.st_size != size) complain("%s has %lld bytes, not %zu", file, (long long)st.st_size, size);
    if (fresh && ftruncate(fd, (off_t)size) != 0) complain("%s: %s", file, strerror(errno));
    records = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (records == MAP_FAILED) complain("%s: %s", file, strerror(errno));
    if (fresh) {
        for (int i = 0; i < FUNCTIONS; i++) strncpy(records[i].name, function_names[i], sizeof records[i].name - 1);
        strcpy(records[FUNCTIONS].name, "*");
    }
    flock(fd, LOCK_UN); /* the close alone would not: the mapping keeps the file open */
    close(fd);
}

/* ledger_count counts a call and gives its number among all calls. */
uint64_t ledger_count(enum function fn, uint64_t *of_function) {
    *of_function = __atomic_add_fetch(&records[fn].count, 1, __ATOMIC_SEQ_CST);
    return __atomic_add_fetch(&records[FUNCTIONS].count, 1, __ATOMIC_SEQ_CST);
}

static void append(const char *line, int n) {
    int fd = open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) complain("%s: %s", log_file, strerror(errno));
    if (write(fd, line, (size_t)n) != n) complain("%s: %s", log_file, strerror(errno));
    close(fd);
}

void ledger_log(uint64_t seq, enum function fn, CK_RV rv) {
    char line[128];
    append(line, snprintf(line, sizeof line, "%d %llu %s 0x%lX\n", (int)getpid(), (unsigned long long)seq,
                          function_names[fn], (unsigned long)rv));
}

/* ledger_log_end is for a call that never comes back: a word in place of the
 * code says why. */
void ledger_log_end(uint64_t seq, enum function fn, const char *how) {
    char line[128];
    append(line, snprintf(line, sizeof line, "%d %llu %s %s\n", (int)getpid(), (unsigned long long)seq,
                          function_names[fn], how));
}

int ledger_gone(void) { return access(gone_file, F_OK) == 0; }

void ledger_vanish(void) {
    int fd = open(gone_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) complain("%s: %s", gone_file, strerror(errno));
    close(fd);
}
