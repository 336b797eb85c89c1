#ifndef AEGIS_CPostgres_H
#define AEGIS_CPostgres_H
#include <postgresql/libpq-fe.h>
#endif
