import Foundation
import Glibc
import Market
import PluginABI
import Testing

@testable import PluginHost

/// What a broken or hostile plugin does, and what must come of it.
struct IsolatedFault: Sendable, CustomTestStringConvertible {
  var name: String
  var process: String
  var extra = ""
  /// What the engine must say about it.
  var words: [String]
  var phase = PluginPhase.process
  var testDescription: String { name }

  static let all: [IsolatedFault] = [
    IsolatedFault(
      name: "segfault", process: "volatile int *p = (int *)16; *p = 1; return AEGIS_OK;",
      words: ["SIGSEGV", "0x10"]),
    IsolatedFault(name: "abort", process: "abort();", words: ["SIGABRT"]),
    IsolatedFault(name: "trap", process: "__builtin_trap();", words: ["SIGILL"]),
    IsolatedFault(name: "exit", process: "exit(3);", words: ["status 3"]),
    IsolatedFault(
      name: "loop", process: "for (volatile int i = 0;; i++) {}", words: ["did not return within"]),
    IsolatedFault(
      name: "fork", process: "while (fork() >= 0) {} return AEGIS_OK;", extra: "int fork(void);",
      words: ["forbidden system call", "clone"]),
    IsolatedFault(
      name: "exec",
      process: "char *a[] = {\"/bin/sh\", 0}; execve(\"/bin/sh\", a, 0); return AEGIS_OK;",
      extra: "int execve(const char *, char *const *, char *const *);",
      words: ["forbidden system call", "execve"]),
    IsolatedFault(
      name: "socket", process: "if (socket(2, 1, 0) < 0) {} return AEGIS_OK;",
      extra: "int socket(int, int, int);", words: ["forbidden system call", "socket"]),
    IsolatedFault(
      name: "kill-parent", process: "kill(getppid(), 9); return AEGIS_OK;",
      extra: "int kill(int, int); int getppid(void);", words: ["forbidden system call", "kill"]),
    IsolatedFault(
      name: "thread",
      process: "unsigned long t; pthread_create(&t, 0, body, 0); return AEGIS_OK;",
      extra:
        "int pthread_create(unsigned long *, const void *, void *(*)(void *), void *); static void *body(void *a) { return a; }",
      words: ["forbidden system call", "starting a thread"]),
    IsolatedFault(
      name: "overrun",
      process:
        "for (int i = 0; i < 4096; i++) { memset(&b->out[i], 0, sizeof b->out[i]); b->out_count++; } return AEGIS_OK;",
      words: ["SIGSEGV"]),
    IsolatedFault(
      name: "stack", process: "return (aegis_status)deep(b->count);",
      extra:
        "static int deep(int n) { volatile char room[4096]; room[n % 4096] = 1; return deep(n + 1) + room[0]; }",
      words: ["SIGSEGV"]),
    IsolatedFault(
      name: "leak",
      process: "for (;;) { char *p = malloc(16 << 20); if (!p) abort(); memset(p, 1, 16 << 20); }",
      words: ["SIGABRT", "of the 512 MB it may use"]),
  ]
}

