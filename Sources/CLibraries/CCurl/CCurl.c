#define _GNU_SOURCE 1
#include "CCurl.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

CURLcode aegis_curl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode aegis_curl_set_offset(CURL *handle, CURLoption option, long long value) {
  return curl_easy_setopt(handle, option, (curl_off_t)value);
}

CURLcode aegis_curl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode aegis_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode aegis_curl_set_function(CURL *handle, CURLoption option, aegis_curl_data_function function) {
  return curl_easy_setopt(handle, option, function);
}

CURLcode aegis_curl_get_long(CURL *handle, CURLINFO info, long *value) {
  return curl_easy_getinfo(handle, info, value);
}

CURLcode aegis_curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
  return curl_easy_getinfo(handle, info, value);
}

CURLMcode aegis_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

CURL *aegis_curl_multi_next_done(CURLM *multi, CURLcode *code) {
  int left = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(multi, &left)) != NULL) {
    if (message->msg == CURLMSG_DONE) {
      *code = message->data.result;
      return message->easy_handle;
    }
  }
  return NULL;
}

CURLMcode aegis_curl_multi_wait(CURLM *multi, int descriptor, int timeoutMilliseconds) {
  struct curl_waitfd extra = {.fd = descriptor, .events = CURL_WAIT_POLLIN, .revents = 0};
  return curl_multi_poll(multi, &extra, descriptor >= 0 ? 1 : 0, timeoutMilliseconds, NULL);
}

static CURLcode globalResult = CURLE_FAILED_INIT;
static pthread_once_t globalOnce = PTHREAD_ONCE_INIT;

static void initialiseOnce(void) { globalResult = curl_global_init(CURL_GLOBAL_DEFAULT); }

CURLcode aegis_curl_global_init(void) {
  pthread_once(&globalOnce, initialiseOnce);
  return globalResult;
}

int aegis_event_descriptor_create(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void aegis_event_descriptor_signal(int descriptor) {
  uint64_t one = 1;
  ssize_t written = write(descriptor, &one, sizeof one);
  (void)written;
}

void aegis_event_descriptor_drain(int descriptor) {
  uint64_t count = 0;
  ssize_t taken = read(descriptor, &count, sizeof count);
  (void)taken;
}
