/* p11list looks at a token from a process of its own: a second user of a
 * PKCS#11 library inside the tested process would finalise it under the first.
 *
 *   p11list LIBRARY slots          tab-separated: slot, flags, serial, label, model
 *   p11list LIBRARY objects SLOT   PIN on standard input (empty: no login); one
 *                                  object a line: NAME=HEX fields
 *   p11list LIBRARY init SLOT LABEL  lines of standard input: present SO PIN, SO PIN
 *                                  to set (or the same), user PIN to set
 *
 *   p11list LIBRARY nameless SLOT KEYTYPE [NUMBER=HEX]…  PIN on standard input;
 *                                  unwraps a key of that type, which no label names,
 *                                  with these attributes
 *   p11list LIBRARY pair SLOT COUNT [NUMBER=HEX]…  PIN on standard input; makes an
 *                                  RSA pair: the first COUNT attributes are the public
 *                                  key's, the others the private one's
 *
 * A failing call is named on standard error with its code; the status is 1. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cryptoki.h"

static CK_FUNCTION_LIST_PTR p11;

static void check(CK_RV rv, const char *what) {
    if (rv == CKR_OK) return;
    fprintf(stderr, "p11list: %s: 0x%lX\n", what, (unsigned long)rv);
    exit(1);
}

static void load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    if (get == NULL) {
        fprintf(stderr, "p11list: %s\n", dlerror());
        exit(1);
    }
    check(get(&p11), "C_GetFunctionList");
    check(p11->C_Initialize(NULL), "C_Initialize");
}

/* A field of CK_TOKEN_INFO, without its padding. */
static void field(const CK_UTF8CHAR *text, size_t n) {
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\0')) n--;
    fwrite(text, 1, n, stdout);
}

static void slots(void) {
    CK_SLOT_ID ids[256];
    CK_ULONG n = sizeof ids / sizeof *ids;
    check(p11->C_GetSlotList(CK_TRUE, ids, &n), "C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        check(p11->C_GetTokenInfo(ids[i], &info), "C_GetTokenInfo");
        printf("%lu\t0x%lX\t", (unsigned long)ids[i], (unsigned long)info.flags);
        field(info.serialNumber, sizeof info.serialNumber);
        putchar('\t');
        field(info.label, sizeof info.label);
        putchar('\t');
        field(info.model, sizeof info.model);
        putchar('\n');
    }
}

static size_t line(char *to, int size) {
    if (fgets(to, size, stdin) == NULL) to[0] = '\0';
    to[strcspn(to, "\n")] = '\0';
    return strlen(to);
}

static const struct { const char *name; CK_ATTRIBUTE_TYPE type; } attributes[] = {
    {"class", CKA_CLASS}, {"label", CKA_LABEL}, {"id", CKA_ID}, {"key-type", CKA_KEY_TYPE},
    {"length", CKA_VALUE_LEN}, {"private", CKA_PRIVATE}, {"modifiable", CKA_MODIFIABLE},
    {"sensitive", CKA_SENSITIVE}, {"extractable", CKA_EXTRACTABLE}, {"trusted", CKA_TRUSTED},
    {"wrap-with-trusted", CKA_WRAP_WITH_TRUSTED}, {"encrypt", CKA_ENCRYPT}, {"decrypt", CKA_DECRYPT},
    {"wrap", CKA_WRAP}, {"unwrap", CKA_UNWRAP}, {"sign", CKA_SIGN}, {"verify", CKA_VERIFY},
    {"derive", CKA_DERIVE}, {"application", CKA_APPLICATION}, {"modulus", CKA_MODULUS}, {"value", CKA_VALUE},
};

