#ifndef AEGIS_CCURL_H
#define AEGIS_CCURL_H

#include <curl/curl.h>
#include <stddef.h>

// libcurl's option and info calls are variadic, which Swift cannot call. One typed function per argument kind.

typedef size_t (*aegis_curl_data_function)(char *bytes, size_t size, size_t count, void *context);

CURLcode aegis_curl_set_long(CURL *handle, CURLoption option, long value);
CURLcode aegis_curl_set_offset(CURL *handle, CURLoption option, long long value);
/// The text is copied by libcurl.
CURLcode aegis_curl_set_text(CURL *handle, CURLoption option, const char *value);
/// The pointer is kept by libcurl until the option is set again.
CURLcode aegis_curl_set_pointer(CURL *handle, CURLoption option, void *value);
CURLcode aegis_curl_set_function(CURL *handle, CURLoption option, aegis_curl_data_function function);
CURLcode aegis_curl_get_long(CURL *handle, CURLINFO info, long *value);
CURLcode aegis_curl_get_pointer(CURL *handle, CURLINFO info, void **value);
CURLMcode aegis_curl_multi_set_long(CURLM *multi, CURLMoption option, long value);

/// The next finished transfer of a multi handle: its easy handle, with the result in `code`; NULL when there is none.
CURL *aegis_curl_multi_next_done(CURLM *multi, CURLcode *code);

/// Waits for traffic, for `descriptor` (-1 for none) to become readable, or for the time-out.
CURLMcode aegis_curl_multi_wait(CURLM *multi, int descriptor, int timeoutMilliseconds);

/// Initialises libcurl once per process; later calls only say how the first one went. [any thread]
CURLcode aegis_curl_global_init(void);

// A non-blocking counter that wakes a waiting thread.
int aegis_event_descriptor_create(void);
/// Wakes the waiter. Never blocks; a full counter means that the waiter is awake already. [any thread]
void aegis_event_descriptor_signal(int descriptor);
void aegis_event_descriptor_drain(int descriptor);

#endif
