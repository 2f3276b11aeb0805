/* A system call is suppressed by giving it the number -1 where it starts; the
 * kernel then does nothing, and the result is written where it ends. */
#include <elf.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "sysfault.h"

#if defined(__x86_64__)

int suppress_call(pid_t tid) {
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), -1L) == 0;
}

int set_result(pid_t tid, long result) {
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), result) == 0;
}

int set_argument(pid_t tid, int argument, unsigned long value) {
    if (argument != 2) return 0;
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rdx), value) == 0;
}

#elif defined(__aarch64__)

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

int suppress_call(pid_t tid) {
    int none = -1;
    struct iovec v = {&none, sizeof none};
    return ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &v) == 0;
}

int set_result(pid_t tid, long result) {
    struct user_regs_struct regs;
    struct iovec v = {&regs, sizeof regs};
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) != 0) return 0;
    regs.regs[0] = (unsigned long long)result;
    return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) == 0;
}

int set_argument(pid_t tid, int argument, unsigned long value) {
    struct user_regs_struct regs;
    struct iovec v = {&regs, sizeof regs};
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v) != 0) return 0;
    regs.regs[argument] = value;
    return ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v) == 0;
}

#else
#error "sysfault knows x86-64 and arm64 only"
#endif
