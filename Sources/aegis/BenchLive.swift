import ArgumentParser
import Engine

/// `aegis bench-live`
struct BenchLive: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-live",
    abstract: "Take in messages of a load server, from the socket to the ring, and print one line of JSON.",
    discussion: """
      The path is the engine's own: socket, frame parser, scanner, firewall, ring. The window begins behind the read
      that brought the first message.
      """)

  @Option(help: "WebSocket address, such as ws://127.0.0.1:9801/stream.") var url: String
  @Option(help: "What the server sends: agg, book or depth.") var kind: String
  @Option(help: "Messages to take in.") var count: Int

  func validate() throws {
    guard BenchLiveKind(rawValue: kind) != nil else {
      throw ValidationError("--kind: \"\(kind)\" is none of agg, book and depth")
    }
    guard (1...1_000_000_000).contains(count) else {
      throw ValidationError("--count: \(count) is not 1 to 1,000,000,000 messages")
    }
  }

  func run() async throws {
    guard let kind = BenchLiveKind(rawValue: kind) else { return }  // validated
    do {
      print(try BenchLiveRun.run(url: url, kind: kind, count: count).line())
    } catch {
      throw fail("\(error)")
    }
  }
}
