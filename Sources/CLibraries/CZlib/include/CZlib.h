#ifndef AEGIS_CZlib_H
#define AEGIS_CZlib_H
#include <zlib.h>
#endif
