#ifndef AEGIS_CFFI_H
#define AEGIS_CFFI_H
#include <ffi.h>

/* libffi's type objects are C globals, which Swift takes for shared mutable state: hand out their addresses instead. */
static inline ffi_type *aegis_ffi_double(void) { return &ffi_type_double; }
static inline ffi_type *aegis_ffi_int32(void) { return &ffi_type_sint32; }
static inline ffi_type *aegis_ffi_int64(void) { return &ffi_type_sint64; }
static inline ffi_type *aegis_ffi_pointer(void) { return &ffi_type_pointer; }
static inline ffi_type *aegis_ffi_void(void) { return &ffi_type_void; }

#endif
