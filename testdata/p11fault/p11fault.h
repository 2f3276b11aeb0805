/* p11fault is a PKCS#11 2.40 module that stands in front of a real one and
 * fails as a plan says. The plan is the file "<path of the module>.conf": no
 * environment is needed, so the module works in a process whose environment
 * was cleaned. plan.c has the grammar. */
#ifndef SSOVAULT_P11FAULT_H
#define SSOVAULT_P11FAULT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "cryptoki.h"

/* One number for each function of CK_FUNCTION_LIST, in the standard's order. */
enum function {
#define CK_PKCS11_FUNCTION_INFO(name) F_##name,
#include "pkcs11f.h"
#undef CK_PKCS11_FUNCTION_INFO
    FUNCTIONS,
    ANY_FUNCTION = FUNCTIONS
};

extern const char *const function_names[FUNCTIONS];

enum action {
    RETURN_CODE,
    AFTER_CODE,
    KILL,
    KILL_AFTER,
    HANG,
    CRASH,
    EXIT_CODE,
    GARBAGE,
    SLEEP_MS,
    LOSE_SESSIONS,
    VANISH,
    BREAK_OFF,
    VANISH_HALFWAY,
    FLIP
};

struct rule {
    enum function fn; /* or ANY_FUNCTION: the count over all functions */
    uint64_t first, last;
    enum action action;
    uint64_t arg;
};

enum { MAX_RULES = 64, MAX_HIDDEN = 32, MAX_CLASSES = 8, MAX_UNTOLD = 16 };

/* What a token tells beside an attribute that it does not tell. */
enum telling { TELL_BESIDE, TELL_BEFORE, TELL_NOTHING, TELL_MARKED };

enum iv_maker { IV_CALLER, IV_APPENDED, IV_WRITTEN };

/* A plan is never changed once read: a call works by one plan to its end, even
 * when the file is replaced meanwhile. */
struct plan {
    char library[PATH_MAX];
    uint64_t delay_us;
    int log;
    enum iv_maker iv;
    CK_FLAGS set, clear;
    char serial_suffix[17], label[33];
    struct rule rules[MAX_RULES];
    int nrules;
    CK_MECHANISM_TYPE hidden[MAX_HIDDEN];
    int nhidden;
    struct refusal { CK_OBJECT_CLASS class; CK_RV rv; } refused[MAX_CLASSES];
    int nrefused;
    CK_ATTRIBUTE_TYPE untold[MAX_UNTOLD]; /* all in one manner: a plan is of one device */
    int nuntold;
    enum telling telling;
};

/* plan.c */
const struct plan *plan_read(const char *file);
int has_output(enum function fn);
_Noreturn void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ledger.c: the counts, the log and the absence that outlive a process */
void ledger_open(const char *module);
uint64_t ledger_count(enum function fn, uint64_t *of_function);
void ledger_log(uint64_t seq, enum function fn, CK_RV rv);
void ledger_log_end(uint64_t seq, enum function fn, const char *how);
int ledger_gone(void);
void ledger_vanish(void);

/* What the first argument of a function names. */
enum subject { NOTHING, SLOT, SESSION };

/* One call on its way through. */
struct call {
    enum function fn;
    enum subject subject;
    CK_ULONG handle;
    const struct plan *plan;
    uint64_t seq;
    int refused; /* the real function is not called; rv holds the answer */
    CK_RV rv;
    int after; /* the real function's answer is replaced by after_rv */
    CK_RV after_rv;
    int kill_after;
    int break_off, vanish_halfway;
    int gone;
};

/* faults.c */
extern CK_FUNCTION_LIST_PTR real;
void module_open(void);
void enter(struct call *c, enum function fn, enum subject subject, CK_ULONG handle);
enum { MAX_TEMPLATE = 64 };
int breaks_off(const struct call *c, CK_ATTRIBUTE_PTR *t, CK_ULONG *n, CK_ATTRIBUTE *broken);
void broke_off(struct call *c);
CK_RV leave(struct call *c, CK_RV rv);
void flip_output(const struct call *c, CK_RV rv, CK_BYTE_PTR out, CK_ULONG_PTR len);

/* devices.c: other vendors' behaviour, on top of the real module */
int mechanism_hidden(const struct plan *p, CK_MECHANISM_TYPE type);
void rewrite_token_info(const struct plan *p, CK_TOKEN_INFO *info);
CK_RV list_mechanisms(const struct plan *p, CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count);
CK_RV encrypt_init(const struct plan *p, CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE key);
CK_RV encrypt(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen, CK_BYTE_PTR out, CK_ULONG_PTR outlen);
CK_RV get_attributes(const struct plan *p, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR t, CK_ULONG n);
int makes_its_iv(CK_SESSION_HANDLE s);
void end_operation(enum function fn, CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen);

#endif
