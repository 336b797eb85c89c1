internal import CPlatform
import Glibc
import PluginABI

/// All the engine tells an isolated plugin's process before it loads anything.
struct IsolatedStart {
  /// The private copy, and the file it was made of for messages.
  var file: String
  /// Empty when the file has one plugin only.
  var id: String
  var hostName: String
  var version: String
  /// Empty = none.
  var dataDirectory: String
  var sandbox: SandboxMode
  var limits: IsolationLimits

  func write(to message: inout MessageWriter) {
    for text in [file, id, hostName, version, dataDirectory, sandbox.rawValue] { message.text(text) }
    message.number(limits.addressSpaceByteCountMax)
    message.number(limits.fileByteCountMax)
    message.number(limits.openFilesMax)
    message.number(limits.processesMax)
    message.number(limits.inputCapacity)
    message.number(limits.candlesMax)
    message.number(limits.spinCount)
    message.number(limits.stateByteCountMax)
  }

  init(from message: inout MessageReader) throws(IsolatedTrouble) {
    file = try message.text()
    id = try message.text()
    hostName = try message.text()
    version = try message.text()
    dataDirectory = try message.text()
    guard let sandbox = SandboxMode(rawValue: try message.text()) else {
      throw .protocolBroken("the engine names an unknown sandbox")
    }
    self.sandbox = sandbox
    limits = IsolationLimits()
    limits.addressSpaceByteCountMax = try message.count(max: 1 << 46)
    limits.fileByteCountMax = try message.count(max: 1 << 46)
    limits.openFilesMax = try message.count(max: 1 << 20)
    limits.processesMax = try message.count(max: 1 << 22)
    limits.inputCapacity = try message.count(max: 1 << 22)
    limits.candlesMax = try message.count(max: 1 << 20)
    limits.spinCount = try message.count(max: 1 << 30)
    limits.stateByteCountMax = try message.count(max: 1 << 36)
  }

  init(
    file: String, id: String?, hostName: String, version: String, dataDirectory: String?,
    sandbox: SandboxMode, limits: IsolationLimits
  ) {
    self.file = file
    self.id = id ?? ""
    self.hostName = hostName
    self.version = version
    self.dataDirectory = dataDirectory ?? ""
    self.sandbox = sandbox
    self.limits = limits
  }
}

/// First half of a start in the plugin's process: confined, loaded, described.
struct IsolatedLoading {
  let limits: IsolationLimits
  let sandbox: Sandbox
  let host: IsolatedHost
  let chosen: ChosenPlugin
  let dataDirectory: String?

  init(_ channel: IsolatedChannel) throws(PluginError) {
    let message = try IsolatedInstance.orderly("") { () throws(IsolatedChannel.Failure) in
      try channel.receive()
    }
    let start: IsolatedStart
    do throws(IsolatedTrouble) {
      guard message.kind == .start else { throw .protocolBroken("the first message is not a start") }
      var reader = MessageReader(message.body)
      start = try IsolatedStart(from: &reader)
      limits = start.limits
      dataDirectory = start.dataDirectory.isEmpty ? nil : start.dataDirectory
      // What walks stacks is loaded here, before files are out of reach. The page stays mapped to the end.
      let page = mmap(
        nil, IsolatedLayout.headerByteCount, PROT_READ | PROT_WRITE, MAP_SHARED, IsolatedChild.status, 0)
      guard let page, page != MAP_FAILED else { throw .system("map its status page", errno) }
      let kept = aegis_keep_last_words(StatusPage(page).lastWords, 1)
      guard kept == 0 else { throw .system("catch fatal signals", -kept) }
      aegis_print_by_line()
      sandbox = try Sandbox(start.sandbox, limits: start.limits, writableFolder: dataDirectory)
      let watched = aegis_end_with_peer(IsolatedChild.control)
      guard watched == 0 else { throw .system("watch over the engine", -watched) }
    } catch {
      throw .isolated(plugin: "(not loaded yet)", phase: .load, reason: error.description)
    }
    for missing in sandbox.missing {
      let text = "runs without \(missing): this machine does not allow it"
      Array(text.utf8).withUnsafeBytes { IsolatedHost.log(.warning, $0) }
    }
    host = IsolatedHost(name: start.hostName, version: start.version)
    // The engine has checked and copied the file; this copy is mapped as it is.
    let image = try PluginImage(path: start.file, cacheDirectory: nil)
    let chosen = try ChosenPlugin(image, id: start.id.isEmpty ? nil : start.id)
    self.chosen = chosen
    var answer = MessageWriter()
    chosen.descriptor.write(to: &answer)
    try IsolatedInstance.orderly(chosen.descriptor.id) { () throws(IsolatedChannel.Failure) in
      try channel.send(.loaded, answer.bytes)
    }
  }
}

/// Second half: what the instance is made of.
struct IsolatedCreation {
  let values: [PluginParameter.Value]
  let instruments: [String]
  let seed: UInt64

  init(_ channel: IsolatedChannel, descriptor: PluginDescriptor) throws(PluginError) {
    let message = try IsolatedInstance.orderly(descriptor.id) { () throws(IsolatedChannel.Failure) in
      try channel.receive()
    }
    do throws(IsolatedTrouble) {
      guard message.kind == .create else { throw .protocolBroken("the second message is not a create") }
      var reader = MessageReader(message.body)
      seed = try reader.number()
      var values: [PluginParameter.Value] = []
      for _ in 0..<(try reader.count(max: PluginTables.parameterCountMax)) {
        values.append(try PluginParameter.Value(from: &reader))
      }
      guard values.count == descriptor.parameters.count else {
        throw .protocolBroken("\(values.count) values for \(descriptor.parameters.count) parameters")
      }
      self.values = values
      var instruments: [String] = []
      for _ in 0..<(try reader.count(max: 1 << 16)) { instruments.append(try reader.text()) }
      self.instruments = instruments
    } catch {
      throw .isolated(plugin: descriptor.id, phase: .create, reason: error.description)
    }
  }

  static func message(values: [PluginParameter.Value], instruments: [String], seed: UInt64) -> [UInt8] {
    var message = MessageWriter()
    message.number(seed)
    message.number(values.count)
    for value in values { value.write(to: &message) }
    message.number(instruments.count)
    for instrument in instruments { message.text(instrument) }
    return message.bytes
  }
}
