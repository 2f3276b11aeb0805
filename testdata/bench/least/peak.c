/* peak CMD ARGS...  prints the greatest resident set of CMD, in KiB.
 *
 * ru_maxrss survives exec, so a child begins with the size of whoever started
 * it: that must be a program smaller than anything to be measured, which the
 * measuring program itself is not. Of a tree of processes it is the largest. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct rusage usage;
    int status;
    pid_t child = argc > 1 ? fork() : -1;
    if (child < 0) return 2;
    if (child == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR) return 1;
    printf("%ld\n", usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
