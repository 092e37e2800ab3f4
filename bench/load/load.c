/*
 * The load generator: many connections in one thread over epoll, so that it is never what a figure measures.
 *
 * It builds no frame itself: it sends the bytes of one file round and round and compares every byte that comes back with
 * another. The server's CPU time is read at both ends of the measured window, by the process that knows where they are.
 *
 *   echo       every complete reply is answered with the next frame, --inflight frames under way on each connection
 *   rate       --rate frames a second on all connections in turn, whether replies come or not; a latency begins when its
 *              frame was due, so that a server that stands still is charged for all that it keeps waiting
 *   publish    one frame on the first connection; the next when every connection has the whole reply. The last --slow
 *              connections come when the warm-up is over, and read nothing. With --aside, one more connection sends frames of that file at --rate, and
 *              latencies are its own
 *   handshake  connect, opening handshake, closing handshake, end of the stream, and again
 *   storm      all connections at once, until each has its 101
 *   idle       opens the connections, sends one frame on each and awaits the reply if --send is there, prints "ready",
 *              and keeps them open until its standard input ends
 *
 * With --tls 1 all of it but a storm goes over TLS, and each connection shakes hands anew.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meter.h"
#include "stream.h"

enum { CHUNK = 1 << 20, WRITE_CHUNK = 64 << 10, EVENTS = 256, HEAD = 4096 };

typedef struct {
  char *outgoing; /* the cycle of frames, and as much again as one write can need */
  size_t length, frame;
  char *expected; /* the cycle of replies; NULL where they are learned */
  size_t expected_length, reply;
} Cycle;

typedef struct {
  Stream stream;
  bool asked;          /* handshake mode: the request has been sent */
  bool open;           /* handshake mode: the 101 has been read */
  uint32_t armed;      /* what epoll watches */
  size_t send_at;      /* place in the cycle of frames */
  size_t to_send;      /* bytes of frames that are due */
  size_t expect_at;    /* place in the cycle of replies */
  uint64_t received;   /* bytes of replies */
  uint64_t *sent_at;   /* ring of --inflight times, in ns */
  unsigned oldest;     /* the ring's oldest entry */
  unsigned pending;    /* rate mode and --aside: entries of the ring */
  const Cycle *cycle;  /* what it sends and gets */
  size_t head_length;
  char head[HEAD];     /* what has come of the response's head, or of a reply that is to be learned */
} Connection;

static struct {
  const char *mode, *extensions, *send, *expect, *head, *aside, *aside_expect;
  int port, pid, connections, inflight, frames, raw, tls, warmup, duration, rate, slow;
} option;

static Cycle frames, aside;
static uint64_t due; /* rate mode and --aside: when the next frame is, in ns */
static unsigned next_due;         /* rate mode: the connection on which it is */
static unsigned refused;          /* storm mode: connections that ended without a 101 */
static struct {
  char *bytes;
  size_t length;
} learned[16];                    /* no --expect said what to expect: the replies that came, each once */
static unsigned learned_count;
static char *buffer;
static int poller;
static uint64_t replies, turns; /* turns: publish mode, those that every connection has */
static int missing;               /* publish mode: connections that have not the whole reply yet */

static const char *key = "dGhlIHNhbXBsZSBub25jZQ==";
static const char *accepted = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("Cannot load the server: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  exit(1);
}

static char *contents(const char *path, size_t *length) {
  struct stat status;
  FILE *file = fopen(path, "r");
  if (!file || fstat(fileno(file), &status)) fail("no file %s", path);
  *length = (size_t)status.st_size;
  char *bytes = malloc(*length + 1);
  if (fread(bytes, 1, *length, file) != *length) fail("%s ends early", path);
  fclose(file);
  return bytes;
}

