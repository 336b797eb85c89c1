#ifndef AEGIS_CHiredis_H
#define AEGIS_CHiredis_H
#include <hiredis/hiredis.h>
#endif
