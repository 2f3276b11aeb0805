/* What the token itself takes for much at once:
 *
 *   bulk BASE BYTES   for each byte on standard input one line: nanoseconds of
 *                     sealing, nanoseconds of opening; until end of input
 *
 * The buffers are made and touched beforehand: only the device is timed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "token.h"

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage", 2);
    size_t n = strtoul(argv[2], NULL, 10);
    struct token t;
    open_token(argv[1], &t);
    CK_BYTE *plain = memory(n), *sealed = memory(n + TAG_SIZE), *opened = memory(n + TAG_SIZE), iv[IV_SIZE];
    CK_BYTE header[] = "a header";
    struct bytes aad = {header, sizeof header - 1};
    memset(plain, 'x', n);
    memset(sealed, 0, n + TAG_SIZE);
    memset(opened, 0, n + TAG_SIZE);
    while (getchar() != EOF) {
        CK_MECHANISM m;
        CK_GCM_PARAMS p;
        CK_ULONG nsealed = n + TAG_SIZE, nopened = n + TAG_SIZE;
        if (getrandom(iv, sizeof iv, 0) != sizeof iv) die("getrandom", 0);
        gcm(&m, &p, iv, aad);
        long long begun = now();
        check(t.p11->C_EncryptInit(t.session, &m, t.key), "C_EncryptInit");
        check(t.p11->C_Encrypt(t.session, plain, n, sealed, &nsealed), "C_Encrypt");
        long long between = now();
        check(t.p11->C_DecryptInit(t.session, &m, t.key), "C_DecryptInit");
        check(t.p11->C_Decrypt(t.session, sealed, nsealed, opened, &nopened), "C_Decrypt");
        long long ended = now();
        if (nopened != n || memcmp(plain, opened, n) != 0) die("what was opened is not what was sealed", nopened);
        printf("%lld %lld\n", between - begun, ended - between);
        fflush(stdout);
    }
    close_token(&t);
    return 0;
}
