/* Keys in the one token of a library; the PIN is on standard input:
 *
 *   keys make LIBRARY N   makes N keys in one session
 *   keys list LIBRARY     prints what "ssovault key list" needs to know of every
 *                         object, a line each, read by one C_GetAttributeValue
 *
 * It knows its token: that no label is longer than its buffer, and which
 * attributes the token tells of a secret key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "token.h"

static void make(const struct token *t, unsigned long n) {
    CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG length = 32;
    for (unsigned long i = 0; i < n; i++) {
        CK_OBJECT_HANDLE key;
        CK_BYTE id[16];
        char label[32];
        int size = snprintf(label, sizeof label, "key %05lu", i);
        if (getrandom(id, sizeof id, 0) != sizeof id) die("getrandom", 0);
        CK_ATTRIBUTE template[] = {
            {CKA_TOKEN, &yes, sizeof yes}, {CKA_PRIVATE, &yes, sizeof yes}, {CKA_SENSITIVE, &yes, sizeof yes},
            {CKA_EXTRACTABLE, &no, sizeof no}, {CKA_ENCRYPT, &yes, sizeof yes}, {CKA_DECRYPT, &yes, sizeof yes},
            {CKA_VALUE_LEN, &length, sizeof length}, {CKA_LABEL, label, (CK_ULONG)size}, {CKA_ID, id, sizeof id},
        };
        check(t->p11->C_GenerateKey(t->session, &generate, template, sizeof template / sizeof *template, &key), "C_GenerateKey");
    }
}

static CK_OBJECT_HANDLE *find_all(const struct token *t, CK_ULONG *n) {
    enum { AT_ONCE = 1024 };
    CK_OBJECT_HANDLE *all = NULL;
    CK_ULONG got;
    *n = 0;
    check(t->p11->C_FindObjectsInit(t->session, NULL, 0), "C_FindObjectsInit");
    do {
        all = realloc(all, (*n + AT_ONCE) * sizeof *all);
        if (all == NULL) die("memory", *n);
        check(t->p11->C_FindObjects(t->session, all + *n, AT_ONCE, &got), "C_FindObjects");
        *n += got;
    } while (got > 0);
    check(t->p11->C_FindObjectsFinal(t->session), "C_FindObjectsFinal");
    return all;
}

static const CK_ATTRIBUTE_TYPE flags[] = {
    CKA_PRIVATE, CKA_MODIFIABLE, CKA_SENSITIVE, CKA_WRAP, CKA_UNWRAP, CKA_EXTRACTABLE, CKA_DERIVE, CKA_ENCRYPT,
    CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP_WITH_TRUSTED, CKA_TRUSTED,
    CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE,
};
enum { FLAGS = sizeof flags / sizeof *flags };

static void list(const struct token *t) {
    CK_ULONG n;
    CK_OBJECT_HANDLE *all = find_all(t, &n);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_ULONG class, type, length;
        CK_BYTE label[256], id[256], kcv[8];
        CK_BBOOL set[FLAGS];
        enum { OTHERS = 6 };
        CK_ATTRIBUTE a[OTHERS + FLAGS] = {
            {CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}, {CKA_VALUE_LEN, &length, sizeof length},
            {CKA_LABEL, label, sizeof label}, {CKA_ID, id, sizeof id}, {CKA_CHECK_VALUE, kcv, sizeof kcv},
        };
        for (int k = 0; k < FLAGS; k++) a[OTHERS + k] = (CK_ATTRIBUTE){flags[k], &set[k], sizeof set[k]};
        check(t->p11->C_GetAttributeValue(t->session, all[i], a, OTHERS + FLAGS), "C_GetAttributeValue");
        printf("%.*s 0x%lX %lu ", (int)a[3].ulValueLen, (char *)label, (unsigned long)type, (unsigned long)length * 8);
        for (int k = 0; k < FLAGS; k++) putchar(set[k] ? '1' : '0');
        putchar(' ');
        for (CK_ULONG k = 0; k < a[5].ulValueLen; k++) printf("%02X", kcv[k]);
        putchar('\n');
    }
    free(all);
}

int main(int argc, char **argv) {
    int makes = argc == 4 && strcmp(argv[1], "make") == 0;
    if (!makes && (argc != 3 || strcmp(argv[1], "list") != 0)) die("usage", 2);
    char pin[64];
    if (fgets(pin, sizeof pin, stdin) == NULL) die("no PIN", 0);
    struct token t = {0};
    load(&t, argv[2]);
    log_in(&t, slot_of(&t, ""), makes ? CKF_RW_SESSION : 0, (struct bytes){(CK_BYTE *)pin, strcspn(pin, "\n")});
    if (makes) make(&t, strtoul(argv[3], NULL, 10));
    else list(&t);
    close_token(&t);
    return fflush(stdout) == 0 ? 0 : 1;
}