static int dial(int flags) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
  if (fd < 0) fail("socket: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
    fail("connect: %s", strerror(errno));
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

/* Connects, with TLS where that is wanted, which then shakes hands by the first write. */
static void open_stream(Connection *c) {
  c->stream.fd = dial(0);
  if (option.tls && !secure(&c->stream)) fail("no TLS 1.3 in OpenSSL");
}

static void write_all(const Connection *c, const char *bytes, size_t length) {
  for (ssize_t n; length > 0; bytes += n, length -= (size_t)n) {
    n = write_some(&c->stream, bytes, length < WRITE_CHUNK ? length : WRITE_CHUNK);
    if (n <= 0) fail("write: %s", strerror(errno));
  }
}

/* False where the connection has to be ready for it first: then this is called again. */
static bool send_request(const Connection *c) {
  char request[1024], fields[512] = "";
  if (option.head) {
    /* What Chrome sends besides. */
    snprintf(fields, sizeof fields,
             "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
             "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\nOrigin: http://127.0.0.1:%d\r\n"
             "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
             "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
             "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
             option.port);
  }
  int length = snprintf(request, sizeof request,
                        "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s%s%s%s\r\n",
                        option.port, key, fields, option.extensions ? "Sec-WebSocket-Extensions: " : "",
                        option.extensions ? option.extensions : "", option.extensions ? "\r\n" : "");
  ssize_t n = write_some(&c->stream, request, (size_t)length);
  if (n < 0 && errno == EAGAIN) return false;
  if (n != length) fail("write: %s", strerror(errno));
  return true;
}

/* Reads what there is of the response's head; true when it is whole, and as it must be. */
static bool read_head(Connection *c) {
  do {
    ssize_t n = read_some(&c->stream, c->head + c->head_length, HEAD - 1 - c->head_length);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) fail("the server ended the stream in the opening handshake");
    c->head[c->head_length += (size_t)n] = 0;
  } while (holds_more(&c->stream));
  char *end = strstr(c->head, "\r\n\r\n");
  if (!end) return false;
  if (strncmp(c->head, "HTTP/1.1 101 ", 13) || !strstr(c->head, accepted)) fail("not a good 101: %s", c->head);
  if (option.extensions && !strcasestr(c->head, "permessage-deflate")) fail("no permessage-deflate: %s", c->head);
  if (end + 4 != c->head + c->head_length) fail("bytes after the 101 that nobody asked for");
  return true;
}

static void read_exactly(const Connection *c, char *into, size_t length) {
  for (ssize_t n; length > 0; into += n, length -= (size_t)n) {
    n = read_some(&c->stream, into, length);
    if (n <= 0) fail("the server ended the stream within a reply");
  }
}

/* Bytes of the frame whose first four bytes these are. */
static size_t frame_length(const char *bytes) {
  const unsigned char *header = (const unsigned char *)bytes;
  size_t length = header[1] == 126 ? 4 + ((size_t)header[2] << 8 | header[3]) : 2 + (size_t)header[1];
  if (header[1] > 126 || length < 4 || length > HEAD) fail("a reply is too short or too long to learn");
  return length;
}

/*
 * Takes a whole frame as a reply that is right or wrong, which whoever started this load decides: the same message may
 * be compressed to other bytes later.
 */
static void learn(const char *bytes, size_t length) {
  for (unsigned i = 0; i < learned_count; i++) {
    if (learned[i].length == length && !memcmp(learned[i].bytes, bytes, length)) return;
  }
  if (learned_count == sizeof learned / sizeof *learned) fail("more kinds of replies than can be learned");
  learned[learned_count].bytes = memcpy(malloc(length), bytes, length);
  learned[learned_count++].length = length;
}

/* Learns all frames that these bytes complete; returns how many. */
static unsigned learn_all(Connection *c, const char *bytes, size_t length) {
  unsigned complete = 0;
  while (length > 0) {
    size_t wanted = c->head_length < 4 ? 4 : frame_length(c->head);
    size_t part = wanted - c->head_length < length ? wanted - c->head_length : length;
    memcpy(c->head + c->head_length, bytes, part);
    c->head_length += part, bytes += part, length -= part;
    if (c->head_length < 4 || c->head_length < frame_length(c->head)) continue;
    learn(c->head, c->head_length);
    c->head_length = 0, complete++;
  }
  return complete;
}

/* Sends one frame and awaits its reply, on a socket that blocks. */
static void once(Connection *c) {
  const Cycle *cycle = c->cycle;
  write_all(c, cycle->outgoing, cycle->frame);
  if (!cycle->expected) {
    read_exactly(c, c->head, 4);
    read_exactly(c, c->head + 4, frame_length(c->head) - 4);
    learn(c->head, frame_length(c->head));
    return;
  }
  char *bytes = malloc(cycle->reply);
  read_exactly(c, bytes, cycle->reply);
  if (memcmp(bytes, cycle->expected, cycle->reply)) fail("a reply is not what was expected");
  free(bytes);
}

static bool is_aside(const Connection *c) { return c->cycle == &aside; }

/* Whether a connection reads nothing. */
static bool is_slow(int i) { return i < option.connections && i >= option.connections - option.slow; }

