// A WebSocket load server for loopback: one client after another gets pre-framed market messages as fast as it takes
// them, then a close frame.
//
//   cc -O2 -o wsload wsload.c
//   ./wsload PORT agg|book|mix COUNT [MESSAGES_PER_WRITE]
//
// agg and book are of BTCUSDT; mix is 62 % bookTicker and 38 % aggTrade of 300 symbols S0USDT…S299USDT. Ids and times
// rise within a tape of 65536 messages, which is repeated.
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAPE = 65536, PAYLOAD_MAX = 512, SYMBOLS = 300 };

static uint32_t rotated(uint32_t x, int n) { return x << n | x >> (32 - n); }

// SHA-1 of at most 119 bytes: all that a handshake needs.
static void sha1(const uint8_t *text, size_t length, uint8_t digest[20]) {
  uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  uint8_t block[128] = {0};
  memcpy(block, text, length);
  block[length] = 0x80;
  size_t total = length + 9 <= 64 ? 64 : 128;
  uint64_t bits = (uint64_t)length * 8;
  for (int i = 0; i < 8; i++) block[total - 1 - i] = (uint8_t)(bits >> (8 * i));
  for (size_t at = 0; at < total; at += 64) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++)
      w[i] = (uint32_t)block[at + 4 * i] << 24 | (uint32_t)block[at + 4 * i + 1] << 16 |
             (uint32_t)block[at + 4 * i + 2] << 8 | block[at + 4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
      uint32_t f, k;
      if (i < 20) f = (b & c) | (~b & d), k = 0x5A827999;
      else if (i < 40) f = b ^ c ^ d, k = 0x6ED9EBA1;
      else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
      else f = b ^ c ^ d, k = 0xCA62C1D6;
      uint32_t next = rotated(a, 5) + f + e + k + w[i];
      e = d, d = c, c = rotated(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const uint8_t *bytes, int count, char *text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int at = 0;
  for (int i = 0; i < count; i += 3) {
    uint32_t v = (uint32_t)bytes[i] << 16 | (i + 1 < count ? (uint32_t)bytes[i + 1] << 8 : 0) | (i + 2 < count ? bytes[i + 2] : 0);
    text[at++] = digits[v >> 18 & 63];
    text[at++] = digits[v >> 12 & 63];
    text[at++] = i + 1 < count ? digits[v >> 6 & 63] : '=';
    text[at++] = i + 2 < count ? digits[v & 63] : '=';
  }
  text[at] = 0;
}

static int payload(char *text, const char *kind, long i) {
  int is_mix = !strcmp(kind, "mix");
  int is_book = is_mix ? i * 37 % 100 < 62 : !strcmp(kind, "book");
  char symbol[16] = "BTCUSDT", lower[16] = "btcusdt";
  if (is_mix) {
    int n = (int)(i * 7919 % SYMBOLS);
    sprintf(symbol, "S%dUSDT", n);
    sprintf(lower, "s%dusdt", n);
  }
  double price = 60000 + (double)(i % 2000) * 0.1;
  long time = 1767225600000L + i / 50;
  if (is_book)
    return sprintf(text,
                   "{\"stream\":\"%s@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":%ld,\"s\":\"%s\",\"b\":\"%.2f\",\"B\":\"%.3f\","
                   "\"a\":\"%.2f\",\"A\":\"%.3f\",\"T\":%ld,\"E\":%ld}}",
                   lower, 7000000000L + i, symbol, price, 1.5 + (double)(i % 7), price + 0.1, 2.5 + (double)(i % 5), time - 2, time);
  return sprintf(text,
                 "{\"stream\":\"%s@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":%ld,\"s\":\"%s\",\"a\":%ld,\"p\":\"%.2f\",\"q\":\"%.3f\","
                 "\"f\":%ld,\"l\":%ld,\"T\":%ld,\"m\":%s}}",
                 lower, time, symbol, 2500000000L + i, price, 0.001 * (double)(1 + i % 900), 6000000000L + i, 6000000000L + i, time - 3,
                 i & 1 ? "true" : "false");
}

static int write_all(int socket, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(socket, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

static int handshake(int client) {
  char request[8192];
  size_t length = 0;
  while (length < sizeof request - 1) {
    ssize_t got = read(client, request + length, sizeof request - 1 - length);
    if (got <= 0) return -1;
    length += (size_t)got;
    request[length] = 0;
    if (strstr(request, "\r\n\r\n")) break;
  }
  char *key = strcasestr(request, "sec-websocket-key:");
  if (key == NULL) return -1;
  key += strlen("sec-websocket-key:");
  while (*key == ' ') key++;
  size_t key_length = strcspn(key, "\r\n");
  if (key_length > 64) return -1;
  char joined[128];
  memcpy(joined, key, key_length);
  memcpy(joined + key_length, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  uint8_t digest[20];
  char accept[40], response[256];
  sha1((uint8_t *)joined, key_length + 36, digest);
  base64(digest, 20, accept);
  int count = snprintf(response, sizeof response,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
  return write_all(client, (uint8_t *)response, (size_t)count);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: wsload PORT agg|book|mix COUNT [MESSAGES_PER_WRITE]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  const char *kind = argv[2];
  long count = atol(argv[3]), per_write = argc > 4 ? atol(argv[4]) : 256;
  if (count <= 0 || per_write <= 0) {
    fprintf(stderr, "COUNT and MESSAGES_PER_WRITE are positive\n");
    return 2;
  }
  uint8_t *tape = malloc((size_t)TAPE * PAYLOAD_MAX);
  size_t *offset = malloc((TAPE + 1) * sizeof *offset), length = 0;
  if (tape == NULL || offset == NULL) return 1;
  char text[PAYLOAD_MAX];
  for (long i = 0; i < TAPE; i++) {
    offset[i] = length;
    int size = payload(text, kind, i);
    tape[length++] = 0x81;
    if (size < 126) {
      tape[length++] = (uint8_t)size;
    } else {
      tape[length++] = 126;
      tape[length++] = (uint8_t)(size >> 8);
      tape[length++] = (uint8_t)size;
    }
    memcpy(tape + length, text, (size_t)size);
    length += (size_t)size;
  }
  offset[TAPE] = length;

  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8)) {
    perror("wsload");
    return 1;
  }
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    int buffer = 1 << 20;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(client, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (handshake(client) == 0) {
      long sent = 0;
      while (sent < count) {
        long at = sent % TAPE, some = per_write;
        if (at + some > TAPE) some = TAPE - at;
        if (sent + some > count) some = count - sent;
        if (write_all(client, tape + offset[at], offset[at + some] - offset[at])) break;
        sent += some;
      }
      write_all(client, (const uint8_t *)"\x88\x02\x03\xE8", 4);
      shutdown(client, SHUT_WR);
      while (read(client, text, sizeof text) > 0) {
      }
    }
    close(client);
  }
}
