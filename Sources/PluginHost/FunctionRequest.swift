import Glibc

/// One question about the functions of a file, asked of a child process: a wrong declaration, a crash or an endless
/// loop costs the child and nothing else.
public struct FunctionRequest: Sendable, Hashable {
  public enum Purpose: UInt64, Sendable {
    case call = 0
    /// Test `AEGIS_FUNCTION_CAUSAL`; the values are those of inputs that are neither lists nor candles.
    case causality = 1
  }

  /// A function as the child finds it.
  public struct Target: Sendable, Hashable {
    public var library: String
    public var name: String
    public var signature: FunctionSignature
    public var file: String
    public var sha256: String
    public var isDeclaredCausal: Bool
    public var help: String
    /// The library is no plugin: the signature is what a person declared.
    public var isBound: Bool
  }

  public var target: Target
  public var purpose: Purpose
  public var values: [FunctionValue]

  public init(_ target: Target, purpose: Purpose = .call, values: [FunctionValue]) {
    self.target = target
    self.purpose = purpose
    self.values = values
  }

  // MARK: The parent's half

  /// What the functions of a plugin file are, asked of a child.   [control]
  ///
  /// - Parameter host: path of `aegis-plugin-host`.
  /// - Throws: `.plugin`, `.noFunctions`, `.crashed`, `.timedOut`, `.child`.
  public static func targets(
    of path: String, host: String, timeoutMilliseconds: Int = 10_000
  ) throws(FunctionError) -> [Target] {
    let sha256 = try fileHash(path)
    let output = try run(
      host, ["functions", path], input: nil, subject: path, timeoutMilliseconds: timeoutMilliseconds)
    var targets: [Target] = []
    for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
      guard let fields = FlatJSON.parse(line) else { throw damaged(host) }
      if let error = fields["error"] { throw .child(error) }
      guard let text = fields["signature"], let name = fields["function"], let library = fields["library"],
        let signature = try? FunctionSignature(parsing: text)
      else { throw damaged(host) }
      targets.append(
        Target(
          library: library, name: name, signature: signature, file: path, sha256: sha256,
          isDeclaredCausal: fields["causal"] == "true", help: fields["help"] ?? "", isBound: false))
    }
    guard !targets.isEmpty else { throw .noFunctions(library: path) }
    return targets
  }

  /// The declared functions of a library that is no plugin; the child says whether it has the symbols.   [control]
  ///
  /// - Returns: the binding with the library's hash filled in.
  /// - Throws: `.plugin`, `.declaration` naming the missing symbol, `.crashed`, `.timedOut`.
  public static func check(
    _ binding: FunctionBinding, host: String, timeoutMilliseconds: Int = 10_000
  ) throws(FunctionError) -> FunctionBinding {
    var result = binding
    result.sha256 = try fileHash(binding.path)
    let output = try run(
      host, ["functions", binding.path] + binding.functions.map(\.name), input: nil, subject: binding.path,
      timeoutMilliseconds: timeoutMilliseconds)
    for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
      guard let fields = FlatJSON.parse(line) else { throw damaged(host) }
      if let error = fields["error"] { throw .child(error) }
    }
    return result
  }

  /// - Throws: `.changed` when the file is not the one that was bound.
  public static func targets(of binding: FunctionBinding) throws(FunctionError) -> [Target] {
    let found = try fileHash(binding.path)
    guard found == binding.sha256 else {
      throw .changed(
        library: binding.path, expected: binding.sha256, found: found,
        fix: "restore it, or look at it and bind it again: aegis plugins bind \(binding.path) --fn …")
    }
    return binding.functions.map {
      Target(
        library: binding.id, name: $0.name, signature: $0.signature, file: binding.path, sha256: found,
        isDeclaredCausal: $0.isCausal, help: "", isBound: true)
    }
  }

  /// Asks and waits.   [control]
  ///
  /// - Throws: `.crashed`, `.timedOut`, `.child` with the child's own words, `.plugin` when it cannot be started.
  public func answer(host: String, timeoutMilliseconds: Int = 60_000) throws(FunctionError) -> FunctionAnswer
  {
    let request = try NamelessFile(encoded)
    let bytes = try Self.run(
      host, ["call", target.file], input: request.descriptor, subject: target.name,
      timeoutMilliseconds: timeoutMilliseconds)
    do throws(FunctionMessage.Damaged) {
      var message = FunctionMessage(bytes)
      guard try message.word() == FunctionMessage.answerMagic else { throw FunctionMessage.Damaged() }
      let isFine = try message.word() == 1
      let text = try message.text()
      guard isFine else { return .failed(text) }
      switch purpose {
      case .causality:
        try message.end()
        return .causal(violation: text.isEmpty ? nil : text)
      case .call:
        let outcome = try message.outcome(target.signature.result)
        try message.end()
        return .outcome(outcome)
      }
    } catch {
      throw Self.damaged(host)
    }
  }

  private static func damaged(_ host: String) -> FunctionError {
    .child("\(host): its answer cannot be understood; are it and aegis of one build?")
  }

  private static func fileHash(_ path: String) throws(FunctionError) -> String {
    do throws(PluginError) {
      return try PluginFile(path: path).sha256()
    } catch {
      throw .plugin(error)
    }
  }

  private static func run(
    _ host: String, _ arguments: [String], input: Int32?, subject: String, timeoutMilliseconds: Int
  ) throws(FunctionError) -> [UInt8] {
    let result: ChildProcess.Result
    do throws(PluginError) {
      result = try ChildProcess.run(
        host, arguments: arguments, input: input, timeoutMilliseconds: timeoutMilliseconds,
        outputByteCountMax: FunctionMessage.byteCountMax)
    } catch {
      throw .plugin(error)
    }
    switch result.ending {
    case .exited where !result.bytes.isEmpty: return result.bytes
    case .exited(let code):
      throw .child("\(subject): its process left with status \(code) and no answer; does it call exit?")
    case .killed(let signal): throw .crashed(function: subject, signal: signal)
    case .timedOut: throw .timedOut(function: subject, milliseconds: timeoutMilliseconds)
    }
  }

  // MARK: The bytes

  var encoded: [UInt8] {
    var message = FunctionMessage()
    message.put(FunctionMessage.requestMagic)
    message.put(purpose.rawValue)
    message.put(target.library)
    message.put(target.name)
    message.put(target.signature.text)
    message.put(target.sha256)
    message.put(target.isBound)
    message.put(values.count)
    for value in values { message.put(value) }
    return message.bytes
  }

  init(decoding bytes: [UInt8], file: String) throws(FunctionMessage.Damaged) {
    var message = FunctionMessage(bytes)
    guard try message.word() == FunctionMessage.requestMagic,
      let purpose = Purpose(rawValue: try message.word())
    else { throw FunctionMessage.Damaged() }
    let library = try message.text()
    let name = try message.text()
    guard let signature = try? FunctionSignature(parsing: try message.text()) else {
      throw FunctionMessage.Damaged()
    }
    target = Target(
      library: library, name: name, signature: signature, file: file, sha256: try message.text(),
      isDeclaredCausal: false, help: "", isBound: try message.word() != 0)
    self.purpose = purpose
    values = []
    for _ in 0..<(try message.count(of: 16)) { values.append(try message.value()) }
    try message.end()
  }
}

public enum FunctionAnswer: Sendable, Hashable {
  case outcome(FunctionOutcome)
  /// nil when the promise was kept.
  case causal(violation: String?)
  /// The child could not call it, in its own words.
  case failed(String)
}

/// Bytes a child reads as its standard input: no pipe that could fill, and a file without a name.
private struct NamelessFile: ~Copyable {
  let descriptor: Int32

  init(_ bytes: [UInt8]) throws(FunctionError) {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var name = Array("\(folder)/aegis-call-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else {
      throw .child("\(folder): no room for the request of a call: \(errorText(errno)); set TMPDIR")
    }
    unlink(name)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes {
        // Not empty, so it has an address.
        Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let reason = errorText(errno)
        close(descriptor)
        throw .child("\(folder): the request of a call cannot be written: \(reason)")
      }
      written += count
    }
    lseek(descriptor, 0, SEEK_SET)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}