static void open_all(Connection *all) {
  for (int i = 0; i < option.connections + (option.aside ? 1 : 0); i++) {
    if (is_slow(i)) continue;
    Connection *c = &all[i];
    c->cycle = i < option.connections ? &frames : &aside;
    open_stream(c);
    c->sent_at = calloc((size_t)option.inflight, sizeof(uint64_t));
    if (!option.raw) {
      send_request(c);
      while (!read_head(c)) {
      }
      c->head_length = 0;
    }
    /* Who gets nothing of what is published says so before the first publication. */
    if (is_aside(c) || (frames.frame && *option.mode == 'i')) once(c);
  }
}

/* They come late, since a server may have cut them off by the time that it is warm. */
static void open_slow(Connection *all) {
  for (int i = option.connections - option.slow; i < option.connections; i++) {
    open_stream(&all[i]);
    if (!option.raw) send_request(&all[i]);
  }
}

static void watch(Connection *c, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (c->armed == events) return;
  if (epoll_ctl(poller, c->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->stream.fd, &event)) fail("epoll: %s", strerror(errno));
  c->armed = events;
}

static void flush(Connection *c) {
  if (c->to_send == 0) return;
  ssize_t n = write_some(&c->stream, c->cycle->outgoing + c->send_at, c->to_send);
  if (n < 0 && errno != EAGAIN) fail("write: %s", strerror(errno));
  if (n > 0) c->to_send -= (size_t)n, c->send_at = (c->send_at + (size_t)n) % c->cycle->length;
  watch(c, c->to_send ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Compares with what is expected; returns how many replies are complete now. */
static unsigned check(Connection *c, const char *bytes, size_t length) {
  const Cycle *cycle = c->cycle;
  uint64_t before = c->received / cycle->reply;
  c->received += length;
  while (length > 0) {
    size_t part = cycle->expected_length - c->expect_at < length ? cycle->expected_length - c->expect_at : length;
    if (memcmp(bytes, cycle->expected + c->expect_at, part)) {
      fail("a reply differs from what was expected within %zu bytes from byte %zu", part, c->expect_at);
    }
    c->expect_at = (c->expect_at + part) % cycle->expected_length;
    bytes += part, length -= part;
  }
  return (unsigned)(c->received / cycle->reply - before);
}

static void send_frames(Connection *c, unsigned count, uint64_t time) {
  for (unsigned i = 0; i < count; i++) {
    c->sent_at[c->oldest] = time;
    c->oldest = (c->oldest + 1) % (unsigned)option.inflight;
  }
  c->to_send += count * c->cycle->frame;
  flush(c);
}

/* Sends what is due by now: on the connections in turn, or on the one aside. */
static void send_due(Connection *all) {
  unsigned first = option.aside ? (unsigned)option.connections : 0, count = option.aside ? 1 : (unsigned)option.connections;
  for (uint64_t time = now(); due <= time; due += 1000000000u / (uint64_t)option.rate) {
    Connection *c = &all[first + next_due++ % count];
    if (c->pending == (unsigned)option.inflight) fail("the server is %u messages behind on a connection", c->pending);
    c->sent_at[(c->oldest + c->pending++) % (unsigned)option.inflight] = due;
    c->to_send += c->cycle->frame;
    flush(c);
  }
}

/* Counts the latencies of replies that have come to frames that were sent when they were due. */
static void record_due(Connection *c, unsigned complete, uint64_t time) {
  if (complete > c->pending) fail("more replies than frames");
  for (; complete > 0; complete--, c->pending--) {
    record(time - c->sent_at[c->oldest]);
    c->oldest = (c->oldest + 1) % (unsigned)option.inflight;
  }
}

static void react(Connection *c, Connection *all, unsigned complete) {
  bool publish = *option.mode == 'p';
  uint64_t time = now();
  if (is_aside(c) || *option.mode == 'r') {
    record_due(c, complete, time);
    if (!is_aside(c)) replies += complete;
    return;
  }
  replies += complete;
  if (!publish) {
    /* All frames are under way but for the complete ones, so the ring's oldest entries are theirs. */
    for (unsigned i = 0; i < complete; i++) record(time - c->sent_at[(c->oldest + i) % (unsigned)option.inflight]);
    send_frames(c, complete, time);
    return;
  }
  if (!option.aside) record(time - all[0].sent_at[0]);
  missing -= (int)complete;
  if (missing > 0) return;
  turns++;
  missing = option.connections - option.slow;
  send_frames(&all[0], 1, now());
}

/* Reads what there is. */
static void receive(Connection *c, Connection *all) {
  do {
    ssize_t n = read_some(&c->stream, buffer, CHUNK);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) fail("the server ended the stream");
    unsigned complete = c->cycle->expected ? check(c, buffer, (size_t)n) : learn_all(c, buffer, (size_t)n);
    if (complete > 0) react(c, all, complete);
  } while (holds_more(&c->stream));
}

static void reconnect(Connection *c) {
  open_stream(c);
  if (option.tls) fcntl(c->stream.fd, F_SETFL, O_NONBLOCK);
  c->armed = 0, c->open = false, c->head_length = 0;
  c->sent_at[0] = now();
  c->asked = send_request(c);
  watch(c, EPOLLIN);
}

/* handshake mode: the 101, then the server's Close and the end of the stream */
static void shake(Connection *c) {
  static const char close_frame[] = {(char)0x88, (char)0x82, 1, 2, 3, 4, 0x03 ^ 1, (char)(0xe8 ^ 2)};
  static const char close_reply[] = {(char)0x88, 2, 0x03, (char)0xe8};
  if (!c->asked) {
    c->asked = send_request(c);
    return;
  }
  if (!c->open) {
    if (!read_head(c)) return;
    c->open = true, c->head_length = 0;
    write_all(c, close_frame, sizeof close_frame);
    return;
  }
  ssize_t n;
  do {
    n = read_some(&c->stream, c->head + c->head_length, HEAD - c->head_length);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail("the server reset the connection: %s", strerror(errno));
    c->head_length += (size_t)n;
  } while (n > 0 && holds_more(&c->stream));
  if (n > 0) return;
  if (c->head_length != sizeof close_reply || memcmp(c->head, close_reply, sizeof close_reply)) {
    fail("the server did not answer the Close with the same Close");
  }
  close_stream(&c->stream);
  replies++;
  record(now() - c->sent_at[0]);
  reconnect(c);
}

/* storm mode: the request when connect has succeeded, then the 101 */
static void knock(Connection *c, uint32_t events) {
  if (c->open) return;
  if (events & EPOLLOUT) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->stream.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
      c->open = true, refused++;
      close_stream(&c->stream);
      return;
    }
    send_request(c);
    watch(c, EPOLLIN);
    return;
  }
  if (!read_head(c)) return;
  c->open = true, replies++;
  record(now() - c->sent_at[0]);
}

