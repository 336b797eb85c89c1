import ArgumentParser
import Engine
import Foundation
import SimulatorServer

struct Simulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a Binance-compatible exchange on loopback, from a recording or a generated market.",
    discussion: """
      Prints one line of JSON with its addresses when it is ready. Port 0 picks a free one.
      Prices come from recorded streams (--tape DIR) or are generated (--generate N, the default): one seed gives one
      market. Signed requests must carry the key and secret given here.
      """)

  @Option(
    help: "Folder (or one file) of recorded streams to play, from the first subscription on, in a loop.")
  var tape: String?

  @Option(help: "Number of generated instruments.")
  var generate: Int?

  @Option(help: "Seed of the generated market.")
  var seed: UInt64 = 1

  @Option(help: "Generated messages a second, over all instruments.")
  var rate: Int = 1000

  @Option(help: "How many times faster than real time the simulator's clock runs. Signed sessions need 1.")
  var speed: Double = 1

  @Option(help: "REST port; 0 picks a free one.")
  var restPort: Int = 0

  @Option(help: "Stream port; 0 picks a free one. Default: one above a given REST port, else a free one.")
  var streamPort: Int?

  @Option(help: "Key that signed requests must carry.")
  var apiKey: String?

  @Option(help: "Secret that signatures are checked with.")
  var apiSecret: String?

  @Flag(help: .hidden) var endsWithParent = false

  func validate() throws {
    if tape != nil, generate != nil {
      throw ValidationError("--tape and --generate exclude each other; give one")
    }
    if let generate, !(1...1000).contains(generate) {
      throw ValidationError("--generate: \(generate) is not 1 to 1000")
    }
    if !(1...1_000_000).contains(rate) {
      throw ValidationError("--rate: \(rate) is not 1 to 1,000,000 messages a second")
    }
    if !(0.01...1000).contains(speed) { throw ValidationError("--speed: \(speed) is not 0.01 to 1000") }
    for (name, port) in [("--rest-port", restPort), ("--stream-port", streamPort ?? 0)]
    where !(0...65535).contains(port) {
      throw ValidationError("\(name): \(port) is not a port; use 0 to 65535")
    }
    if (apiKey == nil) != (apiSecret == nil) {
      throw ValidationError("--api-key and --api-secret belong together; give both or neither")
    }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    let source: SimulatorOptions.Source =
      tape.map { SimulatorOptions.Source.tape($0) }
      ?? .generate(symbolCount: generate ?? 20, seed: seed, messagesPerSecond: rate)
    do {
      try await SimulateProcess.run(
        SimulatorOptions(
          source: source, speed: speed, restPort: restPort,
          streamPort: streamPort ?? (restPort == 0 ? 0 : restPort + 1),
          apiKey: apiKey ?? environment[SimulatorCredentials.keyVariable],
          apiSecret: apiSecret ?? environment[SimulatorCredentials.secretVariable]),
        endsWithParent: endsWithParent)
    } catch is CancellationError {
      return  // asked to end
    } catch {
      throw fail("\(error)")
    }
  }
}
