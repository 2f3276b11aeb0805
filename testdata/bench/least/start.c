/* The smallest program that does the PKCS#11 work of a start, in one process:
 *
 *   start unseal BASE        prints both plaintexts, instance first
 *   start run BASE CMD ...   becomes CMD, with both plaintexts in memfds
 *
 * It looks at nothing that a start should look at: no modes and owners, no
 * digest, no journal, no refused PIN, no deadline. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "token.h"

/* open_file decrypts a sealed file; docs/FORMAT.md, IV convention "caller". */
static struct bytes open_file(const struct token *t, const char *base, const char *name) {
    struct bytes file = slurp(base, name);
    char *blank = strstr((char *)file.at, "\n\n");
    if (blank == NULL) die(name, 0);
    struct bytes aad = {file.at, (size_t)(blank + 2 - (char *)file.at)};
    CK_BYTE *iv = file.at + aad.n, *sealed = iv + IV_SIZE;
    size_t n = file.n - aad.n - IV_SIZE - DIGEST_SIZE;
    CK_MECHANISM m;
    CK_GCM_PARAMS p;
    gcm(&m, &p, iv, aad);
    struct bytes plain = {memory(n), 0};
    CK_ULONG got = n;
    check(t->p11->C_DecryptInit(t->session, &m, t->key), "C_DecryptInit");
    check(t->p11->C_Decrypt(t->session, sealed, n, plain.at, &got), "C_Decrypt");
    plain.n = got;
    return plain;
}

/* recall reads the generation that the token remembers. */
static void recall(const struct token *t) {
    char label[64], value[256];
    CK_OBJECT_CLASS class = CKO_DATA;
    int n = snprintf(label, sizeof label, "SSO Vault Generation %s", t->instance);
    CK_ATTRIBUTE mark[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, label, (CK_ULONG)n}};
    CK_ATTRIBUTE content = {CKA_VALUE, value, sizeof value};
    check(t->p11->C_GetAttributeValue(t->session, find_one(t, mark, 2), &content, 1), "C_GetAttributeValue");
}

static void put(int fd, struct bytes b) {
    if (write(fd, b.at, b.n) != (ssize_t)b.n) die("write", (unsigned long)errno);
}

static void hand_over(const char *variable, struct bytes b) {
    char path[32];
    int fd = memfd_create(variable, MFD_ALLOW_SEALING);
    if (fd < 0) die("memfd_create", (unsigned long)errno);
    put(fd, b);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    setenv(variable, path, 1);
}

int main(int argc, char **argv) {
    int run = argc > 3 && strcmp(argv[1], "run") == 0;
    if (!run && (argc != 3 || strcmp(argv[1], "unseal") != 0)) die("usage", 2);
    struct token t;
    open_token(argv[2], &t);
    struct bytes instance = open_file(&t, argv[2], "data/instance.encp");
    struct bytes shared = open_file(&t, argv[2], "data/shared.encp");
    recall(&t);
    close_token(&t);
    if (!run) {
        put(STDOUT_FILENO, instance);
        put(STDOUT_FILENO, shared);
        return 0;
    }
    hand_over("SSOVAULT_INSTANCE", instance);
    hand_over("SSOVAULT_SHARED", shared);
    execv(argv[3], argv + 3);
    die(argv[3], (unsigned long)errno);
}