static void storm(Connection *all) {
  int flags = SOCK_NONBLOCK;
  uint64_t begin = now(), cpu = cpu_of(option.pid);
  for (int i = 0; i < option.connections; i++) {
    all[i].stream.fd = dial(flags);
    all[i].sent_at = calloc(1, sizeof(uint64_t));
    all[i].sent_at[0] = begin;
    watch(&all[i], EPOLLOUT);
  }
  while (replies + refused < (uint64_t)option.connections) {
    static struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, 100);
    for (int i = 0; i < count; i++) knock(events[i].data.ptr, events[i].events);
    if (now() - begin > 25000000000u) fail("after 25 s %llu of %d are in", (unsigned long long)replies, option.connections);
  }
  if (refused) fail("%u of %d connections were refused", refused, option.connections);
  printf("{\"replies\":%llu,\"seconds\":%.6f,\"serverCpu\":%.6f,\"loadCpu\":%.6f,\"waited\":%.6f,",
         (unsigned long long)replies, (double)(now() - begin) / 1e9, (double)(cpu_of(option.pid) - cpu) / 1e9,
         (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9, (double)(waited(0) + waited(option.pid)) / 1e9);
  print_latencies();
}

static void start(Connection *all) {
  bool publish = *option.mode == 'p', handshake = *option.mode == 'h';
  missing = option.connections - option.slow;
  for (int i = 0; i < option.connections + (option.aside ? 1 : 0); i++) {
    if (handshake) {
      all[i].sent_at = calloc(1, sizeof(uint64_t));
      reconnect(&all[i]);
      continue;
    }
    if (is_slow(i)) continue;
    fcntl(all[i].stream.fd, F_SETFL, O_NONBLOCK);
    watch(&all[i], EPOLLIN);
    if (*option.mode == 'e') send_frames(&all[i], (unsigned)option.inflight, now());
  }
  if (publish) send_frames(&all[0], 1, now());
  due = now();
}

static void turn(Connection *all) {
  static struct epoll_event events[EVENTS];
  /* Who sends by the clock never sleeps. */
  int count = epoll_wait(poller, events, EVENTS, option.rate ? 0 : 100);
  for (int i = 0; i < count; i++) {
    Connection *c = events[i].data.ptr;
    if (*option.mode == 'h') shake(c);
    else {
      if (events[i].events & EPOLLOUT) flush(c);
      if (events[i].events & ~(uint32_t)EPOLLOUT) receive(c, all);
    }
  }
  if (option.rate) send_due(all);
}

/* Until that time; publications until the turn ends that is under way then. */
static void load_until(uint64_t time, Connection *all) {
  for (uint64_t before = turns; now() < time || (*option.mode == 'p' && turns == before);) {
    before = turns;
    turn(all);
  }
}

