// Clients that wrk cannot play. Both modes print one line of figures, and nothing is written before the end.
//
//   clients rate ADDRESS PORT REQUEST CONNECTIONS PER_SECOND SECONDS
//     An open loop: requests become due at fixed times, whatever became of earlier ones, and each is measured from the time it was due, so
//     that a pause of the proxy counts for every request that would have been made in it. Kept connections; a request that finds none free waits.
//     Prints: requests p50 p99 p99.9 max (microseconds) failures.
//   clients trickle ADDRESS PORT REQUEST CONNECTIONS BYTES MILLISECONDS SECONDS
//     Every connection makes one request and then reads BYTES once in MILLISECONDS, until its answer is whole.
//     Prints: answers that were whole, bytes read, seconds.
//
// REQUEST is a file with the bytes of one request. Answers have a Content-Length.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, EVENTS_MAX = 256, READ_MAX = 65536 };

struct client {
  int descriptor;
  int busy;
  uint64_t due;
  size_t head_length;  // bytes of the head so far; once it is whole, `left` counts
  int head_is_whole;
  uint64_t left;       // bytes of the body still to come
  char head[HEAD_MAX + 1];
};

static struct sockaddr_in server;
static char request[HEAD_MAX];
static size_t request_length;

static void fail(const char *what) {
  fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void start(struct client *client) {
  client->head_length = 0;
  client->head_is_whole = 0;
  client->left = 0;
  if (send(client->descriptor, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length) fail("send");
}

static void open_client(struct client *client, int receive_bytes) {
  client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client->descriptor < 0) fail("socket");
  int one = 1;
  setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (receive_bytes) setsockopt(client->descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  if (connect(client->descriptor, (struct sockaddr *)&server, sizeof server)) fail("connect");
  if (fcntl(client->descriptor, F_SETFL, O_NONBLOCK)) fail("fcntl");
  client->busy = 0;
}

// Takes what was read. 1: the answer is whole; 0: more is to come; -1: it is no success.
static int take(struct client *client, const char *bytes, size_t count) {
  if (!client->head_is_whole) {
    size_t room = HEAD_MAX - client->head_length;
    size_t taken = count < room ? count : room;
    memcpy(client->head + client->head_length, bytes, taken);
    client->head_length += taken;
    client->head[client->head_length] = 0;
    char *end = strstr(client->head, "\r\n\r\n");
    if (!end) return client->head_length == HEAD_MAX ? -1 : 0;
    if (strncmp(client->head, "HTTP/1.1 200", 12)) return -1;
    char *length = strcasestr(client->head, "\r\ncontent-length:");
    if (!length || length > end) return -1;
    client->left = strtoull(length + 17, NULL, 10);
    client->head_is_whole = 1;
    // What came behind the head, in this piece or beyond what the head's buffer took of it.
    size_t behind = client->head_length - (size_t)(end + 4 - client->head) + (count - taken);
    if (behind > client->left) return -1;
    client->left -= behind;
  } else {
    if (count > client->left) return -1;
    client->left -= count;
  }
  return client->left == 0;
}

static int by_size(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static double percentile(const uint32_t *sorted, size_t count, double part) {
  size_t rank = (size_t)(part * (double)count);
  return count ? sorted[rank < count ? rank : count - 1] / 1e3 : 0;
}

static void rate(int connections, double per_second, double seconds) {
  struct client *clients = calloc((size_t)connections, sizeof *clients);
  int *idle = calloc((size_t)connections, sizeof *idle), idle_count = 0;
  size_t total = (size_t)(per_second * seconds), next = 0, started = 0, done = 0, failures = 0;
  uint32_t *latencies = malloc((total + 1) * sizeof *latencies);
  int queue = epoll_create1(EPOLL_CLOEXEC);
  // Wakes when it asked to, not up to 50 us later.
  prctl(PR_SET_TIMERSLACK, 1);
  for (int index = 0; index < connections; index++) {
    open_client(&clients[index], 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, clients[index].descriptor, &event)) fail("epoll_ctl");
    idle[idle_count++] = index;
  }
  static char buffer[READ_MAX];
  uint64_t begin = now() + 1000000;
  // Half as long again is waited for answers that are late: what is still missing then is a failure.
  uint64_t limit = begin + (uint64_t)(seconds * 1.5e9);
  while (done + failures < total) {
    uint64_t time = now();
    if (time > limit) break;
    while (next < total && begin + (uint64_t)((double)next * 1e9 / per_second) <= time) next++;
    while (started < next && idle_count > 0) {
      struct client *client = &clients[idle[--idle_count]];
      client->due = begin + (uint64_t)((double)started++ * 1e9 / per_second);
      client->busy = 1;
      start(client);
    }
    uint64_t wake = next < total ? begin + (uint64_t)((double)next * 1e9 / per_second) : limit;
    time = now();
    uint64_t wait = wake > time ? wake - time : 0;
    struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_pwait2(queue, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) fail("epoll_pwait2");
    for (int index = 0; index < count; index++) {
      struct client *client = &clients[events[index].data.u32];
      ssize_t size = recv(client->descriptor, buffer, sizeof buffer, 0);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      int result = size > 0 && client->busy ? take(client, buffer, (size_t)size) : -1;
      if (result == 0) continue;
      if (result < 0) {
        failures += (size_t)client->busy;
        close(client->descriptor);
        open_client(client, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = events[index].data.u32};
        if (epoll_ctl(queue, EPOLL_CTL_ADD, client->descriptor, &event)) fail("epoll_ctl");
      } else {
        uint64_t took = now() - client->due;
        latencies[done++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
        client->busy = 0;
      }
      // One that was closed while it was idle is in the list already.
      int listed = 0;
      for (int place = 0; result < 0 && place < idle_count; place++) listed |= idle[place] == (int)events[index].data.u32;
      if (!listed) idle[idle_count++] = (int)events[index].data.u32;
    }
  }
  qsort(latencies, done, sizeof *latencies, by_size);
  printf("%zu %.1f %.1f %.1f %.1f %zu\n", done, percentile(latencies, done, 0.5), percentile(latencies, done, 0.99),
         percentile(latencies, done, 0.999), done ? latencies[done - 1] / 1e3 : 0, total - done);
}

static void trickle(int connections, size_t bytes, double milliseconds, double seconds) {
  struct client *clients = calloc((size_t)connections, sizeof *clients);
  if (bytes > READ_MAX) fail("BYTES is 65,536 at most");
  for (int index = 0; index < connections; index++) {
    // A window as small as the trickle: what is not read waits at the proxy, not here.
    open_client(&clients[index], 8192);
    start(&clients[index]);
    clients[index].busy = 1;
  }
  static char buffer[READ_MAX];
  uint64_t begin = now(), step = (uint64_t)(milliseconds * 1e6 / connections), read = 0, whole = 0, turn = 0;
  int left = connections;
  while (left > 0 && now() - begin < (uint64_t)(seconds * 1e9)) {
    uint64_t due = begin + turn * step;
    if (due > now() + 1000000) {
      // Whole milliseconds are slept; those whose turn comes within one are served together.
      struct timespec pause = {0, 1000000};
      nanosleep(&pause, NULL);
      continue;
    }
    struct client *client = &clients[turn++ % (uint64_t)connections];
    if (!client->busy) continue;
    ssize_t size = recv(client->descriptor, buffer, bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    int result = size > 0 ? take(client, buffer, (size_t)size) : -1;
    if (size > 0) read += (uint64_t)size;
    if (result == 0) continue;
    whole += result > 0;
    client->busy = 0;
    close(client->descriptor);
    left--;
  }
  printf("%llu %llu %.3f\n", (unsigned long long)whole, (unsigned long long)read, (double)(now() - begin) / 1e9);
}

int main(int count, char **arguments) {
  if (count < 8) {
    fprintf(stderr, "usage: clients rate|trickle ADDRESS PORT REQUEST CONNECTIONS ...\n");
    return 64;
  }
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(arguments[3]));
  if (inet_pton(AF_INET, arguments[2], &server.sin_addr) != 1) fail("ADDRESS");
  FILE *file = fopen(arguments[4], "rb");
  if (!file) fail(arguments[4]);
  request_length = fread(request, 1, sizeof request, file);
  fclose(file);
  int connections = atoi(arguments[5]);
  if (!strcmp(arguments[1], "rate") && count == 8)
    rate(connections, atof(arguments[6]), atof(arguments[7]));
  else if (!strcmp(arguments[1], "trickle") && count == 9)
    trickle(connections, (size_t)atol(arguments[6]), atof(arguments[7]), atof(arguments[8]));
  else
    return 64;
  return 0;
}
