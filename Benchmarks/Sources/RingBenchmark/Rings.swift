import CPlatform
import Glibc
import SharedMemory
import Synchronization

/// The payload of a broadcast slot.
struct Payload: BitwiseCopyable, Sendable {
  var word0, word1, word2, word3, word4, word5, word6: UInt64

  @inline(__always) init(_ index: UInt64) {
    (word0, word1, word2, word3) = (index, 7, index, 7)
    (word4, word5, word6) = (index, 7, ~index)
  }

  @inline(__always) func isRecord(_ index: UInt64) -> Bool { word0 == index && word6 == ~index }
}

/// A record of the hand-off queue: as long as those of the peers.
struct Record: BitwiseCopyable, Sendable {
  var payload: Payload
  var word7: UInt64

  @inline(__always) init(_ index: UInt64) {
    payload = Payload(index)
    word7 = ~index
  }

  @inline(__always) func isRecord(_ index: UInt64) -> Bool { payload.word0 == index && word7 == ~index }
}

let ringCapacity = 1 << 16

/// Records per second from one process to another, none lost. The ring itself never waits, so that every record is
/// delivered the writer looks at a gauge of the reader's every 256 records: that is the benchmark's, not the ring's.
@inline(never)
func broadcastThroughput(count: UInt64, on processes: TwoProcesses) throws -> Double {
  var writer = try EventRingWriter<Payload>(anonymousCapacity: ringCapacity)
  var reader = try EventRingReader(of: writer, startingAt: .oldest)
  let gaugePage = try MappedRegion.anonymous(byteCount: 4096)
  let gauge = gaugePage.base.assumingMemoryBound(to: Atomic<UInt64>.self)
  let nanoseconds = processes.measure {
    var wrong: UInt64 = 0
    var expected: UInt64 = 0
    while expected < count {
      switch reader.next() {
      case .record(let payload):
        if !payload.isRecord(expected) { wrong &+= 1 }
        expected &+= 1
        if expected & 255 == 0 { gauge.pointee.store(expected, ordering: .releasing) }
      case .empty: continue
      case .overrun(let lost):
        expected &+= lost
        wrong &+= lost
      }
    }
    return wrong
  } producer: {
    var seen: UInt64 = 0
    for index in 0..<count {
      if index & 255 == 0 {
        while index &- seen > UInt64(ringCapacity / 2) { seen = gauge.pointee.load(ordering: .acquiring) }
      }
      writer.publish(Payload(index))
    }
  }
  return Double(count) * 1e9 / nanoseconds
}

/// Records per second of a writer that nobody slows down, with a reader that takes what it can.
@inline(never)
func lappedThroughput(count: UInt64, on processes: TwoProcesses) throws -> Double {
  var writer = try EventRingWriter<Payload>(anonymousCapacity: ringCapacity)
  var reader = try EventRingReader(of: writer, startingAt: .oldest)
  let nanoseconds = processes.measure {
    var wrong: UInt64 = 0
    var delivered: UInt64 = 0
    var lostTotal: UInt64 = 0
    while reader.sequence < count {
      let before = reader.sequence
      switch reader.next() {
      case .record(let payload):
        if !payload.isRecord(before) { wrong &+= 1 }
        delivered &+= 1
      case .empty: continue
      case .overrun(let lost): lostTotal &+= lost
      }
    }
    return wrong &+ (delivered &+ lostTotal == count ? 0 : 1)
  } producer: {
    for index in 0..<count { writer.publish(Payload(index)) }
  }
  return Double(count) * 1e9 / nanoseconds
}

/// Records per second through the lossless queue, both cursors published per record.
@inline(never)
func handoffThroughput(count: UInt64, on processes: TwoProcesses) throws -> Double {
  var producer = try HandoffProducer<Record>(anonymousCapacity: ringCapacity)
  var consumer = try HandoffConsumer(of: producer)
  let nanoseconds = processes.measure {
    var wrong: UInt64 = 0
    var expected: UInt64 = 0
    while expected < count {
      guard let record = consumer.tryPop() else { continue }
      if !record.isRecord(expected) { wrong &+= 1 }
      expected &+= 1
    }
    return wrong
  } producer: {
    for index in 0..<count {
      let record = Record(index)
      while !producer.tryPush(record) {}
    }
  }
  return Double(count) * 1e9 / nanoseconds
}

/// Median and 99th percentile, in nanoseconds.
struct RoundTrip {
  var median: Double
  var percentile99: Double

  init(_ times: [Int64]) {
    let sorted = times.sorted()
    median = Double(sorted[sorted.count / 2])
    percentile99 = Double(sorted[sorted.count * 99 / 100])
  }
}

/// There and back over two broadcast rings.
@inline(never)
func broadcastRoundTrip(count: Int, on processes: TwoProcesses) throws -> RoundTrip {
  var requests = try EventRingWriter<Payload>(anonymousCapacity: ringCapacity)
  var requestReader = try EventRingReader(of: requests, startingAt: .oldest)
  var answers = try EventRingWriter<Payload>(anonymousCapacity: ringCapacity)
  var answerReader = try EventRingReader(of: answers, startingAt: .oldest)
  var times = [Int64](repeating: 0, count: count)
  times.withUnsafeMutableBufferPointer { times in
    _ = processes.measure {
      var served = 0
      while served < count {
        guard case .record(let payload) = requestReader.next() else { continue }
        answers.publish(payload)
        served += 1
      }
      return 0
    } producer: {
      for index in 0..<count {
        let begun = aegis_monotonic_nanoseconds()
        requests.publish(Payload(UInt64(index)))
        while true {
          guard case .record(let payload) = answerReader.next() else { continue }
          guard payload.isRecord(UInt64(index)) else { fatalError("a wrong record came back") }
          break
        }
        times[index] = aegis_monotonic_nanoseconds() - begun
      }
    }
  }
  return RoundTrip(times)
}

/// There and back over two hand-off queues.
@inline(never)
func handoffRoundTrip(count: Int, on processes: TwoProcesses) throws -> RoundTrip {
  var requests = try HandoffProducer<Record>(anonymousCapacity: ringCapacity)
  var requestConsumer = try HandoffConsumer(of: requests)
  var answers = try HandoffProducer<Record>(anonymousCapacity: ringCapacity)
  var answerConsumer = try HandoffConsumer(of: answers)
  var times = [Int64](repeating: 0, count: count)
  times.withUnsafeMutableBufferPointer { times in
    _ = processes.measure {
      var served = 0
      while served < count {
        guard let record = requestConsumer.tryPop() else { continue }
        while !answers.tryPush(record) {}
        served += 1
      }
      return 0
    } producer: {
      for index in 0..<count {
        let begun = aegis_monotonic_nanoseconds()
        while !requests.tryPush(Record(UInt64(index))) {}
        while true {
          guard let record = answerConsumer.tryPop() else { continue }
          guard record.isRecord(UInt64(index)) else { fatalError("a wrong record came back") }
          break
        }
        times[index] = aegis_monotonic_nanoseconds() - begun
      }
    }
  }
  return RoundTrip(times)
}