/* What a token does not know or does not tell is left out. */
static void attribute(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, const char *name, CK_ATTRIBUTE_TYPE type) {
    CK_ATTRIBUTE a = {type, NULL, 0};
    if (p11->C_GetAttributeValue(s, o, &a, 1) != CKR_OK || a.ulValueLen == CK_UNAVAILABLE_INFORMATION) return;
    CK_BYTE *value = malloc(a.ulValueLen + 1);
    if (value == NULL) check(CKR_HOST_MEMORY, "malloc");
    a.pValue = value;
    if (p11->C_GetAttributeValue(s, o, &a, 1) == CKR_OK) {
        printf("%s=", name);
        for (CK_ULONG i = 0; i < a.ulValueLen; i++) printf("%02x", value[i]);
        putchar(' ');
    }
    free(value);
}

static void objects(CK_SLOT_ID slot) {
    char pin[256];
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE handles[4096];
    CK_ULONG n = 0, got;
    check(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &s), "C_OpenSession");
    size_t len = line(pin, sizeof pin);
    if (len > 0) check(p11->C_Login(s, CKU_USER, (CK_UTF8CHAR_PTR)pin, len), "C_Login");
    check(p11->C_FindObjectsInit(s, NULL, 0), "C_FindObjectsInit");
    do {
        check(p11->C_FindObjects(s, handles + n, sizeof handles / sizeof *handles - n, &got), "C_FindObjects");
        n += got;
    } while (got > 0 && n < sizeof handles / sizeof *handles);
    check(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal");
    for (CK_ULONG i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof attributes / sizeof *attributes; k++)
            attribute(s, handles[i], attributes[k].name, attributes[k].type);
        putchar('\n');
    }
}

static void init(CK_SLOT_ID slot, const char *label) {
    char so[256], next[256], user[256];
    CK_UTF8CHAR padded[32];
    CK_SESSION_HANDLE s;
    size_t nso = line(so, sizeof so), nnext = line(next, sizeof next), nuser = line(user, sizeof user);
    memset(padded, ' ', sizeof padded);
    memcpy(padded, label, strnlen(label, sizeof padded));
    check(p11->C_InitToken(slot, (CK_UTF8CHAR_PTR)so, nso, padded), "C_InitToken");
    check(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s), "C_OpenSession");
    check(p11->C_Login(s, CKU_SO, (CK_UTF8CHAR_PTR)so, nso), "C_Login as security officer");
    if (strcmp(so, next) != 0)
        check(p11->C_SetPIN(s, (CK_UTF8CHAR_PTR)so, nso, (CK_UTF8CHAR_PTR)next, nnext), "C_SetPIN");
    check(p11->C_InitPIN(s, (CK_UTF8CHAR_PTR)user, nuser), "C_InitPIN");
}

enum { MAX_ATTRIBUTES = 32, MAX_VALUE = 64 };

/* parse reads attributes, NUMBER=HEX each. */
static void parse(int n, char **more, CK_ATTRIBUTE *template, CK_BYTE (*values)[MAX_VALUE]) {
    if (n > MAX_ATTRIBUTES) check(CKR_HOST_MEMORY, "so many attributes");
    for (int i = 0; i < n; i++) {
        char *digits;
        template[i] = (CK_ATTRIBUTE){strtoul(more[i], &digits, 0), values[i], 0};
        for (digits++; sscanf(digits, "%2hhx", &values[i][template[i].ulValueLen]) == 1; digits += 2)
            if (++template[i].ulValueLen == MAX_VALUE) check(CKR_HOST_MEMORY, "so long a value");
    }
}

/* user opens a session, and logs in with the PIN on standard input. */
static CK_SESSION_HANDLE user(CK_SLOT_ID slot) {
    CK_SESSION_HANDLE s;
    char pin[256];

    check(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s), "C_OpenSession");
    size_t len = line(pin, sizeof pin);
    check(p11->C_Login(s, CKU_USER, (CK_UTF8CHAR_PTR)pin, len), "C_Login");
    return s;
}