static void measure(Connection *all) {
  start(all);
  load_until(now() + (uint64_t)option.warmup * 1000000, all);
  open_slow(all);
  uint64_t replies_before = replies, cpu = cpu_of(option.pid), own = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = now();
  int64_t waits = waited(0) + waited(option.pid);
  forget();
  load_until(begin + (uint64_t)option.duration * 1000000, all);
  double seconds = (double)(now() - begin) / 1e9;
  cpu = cpu_of(option.pid) - cpu, own = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own;
  waits = waited(0) + waited(option.pid) - waits;
  /* What is kept waiting still has waited for so long at least. */
  for (int i = 0; i < option.connections + (option.aside ? 1 : 0); i++) record_due(&all[i], all[i].pending, now());
  printf("{\"replies\":%llu,\"seconds\":%.6f,\"serverCpu\":%.6f,\"loadCpu\":%.6f,\"waited\":%.6f,",
         (unsigned long long)(replies - replies_before), seconds, (double)cpu / 1e9, (double)own / 1e9, (double)waits / 1e9);
  print_latencies();
}

/* The word behind --name, or otherwise. */
static char *word(char **words, const char *name, char *otherwise) {
  for (; words[0] && words[1]; words++) {
    if (!strncmp(words[0], "--", 2) && !strcmp(words[0] + 2, name)) return words[1];
  }
  return otherwise;
}

static void read_options(char **words) {
  option.mode = word(words, "mode", "echo");
  option.extensions = word(words, "extensions", NULL);
  option.head = word(words, "head", NULL);
  option.aside = word(words, "aside", NULL);
  option.aside_expect = word(words, "aside-expect", NULL);
  option.rate = atoi(word(words, "rate", "0"));
  option.slow = atoi(word(words, "slow", "0"));
  option.send = word(words, "send", NULL);
  option.expect = word(words, "expect", NULL);
  option.port = atoi(word(words, "port", "0"));
  option.pid = atoi(word(words, "pid", "0"));
  option.connections = atoi(word(words, "connections", "1"));
  option.inflight = atoi(word(words, "inflight", "1"));
  option.frames = atoi(word(words, "frames", "1"));
  option.raw = atoi(word(words, "raw", "0"));
  option.tls = atoi(word(words, "tls", "0"));
  option.warmup = atoi(word(words, "warmup", "500"));
  option.duration = atoi(word(words, "duration", "1000"));
}

/* The frames of one file and the replies of the other; all replies together are one where one frame is for all. */
static void read_cycle(Cycle *into, const char *send, const char *expect, int count, bool for_all) {
  char *bytes = contents(send, &into->length);
  into->frame = into->length / (size_t)count;
  size_t needed = into->length + (size_t)option.inflight * into->frame;
  into->outgoing = malloc(needed);
  for (size_t i = 0; i < needed; i++) into->outgoing[i] = bytes[i % into->length];
  free(bytes);
  if (!expect) return;
  into->expected = contents(expect, &into->expected_length);
  into->reply = for_all ? into->expected_length : into->expected_length / (size_t)count;
}

static void print_learned(void) {
  for (unsigned i = 0; i < learned_count; i++) {
    fputs(i ? "\",\"" : ",\"learned\":[\"", stdout);
    for (size_t at = 0; at < learned[i].length; at++) printf("%02x", (unsigned char)learned[i].bytes[at]);
  }
  fputs("\"]", stdout);
}

int main(int count, char **words) {
  signal(SIGPIPE, SIG_IGN);
  read_options(words + (count > 0));
  if (option.tls && !has_tls) {
    fputs("There is no OpenSSL that this load could be compiled with: install libssl-dev\n", stderr);
    return 1;
  }
  if (option.send) read_cycle(&frames, option.send, option.expect, option.frames, *option.mode == 'p');
  if (option.aside) read_cycle(&aside, option.aside, option.aside_expect, option.frames, false);
  buffer = malloc(CHUNK);
  poller = epoll_create1(EPOLL_CLOEXEC);
  Connection *all = calloc((size_t)option.connections + 1, sizeof(Connection));
  if (*option.mode == 's') {
    storm(all);
    puts("}");
    return 0;
  }
  if (*option.mode != 'h') open_all(all);
  if (*option.mode == 'i') {
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, buffer, CHUNK) > 0) {
    }
    printf("{\"replies\":%d", option.send ? option.connections : 0);
  } else {
    measure(all);
  }
  if (learned_count > 0) print_learned();
  puts("}");
  return 0;
}
