/* The functions of the module: each counts, asks the plan, and hands on. */
#include "p11fault.h"

#define PASS(name, subject, handle, params, args)      \
    CK_RV name params {                                \
        struct call call;                              \
        enter(&call, F_##name, subject, handle);       \
        CK_RV rv = CKR_OK;                             \
        if (!call.refused) rv = real->name args;       \
        return leave(&call, rv);                       \
    }

#define OUTPUT(name, params, args, out, outlen)        \
    CK_RV name params {                                \
        struct call call;                              \
        enter(&call, F_##name, SESSION, s);            \
        CK_RV rv = CKR_OK;                             \
        if (!call.refused) rv = real->name args;       \
        flip_output(&call, rv, out, outlen);           \
        return leave(&call, rv);                       \
    }

/* A mechanism that the plan hides is refused by every function that takes one. */
#define REFUSE_HIDDEN(call, m)                                                       \
    if (!call.refused && m != NULL && mechanism_hidden(call.plan, m->mechanism)) {   \
        call.refused = 1;                                                            \
        call.rv = CKR_MECHANISM_INVALID;                                             \
    }

#define MECHANISM_OUTPUT(name, params, args, out, outlen) \
    CK_RV name params {                                \
        struct call call;                              \
        enter(&call, F_##name, SESSION, s);            \
        REFUSE_HIDDEN(call, m)                         \
        CK_RV rv = CKR_OK;                             \
        if (!call.refused) rv = real->name args;       \
        flip_output(&call, rv, out, outlen);           \
        return leave(&call, rv);                       \
    }

#define MECHANISM(name, params, args) MECHANISM_OUTPUT(name, params, args, NULL, NULL)

PASS(C_Initialize, NOTHING, 0, (CK_VOID_PTR a), (a))
PASS(C_Finalize, NOTHING, 0, (CK_VOID_PTR a), (a))
PASS(C_GetInfo, NOTHING, 0, (CK_INFO_PTR a), (a))
PASS(C_InitToken, SLOT, slot, (CK_SLOT_ID slot, CK_UTF8CHAR_PTR a, CK_ULONG b, CK_UTF8CHAR_PTR c), (slot, a, b, c))
PASS(C_InitPIN, SESSION, s, (CK_SESSION_HANDLE s, CK_UTF8CHAR_PTR a, CK_ULONG b), (s, a, b))
PASS(C_SetPIN, SESSION, s, (CK_SESSION_HANDLE s, CK_UTF8CHAR_PTR a, CK_ULONG b, CK_UTF8CHAR_PTR c, CK_ULONG d), (s, a,
     b, c, d))
PASS(C_OpenSession, SLOT, slot, (CK_SLOT_ID slot, CK_FLAGS a, CK_VOID_PTR b, CK_NOTIFY c, CK_SESSION_HANDLE_PTR d),
     (slot, a, b, c, d))
PASS(C_CloseSession, SESSION, s, (CK_SESSION_HANDLE s), (s))
PASS(C_CloseAllSessions, SLOT, slot, (CK_SLOT_ID slot), (slot))
PASS(C_GetSessionInfo, SESSION, s, (CK_SESSION_HANDLE s, CK_SESSION_INFO_PTR a), (s, a))
PASS(C_GetOperationState, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG_PTR b), (s, a, b))
PASS(C_SetOperationState, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_OBJECT_HANDLE c,
     CK_OBJECT_HANDLE d), (s, a, b, c, d))
PASS(C_Login, SESSION, s, (CK_SESSION_HANDLE s, CK_USER_TYPE a, CK_UTF8CHAR_PTR b, CK_ULONG c), (s, a, b, c))
PASS(C_Logout, SESSION, s, (CK_SESSION_HANDLE s), (s))
PASS(C_CopyObject, SESSION, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE a, CK_ATTRIBUTE_PTR b, CK_ULONG c,
     CK_OBJECT_HANDLE_PTR d), (s, a, b, c, d))
PASS(C_DestroyObject, SESSION, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE a), (s, a))
PASS(C_GetObjectSize, SESSION, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE a, CK_ULONG_PTR b), (s, a, b))
CK_RV C_GetAttributeValue(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR t, CK_ULONG n) {
    struct call call;
    enter(&call, F_C_GetAttributeValue, SESSION, s);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = get_attributes(call.plan, s, o, t, n);
    return leave(&call, rv);
}
PASS(C_SetAttributeValue, SESSION, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE a, CK_ATTRIBUTE_PTR b, CK_ULONG c), (s,
     a, b, c))
PASS(C_FindObjectsInit, SESSION, s, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR a, CK_ULONG b), (s, a, b))
PASS(C_FindObjects, SESSION, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE_PTR a, CK_ULONG b, CK_ULONG_PTR c), (s, a, b,
     c))
