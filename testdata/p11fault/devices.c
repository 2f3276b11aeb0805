/* Traits of other vendors' devices, put on top of the real module. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "p11fault.h"

int mechanism_hidden(const struct plan *p, CK_MECHANISM_TYPE type) {
    for (int i = 0; i < p->nhidden; i++)
        if (p->hidden[i] == type) return 1;
    return 0;
}

CK_RV list_mechanisms(const struct plan *p, CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count) {
    if (p->nhidden == 0 || count == NULL) return real->C_GetMechanismList(slot, list, count);
    CK_ULONG all = 0, shown = 0;
    CK_RV rv = real->C_GetMechanismList(slot, NULL, &all);
    if (rv != CKR_OK) return rv;
    CK_MECHANISM_TYPE *types = calloc(all + 1, sizeof *types);
    if (types == NULL) return CKR_HOST_MEMORY;
    rv = real->C_GetMechanismList(slot, types, &all);
    for (CK_ULONG i = 0; rv == CKR_OK && i < all; i++)
        if (!mechanism_hidden(p, types[i])) types[shown++] = types[i];
    if (rv == CKR_OK && list != NULL) {
        if (*count < shown) rv = CKR_BUFFER_TOO_SMALL;
        else memcpy(list, types, shown * sizeof *types);
    }
    *count = shown;
    free(types);
    return rv;
}

/* The fields of CK_TOKEN_INFO are padded with blanks and not terminated. */
static void put_label(CK_UTF8CHAR *field, size_t size, const char *text) {
    memset(field, ' ', size);
    memcpy(field, text, strlen(text));
}

/* rewrite_token_info leaves a token alone that is not initialised: SoftHSM
 * always has one more of those. */
void rewrite_token_info(const struct plan *p, CK_TOKEN_INFO *info) {
    if (!(info->flags & CKF_TOKEN_INITIALIZED)) return;
    info->flags = (info->flags | p->set) & ~p->clear;
    if (p->label[0] != '\0') put_label(info->label, sizeof info->label, p->label);
    size_t n = strlen(p->serial_suffix), end = sizeof info->serialNumber;
    while (end > 0 && (info->serialNumber[end - 1] == ' ' || info->serialNumber[end - 1] == '\0')) end--;
    if (end + n > sizeof info->serialNumber) end = sizeof info->serialNumber - n;
    memcpy(info->serialNumber + end, p->serial_suffix, n);
}

/* The IVs that "the device" made, by session. An IV is appended to the output
 * (Luna in FIPS mode: 16 bytes after the tag) or was written to the caller's
 * buffer (CloudHSM: 12 bytes). */
