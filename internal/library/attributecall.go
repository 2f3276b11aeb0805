//go:build cgo

package library

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

// The beginning of CK_FUNCTION_LIST and CK_ATTRIBUTE as PKCS#11 2.40 lays them
// out on Unix, where they are not packed; 24 functions stand before this one.
struct attribute {
	unsigned long type;
	void *value;
	unsigned long length;
};
typedef unsigned long (*get_attribute_value)(unsigned long session, unsigned long object, struct attribute *template, unsigned long count);
struct functions {
	unsigned char version[2];
	void (*before[24])(void);
	get_attribute_value get_attribute_value;
};
typedef unsigned long (*get_function_list)(struct functions **list);

// The handle is that of the library which is loaded already; it is not given
// back, as long as the pointer lives.
static get_attribute_value find_call(const char *path)
{
	struct functions *list = NULL;
	void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	get_function_list get = handle == NULL ? NULL : (get_function_list)dlsym(handle, "C_GetFunctionList");
	if (get == NULL || get(&list) != 0 || list == NULL)
		return NULL;
	return list->get_attribute_value;
}

enum { MAX_ATTRIBUTES = 64 };

// read_attributes lays the values one behind the other, each where its size
// says, so that no memory of Go's holds a pointer.
static unsigned long read_attributes(get_attribute_value call, unsigned long session, unsigned long object, unsigned long count,
	const unsigned long *types, const unsigned long *sizes, unsigned long *lengths, unsigned char *values)
{
	struct attribute template[MAX_ATTRIBUTES];
	for (unsigned long i = 0; i < count; i++) {
		template[i].type = types[i];
		template[i].value = values;
		template[i].length = sizes[i];
		values += sizes[i];
	}
	unsigned long rv = call(session, object, template, count);
	for (unsigned long i = 0; i < count; i++)
		lengths[i] = template[i].length;
	return rv;
}
*/
import "C"

import (
	"unsafe"

	"github.com/miekg/pkcs11"
)

// AttributeCall is the library's own C_GetAttributeValue. The binding calls it
// twice, first for the lengths, and gives nothing at all of an object of which
// one attribute is refused. The zero value is none: Batch does without.
type AttributeCall struct{ call C.get_attribute_value }

// FindAttributeCall finds it in a library that is loaded.
func FindAttributeCall(path string) AttributeCall {
	text := C.CString(path)
	defer C.free(unsafe.Pointer(text))
	return AttributeCall{C.find_call(text)}
}

// maxAttributes is how many one call reads.
const maxAttributes = C.MAX_ATTRIBUTES

// read calls it once. Each value has its size in values, one behind the other.
func (c AttributeCall) read(s pkcs11.SessionHandle, object pkcs11.ObjectHandle, types, sizes, lengths []C.ulong, values []byte) error {
	rv := C.read_attributes(c.call, C.ulong(s), C.ulong(object), C.ulong(len(types)), &types[0], &sizes[0], &lengths[0], (*C.uchar)(&values[0]))
	if rv != pkcs11.CKR_OK {
		return pkcs11.Error(rv)
	}
	return nil
}
