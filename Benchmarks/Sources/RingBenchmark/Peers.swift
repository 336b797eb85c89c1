import Glibc

/// The program built from `peers/queues.cpp`; nil where it is not there.
struct Peers {
  let program: String
  let names: [String]

  init?(program: String) {
    guard access(program, X_OK) == 0, let names = Self.run("\(program) names") else { return nil }
    self.program = program
    self.names = names
  }

  /// Records per second.
  func throughput(_ name: String, count: UInt64, on processes: TwoProcesses) -> Double? {
    numbers("throughput \(name) \(count)", processes)?.first
  }

  /// Median and 99th percentile of the round trip, in nanoseconds.
  func roundTrip(_ name: String, count: Int, on processes: TwoProcesses) -> (Double, Double)? {
    guard let numbers = numbers("latency \(name) \(count)", processes), numbers.count == 2 else { return nil }
    return (numbers[0], numbers[1])
  }

  private func numbers(_ arguments: String, _ processes: TwoProcesses) -> [Double]? {
    let line = Self.run(
      "\(program) \(arguments) \(processes.producerProcessor) \(processes.consumerProcessor)")?.first
    return line?.split(separator: " ").compactMap { Double($0) }
  }

  /// The lines a command prints; nil when it fails.
  private static func run(_ command: String) -> [String]? {
    guard let stream = popen(command, "r") else { return nil }
    var lines: [String] = []
    var buffer = [CChar](repeating: 0, count: 256)
    while fgets(&buffer, Int32(buffer.count), stream) != nil {
      let bytes = buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
      lines.append(String(decoding: bytes, as: UTF8.self))
    }
    return pclose(stream) == 0 ? lines : nil
  }
}