enum { APPENDED_IV = 16, WRITTEN_IV = 12, SESSIONS = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct made { CK_SESSION_HANDLE session; int append; CK_BYTE iv[APPENDED_IV]; } made[SESSIONS]; /* 0: free */

static struct made *made_for(CK_SESSION_HANDLE s) {
    for (int i = 0; i < SESSIONS; i++)
        if (made[i].session == s) return &made[i];
    return NULL;
}

static void forget(CK_SESSION_HANDLE s) {
    pthread_mutex_lock(&lock);
    struct made *m = made_for(s);
    if (m != NULL) m->session = 0;
    pthread_mutex_unlock(&lock);
}

static void remember(CK_SESSION_HANDLE s, int append, const CK_BYTE *iv) {
    pthread_mutex_lock(&lock);
    struct made *m = made_for(s);
    if (m == NULL) m = made_for(0);
    if (m == NULL) complain("more than %d sessions encrypt at once", SESSIONS);
    m->session = s;
    m->append = append;
    if (append) memcpy(m->iv, iv, APPENDED_IV);
    pthread_mutex_unlock(&lock);
}

/* makes_its_iv tells whether the session encrypts under an IV of the device:
 * such devices do AES-GCM in a single part only. */
int makes_its_iv(CK_SESSION_HANDLE s) {
    pthread_mutex_lock(&lock);
    int yes = made_for(s) != NULL;
    pthread_mutex_unlock(&lock);
    return yes;
}

CK_RV encrypt_init(const struct plan *p, CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE key) {
    CK_BYTE iv[APPENDED_IV];
    if (m == NULL || m->mechanism != CKM_AES_GCM || p->iv == IV_CALLER) {
        CK_RV rv = real->C_EncryptInit(s, m, key);
        if (rv == CKR_OK) forget(s);
        return rv;
    }
    if (m->pParameter == NULL || m->ulParameterLen != sizeof(CK_GCM_PARAMS)) return CKR_MECHANISM_PARAM_INVALID;
    CK_GCM_PARAMS *given = m->pParameter;
    int append = p->iv == IV_APPENDED, has_iv = given->pIv != NULL && given->ulIvLen > 0;
    /* One refuses an IV that is given, the other needs a place to write its own to. */
    if (append ? has_iv : !has_iv || given->ulIvLen < WRITTEN_IV) return CKR_MECHANISM_PARAM_INVALID;
    CK_ULONG n = append ? APPENDED_IV : WRITTEN_IV;
    if (getrandom(iv, n, 0) != (ssize_t)n) return CKR_DEVICE_ERROR;
    CK_GCM_PARAMS params = *given;
    params.pIv = iv;
    params.ulIvLen = n;
    params.ulIvBits = n * 8;
    CK_MECHANISM ours = {CKM_AES_GCM, &params, sizeof params};
    CK_RV rv = real->C_EncryptInit(s, &ours, key);
    if (rv != CKR_OK) return rv;
    remember(s, append, iv);
    if (!append) {
        memcpy(given->pIv, iv, n);
        given->ulIvLen = n;
        given->ulIvBits = n * 8;
    }
    return CKR_OK;
}

CK_RV encrypt(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen, CK_BYTE_PTR out, CK_ULONG_PTR outlen) {
    CK_BYTE iv[APPENDED_IV];
    pthread_mutex_lock(&lock);
    struct made *m = made_for(s);
    CK_ULONG extra = m != NULL && m->append ? APPENDED_IV : 0;
    if (extra > 0) memcpy(iv, m->iv, extra);
    pthread_mutex_unlock(&lock);
    if (extra > 0 && out != NULL && outlen != NULL) {
        CK_ULONG need = 0, have = *outlen;
        CK_RV rv = real->C_Encrypt(s, in, inlen, NULL, &need);
        if (rv != CKR_OK) return rv;
        if (have < need + extra) {
            *outlen = need + extra;
            return CKR_BUFFER_TOO_SMALL;
        }
        *outlen = have - extra;
    }
    CK_RV rv = real->C_Encrypt(s, in, inlen, out, outlen);
    if (rv == CKR_BUFFER_TOO_SMALL) return rv;
    if (rv == CKR_OK && extra > 0) {
        if (out != NULL) memcpy(out + *outlen, iv, extra);
        *outlen += extra;
    }
    if (rv != CKR_OK || out != NULL) forget(s);
    return rv;
}

static int is_untold(const struct plan *p, CK_ATTRIBUTE_TYPE type) {
    for (int i = 0; i < p->nuntold; i++)
        if (p->untold[i] == type) return 1;
    return 0;
}

CK_RV get_attributes(const struct plan *p, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR t, CK_ULONG n) {
    CK_RV rv = CKR_OK;
    CK_ULONG first = 0;
    while (first < n && !is_untold(p, t[first].type)) first++;
    if (first == n) return real->C_GetAttributeValue(s, o, t, n);
    for (CK_ULONG i = 0; i < n; i++) {
        if (p->telling == TELL_MARKED || (p->telling != TELL_NOTHING && is_untold(p, t[i].type)))
            t[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
        else if (p->telling == TELL_BESIDE || (p->telling == TELL_BEFORE && i < first))
            rv = real->C_GetAttributeValue(s, o, &t[i], 1);
        if (p->telling == TELL_BEFORE && i == first) break;
        if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE && rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_BUFFER_TOO_SMALL) return rv;
    }
    return CKR_ATTRIBUTE_TYPE_INVALID;
}

/* end_operation: an error of C_Encrypt or C_Decrypt ends the operation
 * (PKCS#11 2.40, 5.8.2 and 5.9.2). Where the plan gives an error instead of the
 * real function's answer, the real session must be brought to that state too,
 * else the next C_EncryptInit gives CKR_OPERATION_ACTIVE, which no device would. */
void end_operation(enum function fn, CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen) {
    CK_ULONG n = inlen + 64;
    CK_BYTE *scratch = malloc(n);
    if (scratch == NULL) complain("out of memory");
    if (fn == F_C_Encrypt) real->C_Encrypt(s, in, inlen, scratch, &n);
    else real->C_Decrypt(s, in, inlen, scratch, &n);
    memset(scratch, 0, inlen + 64);
    free(scratch);
    forget(s);
}
