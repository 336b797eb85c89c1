#ifndef AEGIS_CPlatform_H
#define AEGIS_CPlatform_H
#include <stdint.h>
#endif