PASS(C_FindObjectsFinal, SESSION, s, (CK_SESSION_HANDLE s), (s))
MECHANISM(C_DecryptInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a), (s, m, a))
OUTPUT(C_DecryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s, a, b, c,
       d), c, d)
OUTPUT(C_DecryptFinal, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG_PTR b), (s, a, b), a, b)
MECHANISM(C_DigestInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m), (s, m))
OUTPUT(C_Digest, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s, a, b, c, d), c,
       d)
PASS(C_DigestUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b), (s, a, b))
PASS(C_DigestKey, SESSION, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE a), (s, a))
OUTPUT(C_DigestFinal, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG_PTR b), (s, a, b), a, b)
MECHANISM(C_SignInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a), (s, m, a))
OUTPUT(C_Sign, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s, a, b, c, d), c, d)
PASS(C_SignUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b), (s, a, b))
OUTPUT(C_SignFinal, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG_PTR b), (s, a, b), a, b)
MECHANISM(C_SignRecoverInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a), (s, m, a))
PASS(C_SignRecover, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s,
     a, b, c, d))
MECHANISM(C_VerifyInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a), (s, m, a))
PASS(C_Verify, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG d), (s, a, b, c,
     d))
PASS(C_VerifyUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b), (s, a, b))
PASS(C_VerifyFinal, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b), (s, a, b))
MECHANISM(C_VerifyRecoverInit, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a), (s, m, a))
PASS(C_VerifyRecover, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d), (s,
     a, b, c, d))
PASS(C_DigestEncryptUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR
     d), (s, a, b, c, d))
PASS(C_DecryptDigestUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR
     d), (s, a, b, c, d))
PASS(C_SignEncryptUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR d),
     (s, a, b, c, d))
PASS(C_DecryptVerifyUpdate, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b, CK_BYTE_PTR c, CK_ULONG_PTR
     d), (s, a, b, c, d))
MECHANISM_OUTPUT(C_WrapKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b,
                 CK_BYTE_PTR c, CK_ULONG_PTR d), (s, m, a, b, c, d), c, d)
MECHANISM(C_DeriveKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a, CK_ATTRIBUTE_PTR b, CK_ULONG c,
          CK_OBJECT_HANDLE_PTR d), (s, m, a, b, c, d))
PASS(C_SeedRandom, SESSION, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR a, CK_ULONG b), (s, a, b))
PASS(C_GetFunctionStatus, SESSION, s, (CK_SESSION_HANDLE s), (s))
PASS(C_CancelFunction, SESSION, s, (CK_SESSION_HANDLE s), (s))
PASS(C_WaitForSlotEvent, NOTHING, 0, (CK_FLAGS a, CK_SLOT_ID_PTR b, CK_VOID_PTR c), (a, b, c))

CK_RV C_GetSlotList(CK_BBOOL with_token, CK_SLOT_ID_PTR list, CK_ULONG_PTR count) {
    struct call call;
    enter(&call, F_C_GetSlotList, NOTHING, 0);
    CK_RV rv = CKR_OK;
    if (call.refused) return leave(&call, rv);
    if (call.gone && with_token && count != NULL) *count = 0;
    else rv = real->C_GetSlotList(with_token, list, count);
    return leave(&call, rv);
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info) {
    struct call call;
    enter(&call, F_C_GetSlotInfo, SLOT, slot);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = real->C_GetSlotInfo(slot, info);
    if (!call.refused && rv == CKR_OK && call.gone) info->flags &= ~(CK_FLAGS)CKF_TOKEN_PRESENT;
    return leave(&call, rv);
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info) {
    struct call call;
    enter(&call, F_C_GetTokenInfo, SLOT, slot);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = real->C_GetTokenInfo(slot, info);
    if (!call.refused && rv == CKR_OK) rewrite_token_info(call.plan, info);
    return leave(&call, rv);
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count) {
    struct call call;
    enter(&call, F_C_GetMechanismList, SLOT, slot);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = list_mechanisms(call.plan, slot, list, count);
    return leave(&call, rv);
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info) {
    struct call call;
    enter(&call, F_C_GetMechanismInfo, SLOT, slot);
    CK_RV rv = CKR_MECHANISM_INVALID;
    if (!call.refused && !mechanism_hidden(call.plan, type)) rv = real->C_GetMechanismInfo(slot, type, info);
    return leave(&call, rv);
}

