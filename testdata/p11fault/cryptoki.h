/* The OASIS headers, as the Go module github.com/miekg/pkcs11 carries them,
 * want these five macros first. Only Unix, so no packing. */
#ifndef SSOVAULT_CRYPTOKI_H
#define SSOVAULT_CRYPTOKI_H

#define CK_PTR *
#define CK_DECLARE_FUNCTION(type, name) type name
#define CK_DECLARE_FUNCTION_POINTER(type, name) type (*name)
#define CK_CALLBACK_FUNCTION(type, name) type (*name)
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include "pkcs11.h"

#endif
