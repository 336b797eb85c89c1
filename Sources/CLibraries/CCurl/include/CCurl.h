#ifndef AEGIS_CCurl_H
#define AEGIS_CCurl_H
#include <curl/curl.h>
#endif
