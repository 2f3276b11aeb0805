#include "token.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void die(const char *what, unsigned long code) {
    fprintf(stderr, "bench: %s: 0x%lX\n", what, code);
    exit(1);
}

void check(CK_RV rv, const char *what) {
    if (rv != CKR_OK) die(what, rv);
}

void *memory(size_t n) {
    void *p = malloc(n);
    if (p == NULL) die("memory", n);
    return p;
}

/* slurp adds a zero byte that is not counted. */
struct bytes slurp(const char *base, const char *name) {
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", base, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) die(path, (unsigned long)errno);
    struct bytes b = {memory((size_t)st.st_size + 1), (size_t)st.st_size};
    if (read(fd, b.at, b.n) != (ssize_t)b.n) die(path, (unsigned long)errno);
    b.at[b.n] = '\0';
    close(fd);
    return b;
}

/* property gives a value of properties text as ssovault writes it: one line,
 * "name=value", with nothing escaped but by a single backslash. */
static char *property(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, name, n) != 0 || line[n] != '=') continue;
        char *value = memory(strcspn(line, "\n") + 1), *to = value;
        for (const char *from = line + n + 1; *from != '\n' && *from != '\0'; from++)
            if (*from != '\\') *to++ = *from;
        *to = '\0';
        return value;
    }
    die(name, 0);
}

void load(struct token *t, const char *library) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = handle == NULL ? NULL : (CK_C_GetFunctionList)dlsym(handle, "C_GetFunctionList");
    if (get == NULL) die(dlerror(), 0);
    check(get(&t->p11), "C_GetFunctionList");
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    check(t->p11->C_Initialize(&args), "C_Initialize");
}

/* A serial number is padded with blanks to its field's length. SoftHSM always
 * has one more token, which is not initialised. */
CK_SLOT_ID slot_of(const struct token *t, const char *serial) {
    CK_SLOT_ID slots[64];
    CK_ULONG n = sizeof slots / sizeof *slots;
    check(t->p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        check(t->p11->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
        if (info.flags & CKF_TOKEN_INITIALIZED && memcmp(info.serialNumber, serial, strnlen(serial, sizeof info.serialNumber)) == 0) return slots[i];
    }
    die("no token has this serial number", 0);
}

CK_OBJECT_HANDLE find_one(const struct token *t, CK_ATTRIBUTE *attributes, CK_ULONG n) {
    CK_OBJECT_HANDLE found[2];
    CK_ULONG got;
    check(t->p11->C_FindObjectsInit(t->session, attributes, n), "C_FindObjectsInit");
    check(t->p11->C_FindObjects(t->session, found, 2, &got), "C_FindObjects");
    check(t->p11->C_FindObjectsFinal(t->session), "C_FindObjectsFinal");
    if (got != 1) die("objects found, not one", got);
    return found[0];
}

void log_in(struct token *t, CK_SLOT_ID slot, CK_FLAGS flags, struct bytes pin) {
    check(t->p11->C_OpenSession(slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &t->session), "C_OpenSession");
    check(t->p11->C_Login(t->session, CKU_USER, pin.at, pin.n), "C_Login");
}

void open_token(const char *base, struct token *t) {
    char *text = (char *)slurp(base, "data/sks.properties").at;
    struct bytes pin = slurp(base, "sks.pin");
    if (pin.n > 0 && pin.at[pin.n - 1] == '\n') pin.n--;
    t->instance = property(text, "sks.instance");
    load(t, property(text, "sks.library"));
    log_in(t, slot_of(t, property(text, "sks.token.serial")), 0, pin);

    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_BYTE id[16];
    const char *hex = property(text, "sks.key.id");
    for (size_t i = 0; i < sizeof id; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &id[i]) != 1) die("sks.key.id", i);
    CK_ATTRIBUTE key[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, id, sizeof id}};
    t->key = find_one(t, key, 2);
}

void close_token(struct token *t) { check(t->p11->C_Finalize(NULL), "C_Finalize"); }

void gcm(CK_MECHANISM *m, CK_GCM_PARAMS *p, CK_BYTE *iv, struct bytes aad) {
    *p = (CK_GCM_PARAMS){.pIv = iv, .ulIvLen = IV_SIZE, .ulIvBits = IV_SIZE * 8,
                         .pAAD = aad.at, .ulAADLen = aad.n, .ulTagBits = TAG_SIZE * 8};
    *m = (CK_MECHANISM){CKM_AES_GCM, p, sizeof *p};
}
