// Other people's queues under the harness of RingBenchmark: two processes, 64-byte records, every record checked.
//
//   g++ -O3 -march=native -std=c++17 -I$RIGTORP_INCLUDE peers/queues.cpp -o queues
//   queues names | queues throughput NAME COUNT CPU CPU | queues latency NAME COUNT CPU CPU
//
// Prints records per second, or the round trip's median and 99th percentile in nanoseconds.
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>
#if __has_include(<rigtorp/SPSCQueue.h>)
#include <rigtorp/SPSCQueue.h>
#define HAS_RIGTORP 1
#endif

namespace {

constexpr size_t capacity = 1 << 16;

struct Record {
  uint64_t words[8];
  explicit Record(uint64_t index = 0) : words{index, 7, index, 7, index, 7, index, ~index} {}
  bool is(uint64_t index) const { return words[0] == index && words[7] == ~index; }
};

void *shared(size_t bytes) {
  void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (base == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return base;
}

struct Boost {
  boost::lockfree::spsc_queue<Record, boost::lockfree::capacity<capacity>> queue;
  bool push(const Record &record) { return queue.push(record); }
  bool pop(Record &record) { return queue.pop(record); }
};

#ifdef HAS_RIGTORP
// Its slots come from an allocator, which must give memory that a forked child shares.
template <class T> struct SharedAllocator {
  using value_type = T;
  SharedAllocator() = default;
  template <class U> SharedAllocator(const SharedAllocator<U> &) {}
  T *allocate(size_t count) { return static_cast<T *>(shared(count * sizeof(T))); }
  void deallocate(T *base, size_t count) { munmap(base, count * sizeof(T)); }
};

struct Rigtorp {
  rigtorp::SPSCQueue<Record, SharedAllocator<Record>> queue{capacity};
  bool push(const Record &record) { return queue.try_push(record); }
  bool pop(Record &record) {
    Record *front = queue.front();
    if (front == nullptr) return false;
    record = *front;
    queue.pop();
    return true;
  }
};
#endif

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct Meeting {
  alignas(128) std::atomic<int> ready{0};
  alignas(128) std::atomic<int> done{0};
};

/// Runs `consumer` in a forked process and `producer` here; nanoseconds until both are through.
template <class Consumer, class Producer>
double measure(int producer_cpu, int consumer_cpu, Consumer consumer, Producer producer) {
  auto *meeting = new (shared(sizeof(Meeting))) Meeting;
  pid_t child = fork();
  if (child == 0) {
    pin(consumer_cpu);
    meeting->ready = 1;
    int status = consumer();
    meeting->done = 1;
    _exit(status);
  }
  pin(producer_cpu);
  while (meeting->ready == 0) pause();
  double begun = now();
  producer();
  while (meeting->done == 0) pause();
  double ended = now();
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) {
    fprintf(stderr, "a record was wrong\n");
    exit(1);
  }
  return ended - begun;
}

template <class Queue> Queue *make() { return new (shared(sizeof(Queue))) Queue; }

template <class Queue> void throughput(uint64_t count, int producer_cpu, int consumer_cpu) {
  Queue *queue = make<Queue>();
  double nanoseconds = measure(
      producer_cpu, consumer_cpu,
      [&] {
        Record record;
        uint64_t wrong = 0;
        for (uint64_t index = 0; index < count; index++) {
          while (!queue->pop(record)) {
          }
          wrong += !record.is(index);
        }
        return wrong != 0;
      },
      [&] {
        for (uint64_t index = 0; index < count; index++) {
          Record record(index);
          while (!queue->push(record)) {
          }
        }
      });
  printf("%.0f\n", count * 1e9 / nanoseconds);
}

template <class Queue> void latency(uint64_t count, int producer_cpu, int consumer_cpu) {
  Queue *there = make<Queue>(), *back = make<Queue>();
  std::vector<double> times(count);
  measure(
      producer_cpu, consumer_cpu,
      [&] {
        Record record;
        for (uint64_t index = 0; index < count; index++) {
          while (!there->pop(record)) {
          }
          while (!back->push(record)) {
          }
        }
        return 0;
      },
      [&] {
        Record record;
        for (uint64_t index = 0; index < count; index++) {
          double begun = now();
          while (!there->push(Record(index))) {
          }
          while (!back->pop(record)) {
          }
          times[index] = now() - begun;
          if (!record.is(index)) exit(1);
        }
      });
  std::sort(times.begin(), times.end());
  printf("%.0f %.0f\n", times[count / 2], times[count * 99 / 100]);
}

template <class Queue> void run(bool is_throughput, uint64_t count, int producer_cpu, int consumer_cpu) {
  if (is_throughput)
    throughput<Queue>(count, producer_cpu, consumer_cpu);
  else
    latency<Queue>(count, producer_cpu, consumer_cpu);
}

}  // namespace

int main(int argument_count, char **arguments) {
  if (argument_count == 2 && strcmp(arguments[1], "names") == 0) {
    puts("boost");
#ifdef HAS_RIGTORP
    puts("rigtorp");
#endif
    return 0;
  }
  if (argument_count != 6) {
    fprintf(stderr, "usage: queues throughput|latency NAME COUNT CPU CPU\n");
    return 2;
  }
  bool is_throughput = strcmp(arguments[1], "throughput") == 0;
  uint64_t count = strtoull(arguments[3], nullptr, 10);
  int producer_cpu = atoi(arguments[4]), consumer_cpu = atoi(arguments[5]);
  if (strcmp(arguments[2], "boost") == 0) {
    run<Boost>(is_throughput, count, producer_cpu, consumer_cpu);
    return 0;
  }
#ifdef HAS_RIGTORP
  if (strcmp(arguments[2], "rigtorp") == 0) {
    run<Rigtorp>(is_throughput, count, producer_cpu, consumer_cpu);
    return 0;
  }
#endif
  fprintf(stderr, "no queue named %s was built in\n", arguments[2]);
  return 2;
}
