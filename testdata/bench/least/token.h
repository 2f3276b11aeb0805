/* The least that a program must do to reach a sealing key in a token. */
#ifndef SSOVAULT_BENCH_TOKEN_H
#define SSOVAULT_BENCH_TOKEN_H

#include <stddef.h>

#include "../../p11fault/cryptoki.h"

enum { IV_SIZE = 12, TAG_SIZE = 16, DIGEST_SIZE = 32 };

struct token {
    CK_FUNCTION_LIST_PTR p11;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    char *instance;
};

struct bytes {
    CK_BYTE *at;
    size_t n;
};

/* Whatever fails ends the process: there is nothing to measure then. */
_Noreturn void die(const char *what, unsigned long code);
void check(CK_RV rv, const char *what);
void *memory(size_t n);
struct bytes slurp(const char *base, const char *name);

/* load loads a library and initialises it. slot_of finds the token of a serial
 * number; "" is any. log_in opens a session and logs in as the user. */
void load(struct token *t, const char *library);
CK_SLOT_ID slot_of(const struct token *t, const char *serial);
void log_in(struct token *t, CK_SLOT_ID slot, CK_FLAGS flags, struct bytes pin);

/* open_token does what sks.properties and sks.pin of an install folder say, up
 * to the handle of the key. */
void open_token(const char *base, struct token *t);
void close_token(struct token *t);

/* find_one gives the one object that has these attributes. */
CK_OBJECT_HANDLE find_one(const struct token *t, CK_ATTRIBUTE *attributes, CK_ULONG n);
void gcm(CK_MECHANISM *m, CK_GCM_PARAMS *p, CK_BYTE *iv, struct bytes aad);

#endif
