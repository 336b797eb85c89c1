#ifndef AEGIS_CFFI_H
#define AEGIS_CFFI_H
#include <ffi.h>
#endif
