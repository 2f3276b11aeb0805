/* The grammar of a plan, one directive a line, "#" begins a comment:
 *
 *   library PATH                    the real module (required)
 *   log                             "<pid> <seq> C_Name 0xRV" a call, in <module>.log
 *   delay-us N                      added to every call
 *   on FUNCTION COUNT ACTION [ARG]  FUNCTION is a C_Name or *, COUNT is N, N+ or *
 *   iv caller|appended|written      who makes the IV of AES-GCM
 *   flags SET CLEAR                 bits of CK_TOKEN_INFO.flags
 *   no-mechanism TYPE               hidden and refused
 *   serial-suffix TEXT              the token's serial number ends so
 *   label-is TEXT                   the token's label
 *   untold TYPE HOW                 C_GetAttributeValue does not tell an attribute:
 *                                   beside (the others are told, as the standard
 *                                   says), stops (those behind it are not looked
 *                                   at), nothing (no other is told), marks (nor
 *                                   that, and all are marked as not told)
 *   refuse-objects CLASS [CODE]     C_CreateObject of data, certificate, public-key,
 *                                   private-key or secret-key gives CODE, else 0x1B
 *
 * ACTION is one of
 *
 *   return CODE        the real function is not called
 *   after CODE         it is called, and its answer lost
 *   kill, kill-after   SIGKILL to the parent, then to this process
 *   hang, crash        for ever; a true SIGSEGV
 *   exit STATUS        the library ends the process
 *   garbage BYTES      so many on descriptor 1 and on 2, then as usual
 *   sleep-ms N         then as usual
 *   lose-sessions      C_CloseAllSessions, then CKR_SESSION_HANDLE_INVALID
 *   vanish             the token is away until <module>.gone is removed
 *   break-off CODE     what a function has made of an object stays, without a name;
 *                      it gives CODE
 *   vanish-halfway     the same, since the token is away from then on
 *   flip               one bit of the output; a call without output (a length
 *                      query) leaves it to the function's next call
 *
 * What is not understood ends the process: a test must not pass because its
 * fault never happened. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p11fault.h"

const char *const function_names[FUNCTIONS] = {
#define CK_PKCS11_FUNCTION_INFO(name) #name,
#include "pkcs11f.h"
#undef CK_PKCS11_FUNCTION_INFO
};

void complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("p11fault: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

struct line {
    const char *file;
    int number;
    char *words[8];
    int n;
};

static _Noreturn void bad(const struct line *l, const char *what) {
    complain("%s:%d: %s", l->file, l->number, what);
}

static void demand(const struct line *l, int least, int most) {
    if (l->n < least || l->n > most) bad(l, "wrong number of words");
}

static uint64_t number(const struct line *l, const char *text) {
    char *end;
    if (*text < '0' || *text > '9') bad(l, "a number is expected");
    uint64_t n = strtoull(text, &end, 0);
    if (*end != '\0') bad(l, "a number is expected");
    return n;
}

static enum function function(const struct line *l, const char *name) {
    if (strcmp(name, "*") == 0) return ANY_FUNCTION;
    for (int i = 0; i < FUNCTIONS; i++)
        if (strcmp(name, function_names[i]) == 0) return (enum function)i;
    bad(l, "no such function");
}

int has_output(enum function fn) {
    switch (fn) {
    case F_C_Encrypt: case F_C_EncryptUpdate: case F_C_EncryptFinal:
    case F_C_Decrypt: case F_C_DecryptUpdate: case F_C_DecryptFinal:
    case F_C_Digest: case F_C_DigestFinal: case F_C_Sign: case F_C_SignFinal:
    case F_C_WrapKey: case F_C_GenerateRandom:
        return 1;
    default:
        return 0;
    }
}

static int makes_object(enum function fn) {
    return fn == F_C_CreateObject || fn == F_C_GenerateKey || fn == F_C_GenerateKeyPair || fn == F_C_UnwrapKey;
}

static void counts(const struct line *l, char *text, struct rule *r) {
    size_t n = strlen(text);
    if (strcmp(text, "*") == 0) {
        r->first = 1, r->last = UINT64_MAX;
        return;
    }
    int open_ended = n > 1 && text[n - 1] == '+';
    if (open_ended) text[n - 1] = '\0';
    r->first = number(l, text);
    if (r->first == 0) bad(l, "calls are counted from 1");
    r->last = open_ended ? UINT64_MAX : r->first;
}

static const struct { const char *word; enum action action; int has_arg; } actions[] = {
    {"return", RETURN_CODE, 1}, {"after", AFTER_CODE, 1}, {"kill", KILL, 0},
    {"kill-after", KILL_AFTER, 0}, {"hang", HANG, 0}, {"crash", CRASH, 0},
    {"exit", EXIT_CODE, 1}, {"garbage", GARBAGE, 1}, {"sleep-ms", SLEEP_MS, 1},
    {"break-off", BREAK_OFF, 1}, {"vanish-halfway", VANISH_HALFWAY, 0}, {"lose-sessions", LOSE_SESSIONS, 0}, {"vanish", VANISH, 0}, {"flip", FLIP, 0},
};

static void on(const struct line *l, struct plan *p) {
    demand(l, 4, 5);
    if (p->nrules == MAX_RULES) bad(l, "too many rules");
    struct rule *r = &p->rules[p->nrules++];
    r->fn = function(l, l->words[1]);
    counts(l, l->words[2], r);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(l->words[3], actions[i].word) != 0) continue;
        demand(l, 4 + actions[i].has_arg, 4 + actions[i].has_arg);
        r->action = actions[i].action;
        if (actions[i].has_arg) r->arg = number(l, l->words[4]);
        if ((r->action == BREAK_OFF || r->action == VANISH_HALFWAY) && !makes_object(r->fn))
            bad(l, "this function makes no object");
        if (r->action == FLIP && (r->fn == ANY_FUNCTION || !has_output(r->fn)))
            bad(l, "this function has no output that could be flipped");
        return;
    }
    bad(l, "no such action");
}

static CK_OBJECT_CLASS class(const struct line *l, const char *word) {
    static const struct { const char *word; CK_OBJECT_CLASS class; } classes[] = {
        {"data", CKO_DATA}, {"certificate", CKO_CERTIFICATE}, {"public-key", CKO_PUBLIC_KEY},
        {"private-key", CKO_PRIVATE_KEY}, {"secret-key", CKO_SECRET_KEY},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(word, classes[i].word) == 0) return classes[i].class;
    bad(l, "no such class of objects");
}

static void text(const struct line *l, char *to, size_t size) {
    demand(l, 2, 2);
    if (strlen(l->words[1]) >= size) bad(l, "too long");
    strcpy(to, l->words[1]);
}

static void directive(const struct line *l, struct plan *p) {
    const char *word = l->words[0];
    if (strcmp(word, "on") == 0) {
        on(l, p);
    } else if (strcmp(word, "library") == 0) {
        text(l, p->library, sizeof p->library);
    } else if (strcmp(word, "delay-us") == 0) {
        demand(l, 2, 2);
        p->delay_us = number(l, l->words[1]);
    } else if (strcmp(word, "log") == 0) {
        demand(l, 1, 1);
        p->log = 1;
    } else if (strcmp(word, "iv") == 0) {
        demand(l, 2, 2);
        if (strcmp(l->words[1], "caller") == 0) p->iv = IV_CALLER;
        else if (strcmp(l->words[1], "appended") == 0) p->iv = IV_APPENDED;
        else if (strcmp(l->words[1], "written") == 0) p->iv = IV_WRITTEN;
        else bad(l, "no such maker of IVs");
    } else if (strcmp(word, "flags") == 0) {
        demand(l, 3, 3);
        p->set = number(l, l->words[1]);
        p->clear = number(l, l->words[2]);
    } else if (strcmp(word, "no-mechanism") == 0) {
        demand(l, 2, 2);
        if (p->nhidden == MAX_HIDDEN) bad(l, "too many mechanisms");
        p->hidden[p->nhidden++] = number(l, l->words[1]);
    } else if (strcmp(word, "serial-suffix") == 0) {
        text(l, p->serial_suffix, sizeof p->serial_suffix);
    } else if (strcmp(word, "label-is") == 0) {
        text(l, p->label, sizeof p->label);
    } else if (strcmp(word, "untold") == 0) {
        demand(l, 3, 3);
        if (p->nuntold == MAX_UNTOLD) bad(l, "too many attributes");
        p->untold[p->nuntold++] = number(l, l->words[1]);
        if (strcmp(l->words[2], "beside") == 0) p->telling = TELL_BESIDE;
        else if (strcmp(l->words[2], "stops") == 0) p->telling = TELL_BEFORE;
        else if (strcmp(l->words[2], "nothing") == 0) p->telling = TELL_NOTHING;
        else if (strcmp(l->words[2], "marks") == 0) p->telling = TELL_MARKED;
        else bad(l, "no such way to refuse an attribute");
    } else if (strcmp(word, "refuse-objects") == 0) {
        demand(l, 2, 3);
        if (p->nrefused == MAX_CLASSES) bad(l, "too many classes");
        p->refused[p->nrefused].class = class(l, l->words[1]);
        p->refused[p->nrefused++].rv = l->n == 3 ? number(l, l->words[2]) : CKR_ACTION_PROHIBITED;
    } else {
        bad(l, "no such directive");
    }
}

/* plan_read gives the plan in file, or ends the process. */
const struct plan *plan_read(const char *file) {
    FILE *f = fopen(file, "re");
    if (f == NULL) complain("%s cannot be opened", file);
    struct plan *p = calloc(1, sizeof *p);
    if (p == NULL) complain("out of memory");
    struct line l = {.file = file};
    char buffer[2 * PATH_MAX];
    while (fgets(buffer, sizeof buffer, f) != NULL) {
        l.number++;
        if (strchr(buffer, '\n') == NULL) bad(&l, "too long, or not ended by a newline");
        l.n = 0;
        char *rest;
        for (char *w = strtok_r(buffer, " \t\n", &rest); w != NULL && *w != '#'; w = strtok_r(NULL, " \t\n", &rest)) {
            if (l.n == sizeof l.words / sizeof *l.words) bad(&l, "too many words");
            l.words[l.n++] = w;
        }
        if (l.n > 0) directive(&l, p);
    }
    if (ferror(f)) complain("%s cannot be read", file);
    fclose(f);
    if (p->library[0] == '\0') complain("%s names no library", file);
    return p;
}