CK_RV C_CreateObject(CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR template, CK_ULONG n, CK_OBJECT_HANDLE_PTR object) {
    struct call call;
    enter(&call, F_C_CreateObject, SESSION, s);
    for (CK_ULONG i = 0; !call.refused && template != NULL && i < n; i++) {
        if (template[i].type != CKA_CLASS || template[i].ulValueLen != sizeof(CK_OBJECT_CLASS)) continue;
        for (int k = 0; k < call.plan->nrefused; k++) {
            if (*(CK_OBJECT_CLASS *)template[i].pValue != call.plan->refused[k].class) continue;
            call.refused = 1;
            call.rv = call.plan->refused[k].rv;
        }
    }
    CK_RV rv = CKR_OK;
    CK_ATTRIBUTE broken[MAX_TEMPLATE];
    if (breaks_off(&call, &template, &n, broken)) rv = real->C_CreateObject(s, template, n, object), broke_off(&call);
    else if (!call.refused) rv = real->C_CreateObject(s, template, n, object);
    return leave(&call, rv);
}

/* A function that makes an object by a mechanism and a template. */
#define MAKES(name, params, template, n, args)                                       \
    CK_RV name params {                                                              \
        struct call call;                                                            \
        enter(&call, F_##name, SESSION, s);                                          \
        REFUSE_HIDDEN(call, m)                                                       \
        CK_RV rv = CKR_OK;                                                           \
        CK_ATTRIBUTE broken[MAX_TEMPLATE];                                           \
        if (breaks_off(&call, &template, &n, broken)) rv = real->name args, broke_off(&call); \
        else if (!call.refused) rv = real->name args;                                \
        return leave(&call, rv);                                                     \
    }

MAKES(C_GenerateKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
      t, n, (s, m, t, n, o))
MAKES(C_GenerateKeyPair, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG b, CK_ATTRIBUTE_PTR t,
      CK_ULONG n, CK_OBJECT_HANDLE_PTR c, CK_OBJECT_HANDLE_PTR d), t, n, (s, m, a, b, t, n, c, d))
MAKES(C_UnwrapKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE a, CK_BYTE_PTR b, CK_ULONG c,
      CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o), t, n, (s, m, a, b, c, t, n, o))

CK_RV C_EncryptInit(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE key) {
    struct call call;
    enter(&call, F_C_EncryptInit, SESSION, s);
    REFUSE_HIDDEN(call, m)
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = encrypt_init(call.plan, s, m, key);
    return leave(&call, rv);
}

CK_RV C_Encrypt(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen, CK_BYTE_PTR out, CK_ULONG_PTR outlen) {
    struct call call;
    enter(&call, F_C_Encrypt, SESSION, s);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = encrypt(s, in, inlen, out, outlen);
    else end_operation(F_C_Encrypt, s, in, inlen);
    flip_output(&call, rv, out, outlen);
    return leave(&call, rv);
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen, CK_BYTE_PTR out, CK_ULONG_PTR outlen) {
    struct call call;
    enter(&call, F_C_EncryptUpdate, SESSION, s);
    CK_RV rv = CKR_FUNCTION_NOT_SUPPORTED;
    if (!call.refused && !makes_its_iv(s)) rv = real->C_EncryptUpdate(s, in, inlen, out, outlen);
    flip_output(&call, rv, out, outlen);
    return leave(&call, rv);
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE s, CK_BYTE_PTR out, CK_ULONG_PTR outlen) {
    struct call call;
    enter(&call, F_C_EncryptFinal, SESSION, s);
    CK_RV rv = CKR_FUNCTION_NOT_SUPPORTED;
    if (!call.refused && !makes_its_iv(s)) rv = real->C_EncryptFinal(s, out, outlen);
    flip_output(&call, rv, out, outlen);
    return leave(&call, rv);
}

CK_RV C_Decrypt(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG inlen, CK_BYTE_PTR out, CK_ULONG_PTR outlen) {
    struct call call;
    enter(&call, F_C_Decrypt, SESSION, s);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = real->C_Decrypt(s, in, inlen, out, outlen);
    else end_operation(F_C_Decrypt, s, in, inlen);
    flip_output(&call, rv, out, outlen);
    return leave(&call, rv);
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE s, CK_BYTE_PTR out, CK_ULONG outlen) {
    struct call call;
    enter(&call, F_C_GenerateRandom, SESSION, s);
    CK_RV rv = CKR_OK;
    if (!call.refused) rv = real->C_GenerateRandom(s, out, outlen);
    flip_output(&call, rv, out, &outlen);
    return leave(&call, rv);
}

static CK_FUNCTION_LIST functions;

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
    struct call call;
    module_open();
    enter(&call, F_C_GetFunctionList, NOTHING, 0);
    CK_RV rv = list == NULL ? CKR_ARGUMENTS_BAD : CKR_OK;
    if (!call.refused && rv == CKR_OK) *list = &functions;
    return leave(&call, rv);
}

static CK_FUNCTION_LIST functions = {
    {2, 40},
#define CK_PKCS11_FUNCTION_INFO(name) name,
#include "pkcs11f.h"
#undef CK_PKCS11_FUNCTION_INFO
};