@Suite("A fault of an isolated plugin", .serialized)
struct IsolatedFaultTests {
  @Test("is contained and explained, and another plugin goes on", arguments: IsolatedFault.all)
  func contained(fault: IsolatedFault) throws {
    let fixture = try Fixture()
    let healthy = try fixture.isolate(try fixture.plugin("healthy"))
    var limits = IsolationLimits.quick
    limits.addressSpaceByteCountMax = 512 << 20
    limits.hardBudgetNanoseconds = fault.name == "loop" ? 200_000_000 : 30_000_000_000
    let faulty = try fixture.isolate(
      try fixture.plugin(fault.name, process: fault.process, extra: fault.extra), limits: limits)
    #expect(faulty.signals(of: [trade(5, at: 1)]).isEmpty)
    let failure = try #require(faulty.failure(), "\(faulty.status)")
    #expect(failure.phase == fault.phase)
    for word in fault.words { #expect(failure.reason.contains(word), "\(failure.reason)") }
    if fault.name == "segfault" {
      let path = "\(fixture.folder)/quarantine.json"
      let record = try QuarantineStore.add(failure, of: faulty.descriptor, path: path, seconds: 1)
      let stack = try String(contentsOfFile: record.backtracePath, encoding: .utf8)
      #expect(stack.contains("SIGSEGV") && stack.contains(".so"), "\(stack)")
      #expect(try QuarantineStore.load(path: path).verdict(sha256: record.sha256, seconds: 2) != .free)
    }
    // The engine may go on offering; nothing comes of it.
    #expect(faulty.signals(of: [trade(5, at: 2)], firstSequence: 2).isEmpty)
    let events = (1...500).map { trade(5, at: Int64($0)) }
    #expect(healthy.signals(of: events).count == 500)
    #expect(healthy.status == .running)
  }

  @Test("in create is named and refused", arguments: ["abort();", "for (;;) {}", "exit(0);"])
  func inCreate(code: String) throws {
    let fixture = try Fixture()
    var limits = IsolationLimits.quick
    if code.contains("for") { limits.controlTimeoutMilliseconds = 500 }
    let path = try fixture.plugin("bad-create", create: code)
    let error = #expect(throws: PluginError.self) { _ = try fixture.isolate(path, limits: limits) }
    guard case .isolated("bad-create", .create, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("in a constructor is named and refused")
  func inConstructor() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "bad-load",
      extra:
        "int socket(int, int, int); __attribute__((constructor)) static void begin(void) { socket(2, 1, 0); }"
    )
    do {
      _ = try fixture.isolate(path)
      Issue.record("it was loaded")
    } catch {
      #expect("\(error)".contains("while loading") && "\(error)".contains("socket"), "\(error)")
    }
  }

  @Test("that cannot reach a file goes on without it")
  func files() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "files",
      process: """
        for (uint32_t i = 0; i < b->count; i++) {
          const aegis_event *e = &b->events[i];
          uint64_t tag = 0;
          if (open("/etc/shadow", 0) < 0) tag |= 1;
          if (open("\(fixture.folder)/made", 0101, 0600) < 0) tag |= 2;
          if (unlink("\(fixture.folder)/precious") < 0) tag |= 4;
          if (open("/proc/self/mem", 2) < 0) tag |= 8;
          aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, tag};
          b->out[b->out_count++] = s;
        }
        return AEGIS_OK;
        """, extra: "int open(const char *, int, ...); int unlink(const char *);")
    let precious = "\(fixture.folder)/precious"
    try "kept".write(toFile: precious, atomically: true, encoding: .utf8)
    let plugin = try fixture.isolate(path)
    #expect(plugin.signals(of: [trade(5, at: 1)]).map(\.tag) == [15])
    #expect(FileManager.default.fileExists(atPath: precious))
    #expect(!FileManager.default.fileExists(atPath: "\(fixture.folder)/made"))
  }

  @Test("that is said to need files is kept to its own folder")
  func ownFolder() throws {
    let fixture = try Fixture()
    let own = "\(fixture.folder)/own"
    try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: false)
    _ = try fixture.plugin(
      "writes",
      process: """
        const aegis_event *e = b->events;
        uint64_t tag = 0;
        int made = open("\(own)/made", 0101, 0600);
        if (made >= 0 && write(made, "x", 1) == 1) tag |= 1;
        if (open("\(fixture.folder)/made", 0101, 0600) < 0) tag |= 2;
        if (open("\(own)/../made", 0101, 0600) < 0) tag |= 4;
        if (rename("\(own)/made", "\(fixture.folder)/moved") < 0) tag |= 8;
        if (symlink("/etc/passwd", "\(own)/link") < 0) tag |= 16;
        aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, tag};
        b->out[b->out_count++] = s;
        return AEGIS_OK;
        """,
      extra:
        "int open(const char *, int, ...); long write(int, const void *, unsigned long); int rename(const char *, const char *); int symlink(const char *, const char *);"
    )
    let path = try fixture.promising("AEGIS_CAP_FILES", "writes")
    let plugin = try fixture.isolate(path, dataDirectory: own)
    #expect(plugin.signals(of: [trade(5, at: 1)]).map(\.tag) == [31])
    #expect(try FileManager.default.contentsOfDirectory(atPath: own) == ["made"])
  }

  @Test("that is said to start threads may, and one that asks for the network may not start")
  func capabilities() throws {
    let fixture = try Fixture()
    _ = try fixture.plugin(
      "threads",
      process: """
        const aegis_event *e = b->events;
        unsigned long t;
        if (pthread_create(&t, 0, body, 0) != 0 || pthread_join(t, 0) != 0) return AEGIS_E_INTERNAL;
        aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, mark};
        b->out[b->out_count++] = s;
        return AEGIS_OK;
        """,
      extra: """
        int pthread_create(unsigned long *, const void *, void *(*)(void *), void *);
        int pthread_join(unsigned long, void **);
        static volatile uint64_t mark;
        static void *body(void *a) { mark = 5; return a; }
        """)
    let path = try fixture.promising("AEGIS_CAP_THREADS", "threads")
    #expect(try fixture.isolate(path).signals(of: [trade(5, at: 1)]).map(\.tag) == [5])
    _ = try fixture.plugin("network")
    let network = try fixture.promising("AEGIS_CAP_NETWORK", "network")
    let error = #expect(throws: PluginError.self) { _ = try fixture.isolate(network) }
    #expect(error?.description.contains("AEGIS_CAP_NETWORK") == true)
  }

  @Test("that hides an endless call is seen by the events it does not take")
  func hiddenCall() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "hides",
      process: "volatile uint64_t *page = mmap(0, 4096, 3, 1, 5, 0); for (;;) page[512 / 8] = 0;",
      extra: "void *mmap(void *, unsigned long, int, int, int, long);")
    var limits = IsolationLimits.quick
    limits.hardBudgetNanoseconds = 200_000_000
    let plugin = try fixture.isolate(path, limits: limits)
    plugin.offer(
      aegis_event(trade(5, at: 1), sequence: 1, rules: centRules), now: Instant(nanoseconds: 1), phase: .live)
    let failure = try #require(plugin.failure())
    #expect(failure.reason.contains("took no event"), "\(failure.reason)")
  }

  @Test("in what it prints is cut and counted")
  func flood() throws {
    let fixture = try Fixture()
    let log = IsolatedLog()
    let path = try fixture.plugin(
      "floods",
      process: "for (int i = 0; i < 20000; i++) printf(\"line %d of a flood\\n\", i); return AEGIS_OK;",
      extra: "#include <stdio.h>")
    var limits = IsolationLimits.quick
    limits.hardBudgetNanoseconds = 60_000_000_000
    let plugin = try fixture.isolate(path, limits: limits, log: log)
    _ = plugin.signals(of: [trade(5, at: 1)])
    #expect(plugin.status == .running)
    try #require(eventually { plugin.cutLineCount + UInt64(log.lines.count) >= 20000 })
    #expect(plugin.cutLineCount > 10000)
    #expect(eventually { log.lines.contains { $0.contains("lines were cut") } })
  }

  @Test("in its signals is counted and never passed on")
  func badSignals() throws {
    let fixture = try Fixture()
    let bodies: [(String, SignalRefusal)] = [
      ("s.return_fraction = NAN;", .notFinite), ("s.return_fraction = 2;", .returnTooLarge),
      ("s.confidence = 7;", .confidence), ("s.instrument = 99;", .instrument), ("s.cause_seq += 1;", .cause),
      ("s.ts_ns += 1;", .time), ("s.horizon_ns = 0;", .horizon), ("s.feature_count = 3;", .features),
      ("b->out_count = b->out_capacity + 1; return AEGIS_OK;", .tooMany),
      ("return AEGIS_E_INTERNAL;", .failed),
    ]
    for (index, (body, refusal)) in bodies.enumerated() {
      let plugin = try fixture.isolate(try fixture.plugin("bad-\(index)", signal: body))
      #expect(plugin.signals(of: [trade(5, at: 1)]).isEmpty)
      #expect(plugin.counters[refusal] == 1, "\(body) \(plugin.counters.refusedCount)")
      #expect(plugin.status == .running)
    }
  }

  @Test("repeated in its signals takes it out of service")
  func manyBadSignals() throws {
    let fixture = try Fixture()
    var limits = IsolationLimits.quick
    limits.badSignalsMax = 100
    let plugin = try fixture.isolate(
      try fixture.plugin("nan", signal: "s.return_fraction = NAN;"), limits: limits)
    #expect(plugin.signals(of: (1...500).map { trade(5, at: Int64($0)) }).isEmpty)
    let failure = try #require(plugin.failure())
    #expect(failure.cause == .badSignals)
    #expect(failure.reason.contains("more than 100 signals"))
  }

  @Test("that is a forged ring is noticed, whatever it holds", arguments: UInt64(0)..<6)
  func forgedRing(seed: UInt64) throws {
    let fixture = try Fixture()
    // Descriptors 5 and 6 are the status page and the output ring; every byte of both is the plugin's to write.
    let path = try fixture.plugin(
      "forges",
      process: """
        uint64_t *page = mmap(0, 4096, 3, 1, 5, 0), *ring = mmap(0, 1024 * 128, 3, 1, 6, 0);
        for (uint64_t i = 0, x = \(seed + 1); i < 1024 * 16; i++) {
          x ^= x << 13; x ^= x >> 7; x ^= x << 17;
          ring[i] = i % 16 == 0 ? 1 + x % 3 : x % 4 ? x : b->events[0].seq;
        }
        static const uint64_t produced[] = {900, 1024, 1025, UINT64_MAX, UINT64_C(1) << 63, 5};
        page[256 / 8] = produced[\(seed)];
        page[128 / 8] = produced[\(5 - seed)];
        for (;;) usleep(1000);
        """,
      extra: "void *mmap(void *, unsigned long, int, int, int, long); int usleep(unsigned);")
    var limits = IsolationLimits.quick
    limits.hardBudgetNanoseconds = 500_000_000
    let plugin = try fixture.isolate(path, limits: limits)
    let room = UnsafeMutableBufferPointer<Signal>.allocate(capacity: 256)
    defer { room.deallocate() }
    var sequence: UInt64 = 0
    while plugin.isRunning {
      sequence += 1
      plugin.offer(
        aegis_event(trade(5, at: Int64(sequence)), sequence: sequence, rules: centRules),
        now: Instant(nanoseconds: Int64(sequence)), phase: .live)
      for index in 0..<plugin.poll(into: room, plugin: 0) {
        let signal = room[index]
        #expect(signal.returnFraction.magnitude <= 1 && signal.instrument.index < 2)
        #expect(signal.causeSequence <= sequence && signal.confidence >= 0 && signal.confidence <= 1)
        #expect(plugin.featureRow(index).isEmpty)
      }
    }
    #expect(plugin.failure() != nil)
  }

  @Test("cannot change the events it is shown")
  func inputIsReadOnly() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin(
      "writes-input",
      process: """
        uint64_t tag = 0;
        if (mmap(0, 4096, 3, 1, 4, 0) == (void *)-1) tag |= 1;
        if (pwrite(4, "x", 1, 0) < 0) tag |= 2;
        void *page = mmap(0, 4096, 1, 1, 4, 0);
        if (page != (void *)-1 && mprotect(page, 4096, 3) < 0) tag |= 4;
        const aegis_event *e = b->events;
        aegis_signal s = {e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, 0, 0, 0, tag};
        b->out[b->out_count++] = s;
        return AEGIS_OK;
        """,
      extra:
        "void *mmap(void *, unsigned long, int, int, int, long); long pwrite(int, const void *, unsigned long, long); int mprotect(void *, unsigned long, int);"
    )
    let plugin = try fixture.isolate(path)
    #expect(plugin.signals(of: [trade(5, at: 1)]).map(\.tag) == [7])
  }

  @Test("ends with the engine that started it, even in an endless call")
  func endsWithParent() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin("orphan", process: "for (;;) {}")
    var limits = IsolationLimits.quick
    limits.hardBudgetNanoseconds = 60_000_000_000
    let plugin = try fixture.isolate(path, limits: limits)
    plugin.offer(
      aegis_event(trade(5, at: 1), sequence: 1, rules: centRules), now: Instant(nanoseconds: 1), phase: .live)
    // What the end of this process would do to the channel.
    plugin.dropChannel()
    #expect(eventually { !plugin.isRunning })
  }

  @Test("killed from outside is seen within 100 ms")
  func killed() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin("victim")
    var milliseconds: [Double] = []
    for _ in 0..<5 {
      let plugin = try fixture.isolate(path)
      let begun = ContinuousClock.now
      kill(plugin.processIdentifier, SIGKILL)
      _ = eventually { !plugin.isRunning }
      milliseconds.append((ContinuousClock.now - begun) / .milliseconds(1))
      let failure = try #require(plugin.failure())
      #expect(failure.cause == .signal(SIGKILL) && failure.phase == .idle)
    }
    // One look in five may fall into a moment in which the machine had no time for us.
    #expect(milliseconds.sorted()[2] < 100, "\(milliseconds)")
  }
}