/* pair makes an RSA pair. */
static void pair(CK_SLOT_ID slot, int of_public, int n, char **more) {
    static CK_BYTE values[2][MAX_ATTRIBUTES][MAX_VALUE];
    CK_ATTRIBUTE template[2][MAX_ATTRIBUTES];
    CK_MECHANISM rsa = {0, NULL, 0};
    CK_OBJECT_HANDLE public, private;

    if (of_public < 0 || of_public > n) check(CKR_HOST_MEMORY, "so few attributes");
    parse(of_public, more, template[0], values[0]);
    parse(n - of_public, more + of_public, template[1], values[1]);
    CK_SESSION_HANDLE s = user(slot);
    check(p11->C_GenerateKeyPair(s, &rsa, template[0], of_public, template[1], n - of_public, &public, &private), "C_GenerateKeyPair");
}

/* nameless makes a key of the session that may leave, wraps it, and unwraps it as
 * one that stays. */
static void nameless(CK_SLOT_ID slot, CK_ULONG type, int n, char **more) {
    static CK_BYTE values[MAX_ATTRIBUTES][MAX_VALUE], wrapped[8192];
    static const CK_ULONG length = 24, bits = 2048;
    static const CK_BBOOL yes = CK_TRUE;
    static const CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE wraps[] = {{0x106, (void *)&yes, 1}, {0x107, (void *)&yes, 1}, {CKA_VALUE_LEN, (void *)&length, sizeof length}};
    CK_ATTRIBUTE leaves[] = {{CKA_EXTRACTABLE, (void *)&yes, 1}, {CKA_VALUE_LEN, (void *)&length, sizeof length}};
    CK_ATTRIBUTE public[] = {{0x121, (void *)&bits, sizeof bits}, {0x122, (void *)exponent, sizeof exponent}};
    CK_ATTRIBUTE template[MAX_ATTRIBUTES];
    CK_MECHANISM aes = {0x1080, NULL, 0}, des3 = {0x131, NULL, 0}, rsa = {0, NULL, 0}, wrap_pad = {0x210A, NULL, 0};
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE wrapper, key, pub;
    CK_ULONG size = sizeof wrapped;

    parse(n, more, template, values);
    s = user(slot);
    check(p11->C_GenerateKey(s, &aes, wraps, 3, &wrapper), "C_GenerateKey");
    if (type == 0)
        check(p11->C_GenerateKeyPair(s, &rsa, public, 2, leaves, 1, &pub, &key), "C_GenerateKeyPair");
    else if (type == 0x15)
        check(p11->C_GenerateKey(s, &des3, leaves, 1, &key), "C_GenerateKey");
    else
        check(p11->C_GenerateKey(s, &aes, leaves, 2, &key), "C_GenerateKey");
    check(p11->C_WrapKey(s, &wrap_pad, wrapper, key, wrapped, &size), "C_WrapKey");
    check(p11->C_UnwrapKey(s, &wrap_pad, wrapper, wrapped, size, template, n, &key), "C_UnwrapKey");
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[2], "slots") == 0) {
        load(argv[1]);
        slots();
    } else if (argc == 4 && strcmp(argv[2], "objects") == 0) {
        load(argv[1]);
        objects(strtoul(argv[3], NULL, 10));
    } else if (argc == 5 && strcmp(argv[2], "init") == 0) {
        load(argv[1]);
        init(strtoul(argv[3], NULL, 10), argv[4]);
    } else if (argc >= 5 && strcmp(argv[2], "nameless") == 0) {
        load(argv[1]);
        nameless(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 0), argc - 5, argv + 5);
    } else if (argc >= 5 && strcmp(argv[2], "pair") == 0) {
        load(argv[1]);
        pair(strtoul(argv[3], NULL, 10), atoi(argv[4]), argc - 5, argv + 5);
    } else {
        fputs("usage: p11list LIBRARY slots|objects SLOT|init SLOT LABEL|nameless SLOT KEYTYPE [NUMBER=HEX]…|pair SLOT COUNT [NUMBER=HEX]…\n", stderr);
        return 2;
    }
    p11->C_Finalize(NULL);
    return fflush(stdout) == 0 ? 0 : 1;
}
