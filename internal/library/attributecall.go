//go:build cgo

package library

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

enum { OK = 0, ATTRIBUTE_SENSITIVE = 0x11, ATTRIBUTE_TYPE_INVALID = 0x12, BUFFER_TOO_SMALL = 0x150 };

// The codes that are of attributes, not of the call.
static int of_attributes(unsigned long rv)
{
	return rv == OK || rv == ATTRIBUTE_SENSITIVE || rv == ATTRIBUTE_TYPE_INVALID || rv == BUFFER_TOO_SMALL;
}

// read_attributes reads objects one after the other, until one fails, and gives
// how many it read. The values of an object lie one behind the other, each where
// the sizes say, in a row of its own, so that no memory of Go's holds a pointer.
static unsigned long read_attributes(get_attribute_value call, unsigned long session, const unsigned long *objects, unsigned long many, unsigned char before,
	const unsigned long *types, const unsigned long *sizes, unsigned long count, unsigned long *codes, unsigned long *lengths, unsigned char *rows, unsigned long row)
{
	struct attribute template[MAX_ATTRIBUTES];
	for (unsigned long k = 0; k < many; k++) {
		unsigned char *values = rows + k * row;
		for (unsigned long i = 0; i < count; i++) {
			template[i].type = types[i];
			template[i].value = memset(values, before, sizes[i]);
			template[i].length = sizes[i];
			values += sizes[i];
		}
		codes[k] = call(session, objects[k], template, count);
		for (unsigned long i = 0; i < count; i++)
			*lengths++ = template[i].length;
		if (!of_attributes(codes[k]))
			return k + 1;
	}
	return many;
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

// read calls it once for each object, until one fails, in one step out of Go:
// each such step lets another thread take over, which costs more than the call.
// It gives how many were read.
func (c AttributeCall) read(s pkcs11.SessionHandle, objects []pkcs11.ObjectHandle, types, sizes, codes, lengths []C.ulong, rows []byte, row int) int {
	return int(C.read_attributes(c.call, C.ulong(s), (*C.ulong)(unsafe.Pointer(&objects[0])), C.ulong(len(objects)), untouched,
		&types[0], &sizes[0], C.ulong(len(types)), &codes[0], &lengths[0], (*C.uchar)(&rows[0]), C.ulong(row)))
}
