import BinanceWire
import Glibc
import Market

/// Nanoseconds a message for the scanner, the scanner with the firewall, and the JSON decoder, in one run.
///
/// The mix is 62 % quotes, 30 % aggregate trades, 4 % candles and 4 % mark prices over 300 symbols, wrapped
/// as combined streams. Prints one JSON line a row; `ratio` compares with the JSON decoder. Arguments:
/// message count, rounds.
@main
struct DecodeBenchmark {
  static func main() {
    let arguments = CommandLine.arguments
    let messageCount = arguments.count > 1 ? max(Int(arguments[1]) ?? 200_000, 1000) : 200_000
    let rounds = arguments.count > 2 ? max(Int(arguments[2]) ?? 7, 1) : 7
    let mix = MessageMix(messageCount: messageCount, symbolCount: 300, seed: 1)

    var scanOnly: [Double] = []
    var withFirewall: [Double] = []
    var checksums: Set<Int64> = []
    for _ in 0..<rounds {
      let (nanoseconds, checksum, _) = run(mix, firewalled: false)
      scanOnly.append(nanoseconds)
      checksums.insert(checksum)
      let guarded = run(mix, firewalled: true)
      withFirewall.append(guarded.nanoseconds)
      checksums.insert(guarded.checksum)
      precondition(guarded.refused == 0, "the generated market is plausible: \(guarded.refused) refused")
    }
    let slow = runDecoder(mix, messageCount: min(messageCount, 20_000))
    precondition(checksums.count == 1, "every run reads the same")
    precondition(
      slow.checksum == mix.checksum(firstMessages: min(messageCount, 20_000)), "the decoder reads the same")
    let scanMedian = scanOnly.sorted()[rounds / 2]
    let guardedMedian = withFirewall.sorted()[rounds / 2]
    print(row("scanner", scanMedian, slow.nanoseconds, mix))
    print(row("scanner+firewall", guardedMedian, slow.nanoseconds, mix))
    print(row("JSONDecoder", slow.nanoseconds, slow.nanoseconds, mix))
  }

  /// - Returns: nanoseconds a message, the sum of what was read, refusals.
  @inline(never)
  static func run(_ mix: MessageMix, firewalled: Bool) -> (nanoseconds: Double, checksum: Int64, refused: Int)
  {
    var scanner = MarketMessageScanner(table: mix.table)
    var firewall = DataFirewall(rules: mix.table.rules)
    var reading = MarketMessageScanner.Reading()
    var checksum: Int64 = 0
    var refused = 0
    let start = processorNanoseconds()
    mix.bytes.withUnsafeBytes { raw in
      var offset = 0
      for length in mix.lengths {
        let message = UnsafeRawBufferPointer(rebasing: raw[offset..<(offset &+ Int(length))])
        offset &+= Int(length)
        guard scanner.read(message, receivedNanoseconds: 1, into: &reading) == .event else { continue }
        let time = reading.event.time
        if firewalled, firewall.inspect(&reading.event, sequence: reading.sequence, serverNow: time) != nil {
          refused &+= 1
        }
        let event = reading.event
        checksum &+= event.word0 &+ event.word1 &+ event.word2 &+ event.word3 &+ reading.sequence
      }
    }
    let elapsed = processorNanoseconds() - start
    precondition(scanner.fallbackCount == 0, "the writer uses the fast order")
    return (elapsed / Double(mix.lengths.count), checksum, refused)
  }

  static func runDecoder(_ mix: MessageMix, messageCount: Int) -> (nanoseconds: Double, checksum: Int64) {
    let decoder = MarketMessages(table: mix.table)
    var messages: [[UInt8]] = []
    var offset = 0
    for length in mix.lengths.prefix(messageCount) {
      messages.append(Array(mix.bytes[offset..<(offset + Int(length))]))
      offset += Int(length)
    }
    var checksum: Int64 = 0
    let start = processorNanoseconds()
    for message in messages {
      guard case .event(let event, let sequence) = decoder.scan(message, receivedNanoseconds: 1) else {
        continue
      }
      checksum &+= event.word0 &+ event.word1 &+ event.word2 &+ event.word3 &+ sequence
    }
    return ((processorNanoseconds() - start) / Double(messages.count), checksum)
  }

  /// Processor time of this process: other programs on the machine do not count.
  static func processorNanoseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  static func row(_ name: String, _ value: Double, _ reference: Double, _ mix: MessageMix) -> String {
    let rounded = (value * 10).rounded() / 10
    let ratio = (reference / value * 10).rounded() / 10
    let mean = mix.bytes.count / mix.lengths.count
    return
      #"{"benchmark":"decode","row":"\#(name)","nanosecondsPerMessage":\#(rounded),"ratioToJSONDecoder":\#(ratio),"#
      + #""messages":\#(mix.lengths.count),"meanBytes":\#(mean)}"#
  }
}
